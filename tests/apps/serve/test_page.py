import contextlib
import io
import shutil
import threading
import time

import pytest
import tensorflow as tf
import uvicorn
from PIL import Image

from apps.serve.api import make_app
from apps.serve.batching import Batching
from apps.serve.gate import Limits
from apps.serve.metrics import Metrics
from apps.serve.models import Models, find_models

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def texts(count=None):
    return tf.TensorSpec([count], tf.string)


def classify(text):
    good = tf.strings.regex_full_match(text, ".*good.*")
    return {"probability": tf.where(good, 0.9, 0.2), "label": tf.where(good, "yes", "no")}


def translate(text):
    rows = tf.shape(text)[0]
    attention = tf.tile(tf.constant([[[0.75, 0.25], [0.0, 1.0]]]), [rows, 1, 1])
    pieces = tf.tile([["un", "deux"]], [rows, 1])
    return {
        "translation": tf.strings.join(["traduit : ", text]),
        "source_pieces": tf.tile([["one", "two"]], [rows, 1]),
        "target_pieces": pieces,
        "attention": attention,
    }


def describe(image):
    shapes = tf.map_fn(lambda data: tf.shape(tf.io.decode_image(data)), image, tf.int32)
    words = tf.strings.as_string(shapes[:, 0])
    rows = tf.shape(image)[0]
    return {
        "caption": tf.strings.join([words, " pixels high"]),
        "pieces": tf.stack([words, tf.tile([""], [rows])], 1),
        "attention": tf.tile(tf.constant([[[0.1, 0.2, 0.3, 0.4]] * 2]), [rows, 1, 1]),
    }


def forecast(window):
    point = tf.tile(window[:, -1:], [1, 2, 1])
    return {"point": point, "quantiles": tf.stack([point - 1, point, point + 1], -1)}


def write(prompt, length, temperature, seed):
    return {"text": tf.repeat(tf.strings.reduce_join(tf.fill([length], "x")), tf.shape(prompt)[0])}


SCALAR = tf.TensorSpec([], tf.int32)
MODELS = {
    "probability": (classify, {"text": texts()}),
    "translation": (translate, {"text": texts()}),
    "caption": (describe, {"image": texts()}),
    "forecast": (forecast, {"window": tf.TensorSpec([None, 3, 1])}),
    "continuation": (
        write,
        {"prompt": texts(), "length": SCALAR, "temperature": tf.TensorSpec([]), "seed": SCALAR},
    ),
    "other": (lambda x: {"y": x + 1}, {"x": SCALAR}),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server, on a port of its own, of models with the signatures that the page has forms for."""
    folder = tmp_path_factory.mktemp("models")
    for name, (function, signature) in MODELS.items():
        traced = tf.function(function).get_concrete_function(**signature)
        path = str(folder / name / "1")
        tf.saved_model.save(tf.Module(), path, signatures={"serving_default": traced})
    metrics = Metrics()
    models = Models(lambda: find_models([folder]), None, Batching())
    config = uvicorn.Config(make_app(models, metrics, Limits()), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 30
    while not (server.started and models.ready()):
        assert time.monotonic() < end
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def page(address):
    """The page in a browser. It reaches no other host and reports no error."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        wrong = []
        page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((address, "data:", "blob:"))
                else wrong.append(asked.url)
            ),
        )
        page.goto(address)
        page.locator("section").nth(len(MODELS) - 1).wait_for()
        yield page
        with contextlib.suppress(Exception):
            browser.close()
        assert wrong == []


def submit(page, name):
    section = page.locator(f"#model-{name}")
    section.locator("form button").press("Enter")  # by the keyboard
    return section.locator(".answer")


def test_every_model_has_its_section_and_nothing_is_wider_than_a_phone(page):
    assert page.locator("section h2").all_inner_texts() == [
        f"{name} version 1" for name in sorted(MODELS)
    ]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_probability_and_the_effect_of_each_word(page):
    page.locator("#model-probability textarea").fill("A good film")
    answer = submit(page, "probability")
    answer.get_by_text("Probability 90.0 %, label yes").wait_for()
    assert answer.locator("mark").all_inner_texts() == ["A", "good", "film"]
    assert "good (+70.0 %), A (+0.0 %)" in answer.inner_text()


def test_a_translation_and_its_attention(page):
    page.locator("#model-translation textarea").fill("<b>x</b>")
    answer = submit(page, "translation")
    answer.get_by_text("traduit : <b>x</b>").wait_for()  # as text, not as markup
    assert answer.get_by_role("columnheader").all_inner_texts() == ["one", "two"]
    titles = [cell.get_attribute("title") for cell in answer.locator("td.cell").all()]
    assert titles == ["0.75", "0.25", "0.00", "1.00"]


def test_a_caption_and_the_attention_of_each_word(page):
    content = io.BytesIO()
    Image.new("RGB", (10, 7), "red").save(content, "PNG")
    file = {"name": "a.png", "mimeType": "image/png", "buffer": content.getvalue()}
    page.locator("#model-caption input").set_input_files(file)
    answer = submit(page, "caption")
    answer.get_by_text("7 pixels high").wait_for()
    assert answer.locator("figure canvas").count() == 1


def test_a_forecast_of_a_series(page):
    page.locator("#model-forecast textarea").fill("1, 2\n3\n4")
    answer = submit(page, "forecast")
    answer.get_by_role("img", name="A forecast of 2 steps, ending at 4.0000").wait_for()
    page.locator("#model-forecast textarea").fill("1, x")
    submit(page, "forecast").get_by_text("must be numbers").wait_for()


def test_a_continuation_of_a_text(page):
    page.locator("#model-continuation textarea").fill("Once ")
    page.locator("#model-continuation input[name=length]").fill("45")
    answer = submit(page, "continuation")
    answer.get_by_text("Once " + 45 * "x", exact=True).wait_for()


def test_any_other_model(page):
    page.locator("#model-other textarea").fill('{"x": 2}')
    submit(page, "other").get_by_text("3").wait_for()
