import contextlib
import io
import json
import re
import shutil
import subprocess
import threading
import time

import numpy as np
import pytest
import soundfile
import tensorflow as tf
import uvicorn
from PIL import Image

from apps.common.exports import write_warmup_requests
from apps.common.signatures import CARD_FILE, WARMUP
from apps.serve.api import make_app
from apps.serve.metrics import Metrics
from apps.serve.models import Models
from apps.serve.settings import Batching, Limits
from apps.serve.sources import find_models

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


def texts(count=None):
    return tf.TensorSpec([count], tf.string)


def classify(text):
    good = tf.strings.regex_full_match(text, ".*good.*")
    return {"probability": tf.where(good, 0.9, 0.2), "label": tf.where(good, "yes", "no")}


def explain(text):
    words = tf.strings.split(text).to_tensor()
    effects = tf.where(words == "good", 2.5, tf.where(words == "", 0.0, -1.0))
    return {**classify(text), "words": words, "effects": effects}


def translate(text):
    rows = tf.shape(text)[0]
    attention = tf.tile(tf.constant([[[0.75, 0.25], [0.0, 1.0]]]), [rows, 1, 1])
    pieces = tf.tile([["▁un", "e"]], [rows, 1])
    return {
        "translation": tf.strings.join(["traduit : ", text]),
        "source_pieces": tf.tile([["▁one", "."]], [rows, 1]),
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
    cold = tf.debugging.Assert(temperature < 2, [tf.strings.join(["it is too hot"])])
    with tf.control_dependencies([cold]):
        length = tf.identity(length)
    return {"text": tf.repeat(tf.strings.reduce_join(tf.fill([length], "x")), tf.shape(prompt)[0])}


def recognise(features, length):
    rows = tf.range(tf.shape(length)[0])
    last = tf.gather_nd(features, tf.stack([rows, length - 1], 1))
    return ranked(last[:, 0] - features[:, 0, 0], ["left", "right"])


def ranked(numbers, classes):
    likely = tf.sigmoid(10 * numbers)
    probabilities = tf.stack([1 - likely, likely], 1)
    return {
        "label": tf.where(likely > 0.5, classes[1], classes[0]),
        "probability": tf.reduce_max(probabilities, 1),
        "probabilities": probabilities,
        "classes": tf.broadcast_to(tf.constant(classes), tf.shape(probabilities)),
    }


def decoded(wav):
    """Return how loud WAV files are at their ends, and their rates."""

    def one(content):
        samples, rate = tf.audio.decode_wav(content)
        return tf.reduce_max(tf.abs(samples[len(samples) // 2 :])), rate

    return tf.map_fn(one, wav, fn_output_signature=(tf.float32, tf.int32))


def hear(wav):
    return ranked(decoded(wav)[0] - 0.1, ["quiet", "loud"])


def write_down(wav):
    _, rate = decoded(wav)
    text = tf.strings.join([tf.strings.as_string(rate), " a second"])
    return {"text": text, "log_probability": tf.zeros_like(rate, tf.float32)}


def step(samples, state_0):
    count = state_0 + tf.shape(samples)[1] // BLOCK
    right = tf.debugging.Assert(tf.shape(samples)[1] % BLOCK == 0, ["it is no block"])
    with tf.control_dependencies([right]):
        return {"text": tf.strings.as_string(state_0) + ">", "state_0": count}


def strange(x):
    texts = tf.constant(['a NaN, "-Infinity", NaN', "[Infinity]", "\\"])
    numbers = tf.constant([float("nan"), float("inf"), -float("inf")]) + tf.cast(x, tf.float32)
    return {"texts": texts, "numbers": numbers}


def tone(seconds, rate=8000):
    return (0.5 * np.sin(np.arange(int(seconds * rate)) / 4)).astype("float32")


def written(samples, subtype="PCM_16", rate=8000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format="WAV")
    return file.getvalue()


IMAGE = io.BytesIO()
Image.new("RGB", (10, 7), "red").save(IMAGE, "PNG")
SCALAR = tf.TensorSpec([], tf.int32)
LENGTHS, SAMPLES = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None])
RATE, BLOCK = 8000, 240
MODELS = {
    "probability": (classify, {"text": texts()}),
    "explained": (classify, {"text": texts()}),
    "translation": (translate, {"text": texts()}),
    "caption": (describe, {"image": texts()}),
    "forecast": (forecast, {"window": tf.TensorSpec([None, 3, 1])}),
    "continuation": (
        write,
        {"prompt": texts(), "length": SCALAR, "temperature": tf.TensorSpec([]), "seed": SCALAR},
    ),
    "line": (recognise, {"features": tf.TensorSpec([None, None, 2]), "length": LENGTHS}),
    "rows": (recognise, {"features": tf.TensorSpec([None, None, 3]), "length": LENGTHS}),
    "sound": (lambda samples: {"y": samples}, {"samples": SAMPLES}),
    "speech": (lambda samples: {"y": samples}, {"samples": SAMPLES}),
    "other": (lambda x: {"y": x + 1}, {"x": SCALAR}),
    "strange": (strange, {"x": SCALAR}),
}
MORE = {  # signatures besides the default one
    "explained": {"explain": (explain, {"text": texts()})},
    "sound": {"wav": (hear, {"wav": texts()})},
    "speech": {
        "wav": (write_down, {"wav": texts()}),
        "step": (step, {"samples": SAMPLES, "state_0": LENGTHS}),
    },
}
EXAMPLES = {
    "line": {"features": [[[-1, 0], [0, 2], [1, 1]]], "length": [3]},
    "rows": {"features": [[[0, 1, 2]]], "length": [1]},
    "translation": {"text": [b"", b"An example"]},
    "caption": {"image": [IMAGE.getvalue() + bytes(1000)]},  # bytes after its end do not matter
    "forecast": {"window": [[[1.5], [2], [3]]]},
    "continuation": {"prompt": [b"It was"], "length": 5, "temperature": 1.0, "seed": 1},
    "other": {"x": 41},
}
CARD = """---
trained_on: made-up sentences
---

# translation

| `serving_default` | input | `text` | string | (?) | a sentence |
| `serving_default` | input | `samples` | float32 | (?, ?) | 8,000 samples a second |
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server, on a port of its own, of models with the signatures that the page has forms for."""
    folder = tmp_path_factory.mktemp("models")
    for name, (function, signature) in MODELS.items():
        traced = tf.function(function).get_concrete_function(**signature)
        path, signatures = folder / name / "1", {"serving_default": traced}
        more = MORE.get(name, {})
        for key, (other, specs) in more.items():
            signatures[key] = tf.function(other).get_concrete_function(**specs)
        tf.saved_model.save(tf.Module(), str(path), signatures=signatures)
        if name in EXAMPLES:
            endpoints = {"serving_default": (function, signature)}
            probes = {"serving_default": EXAMPLES[name]}
            write_warmup_requests(path / WARMUP, name, endpoints, probes)
    for name in ("translation", "speech"):
        (folder / name / "1" / CARD_FILE).write_text(CARD)
    probes = {"step": {"samples": [[0.0] * 2 * BLOCK], "state_0": [0]}}
    probes["wav"] = {"wav": [written(tone(1))]}
    write_warmup_requests(folder / "speech" / "1" / WARMUP, "speech", MORE["speech"], probes)
    metrics = Metrics()
    models = Models(lambda: find_models([folder]), Batching())
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
def page(address, tmp_path_factory):
    """The page in a browser, whose microphone hears a tone. It reaches no other host and reports no
    error.
    """
    from playwright.sync_api import sync_playwright

    heard = tmp_path_factory.mktemp("microphone") / "tone.wav"
    heard.write_bytes(written(tone(20, 48_000), rate=48_000))
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
    arguments += ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={heard}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_default_timeout(10_000)
        wrong = []
        page.on(
            "console",
            lambda told: (
                wrong.append(told.text)
                if told.type == "error" and "status of 400" not in told.text
                else None
            ),
        )
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
    section.locator("form button:not([type])").press("Enter")  # by the keyboard
    return section.locator(".answer")


@pytest.mark.slow
def test_every_model_has_its_section_and_nothing_is_wider_than_a_phone(page):
    assert page.locator("section h2").all_inner_texts() == [
        f"{name} version 1" for name in sorted(MODELS)
    ]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_probability_and_the_effect_of_leaving_out_each_word(page):
    page.locator("#model-probability textarea").fill("A good film")
    answer = submit(page, "probability")
    answer.get_by_text("Probability 90.0 %").wait_for()
    assert answer.locator(".big").inner_text() == "yes"
    assert answer.locator("mark").all_inner_texts() == ["A", "good+", "film"]
    assert "good (+70.0 %), A (+0.0 %)" in answer.inner_text()
    assert "Answer of probability, version 1." in answer.inner_text()


def test_a_model_that_explains_itself_is_asked_for_its_explanation(page):
    page.locator("#model-explained textarea").fill("a good film")
    answer = submit(page, "explained")
    answer.get_by_text("Largest effects: good (+2.50), a (-1.00), film (-1.00)").wait_for()
    assert answer.locator("mark").all_inner_texts() == ["a-", "good+", "film-"]


def test_a_translation_and_its_attention(page):
    page.locator("#model-translation textarea").fill("<b>x</b>")
    answer = submit(page, "translation")
    answer.get_by_text("traduit : <b>x</b>").wait_for()  # as text, not as markup
    assert answer.get_by_role("columnheader").all_inner_texts() == ["one", "."]
    assert answer.get_by_role("rowheader").all_inner_texts() == ["un", "·e"]
    cells = answer.locator("td.cell")
    titles = [cell.get_attribute("title") for cell in cells.all()]
    assert titles == cells.all_inner_texts() == ["0.75", "0.25", "0.00", "1.00"]
    assert "version 1, trained on made-up sentences." in answer.inner_text()


def test_an_example_is_filled_in_and_comes_back(page):
    for name, control, value in (
        ("translation", "textarea", "An example"),
        ("forecast", "textarea", "1.5\n2\n3"),
        ("continuation", "textarea", "It was"),
        ("other", "textarea", '{"x":41}'),
    ):
        found = page.locator(f"#model-{name} {control}")
        found.fill("something else")
        page.locator(f"#model-{name}").get_by_role("button", name="Example").click()
        assert found.input_value() == value
    page.locator("#model-caption").get_by_role("button", name="Example").click()
    submit(page, "caption").get_by_text("7 pixels high").wait_for()
    assert page.locator("#model-probability").get_by_role("button").all_inner_texts() == [
        "Classify"
    ]


def test_what_a_model_was_trained_on_its_card_and_its_requests_are_there(page):
    section = page.locator("#model-translation")
    assert section.get_by_text("Trained on made-up sentences.", exact=True).is_visible()
    section.get_by_text("Model card").click()
    section.get_by_text("# translation").wait_for()
    assert "trained_on" not in section.inner_text()
    section.get_by_text("API", exact=True).click()
    page.locator("#model-translation textarea").fill("It's")
    submit(page, "translation").get_by_text("traduit : It's").wait_for()
    line = section.locator("pre", has_text="curl ").inner_text()
    assert line.endswith("""/v1/models/translation:predict -d '{"inputs":{"text":["It'\\''s"]}}'""")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout)["outputs"]["translation"] == ["traduit : It's"]
    assert page.locator("#model-other").get_by_text("Model card").count() == 0


def test_a_caption_and_the_attention_of_each_word(page):
    file = {"name": "a.png", "mimeType": "image/png", "buffer": IMAGE.getvalue()}
    page.locator("#model-caption input").set_input_files(file)
    answer = submit(page, "caption")
    answer.get_by_text("7 pixels high").wait_for()
    assert answer.locator("figure canvas").count() == 1


def test_a_line_is_recognised_while_it_is_drawn(page):
    section = page.locator("#model-line")
    canvas, answer = section.locator("canvas.pad"), section.locator(".answer")
    canvas.scroll_into_view_if_needed()
    ink = canvas.evaluate(
        "pad => [...pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data]"
    )
    assert [37, 99, 235] in np.reshape(ink, (-1, 4))[:, :3].tolist()  # that of light and dark
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.down()
    for part in range(1, 11):
        place = 0.2 + 0.05 * part
        page.mouse.move(box["x"] + place * box["width"], box["y"] + (1 - place) * box["height"])
        page.wait_for_timeout(60)
    answer.get_by_text("So far.").wait_for()
    assert answer.locator(".big").inner_text().startswith("right (")
    page.mouse.up()
    answer.get_by_text("Answer of line, version 1.").wait_for()
    assert answer.get_by_role("rowheader").all_inner_texts() == ["right", "left"]
    assert answer.get_by_role("meter").first.evaluate("bar => bar.value") > 0.99
    lines = section.locator("textarea").input_value().splitlines()
    line = np.array([[float(number) for number in row.split(",")] for row in lines])
    assert 10 < len(line) < 60  # 25 a second
    # The example goes from -1 to 1 and from 0 to 2, and is 4 / 5 of the canvas: 2.5 wide and high.
    np.testing.assert_allclose(line[0], [-0.75, 0.25], atol=0.05)
    np.testing.assert_allclose(line[-1], [0.5, 1.5], atol=0.05)


def test_a_series_is_written_or_read_from_a_table(page):
    section = page.locator("#model-line")
    section.locator("textarea").fill("x,y\n1;0\n0 0")
    submit(page, "line").get_by_text("left (").wait_for()
    section.locator("textarea").fill("x,y\n1,0\n0\n")
    answer = submit(page, "line")
    answer.get_by_role("alert").wait_for()
    assert answer.inner_text() == 'Line 3 must be 2 numbers, with commas between; it is "0"'
    table = {"name": "a.csv", "mimeType": "text/csv", "buffer": b"x,y\n0,0\n0.5,1\n"}
    section.locator("input[type=file]").set_input_files(table)
    answer.get_by_text("right (").wait_for()
    assert section.locator("textarea").input_value() == "0, 0\n0.5, 1"


def test_an_image_is_read_row_by_row(page):
    shades = io.BytesIO()
    Image.fromarray(
        np.repeat([0, 128, 255], 3).astype("uint8")[:, None] * np.ones(9, "uint8")
    ).save(shades, "PNG")
    section = page.locator("#model-rows")
    file = {"name": "a.png", "mimeType": "image/png", "buffer": shades.getvalue()}
    section.locator("input[type=file]").set_input_files(file)
    section.locator(".answer").get_by_text("right (").wait_for()
    rows = section.locator("textarea").input_value().splitlines()
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx([0, 0.5, 1], abs=0.02)
    file = {"name": "b.png", "mimeType": "image/png", "buffer": b"no image"}
    section.locator("input[type=file]").set_input_files(file)
    section.locator(".answer").get_by_text("b.png is no image that this browser can").wait_for()


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW"])
def test_a_recording_is_sent_as_a_wav_file_of_16_bits(page, subtype):
    section = page.locator("#model-sound")
    one = np.stack([tone(1), np.zeros(8000, "float32")], 1)  # of two channels one is silent
    file = {"name": "a.wav", "mimeType": "audio/wav", "buffer": written(one, subtype)}
    section.locator("input[type=file]").set_input_files(file)
    submit(page, "sound").get_by_text("loud (").wait_for()
    content = written(one, subtype)
    size = content.index(b"data") + 4  # the header promises more than there is
    content = content[:size] + np.uint32(10**6).tobytes() + content[size + 4 :]
    section.locator("input[type=file]").set_input_files({**file, "buffer": content})
    answer = submit(page, "sound")
    section.locator(".wait").wait_for(state="hidden")
    assert answer.locator(".big").inner_text().startswith("loud (")
    file = {"name": "b.wav", "mimeType": "audio/wav", "buffer": written(0 * one, subtype)}
    section.locator("input[type=file]").set_input_files(file)
    submit(page, "sound").get_by_text("quiet (").wait_for()
    section.get_by_text("API", exact=True).click()
    assert '"signature_name":"wav"' in section.locator("pre", has_text="curl ").inner_text()
    section.get_by_text("API", exact=True).click()


def test_what_is_no_recording_is_refused(page):
    section = page.locator("#model-sound")
    file = {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"This is a text.\n" * 9}
    section.locator("input[type=file]").set_input_files(file)
    answer = submit(page, "sound")
    answer.get_by_role("alert").wait_for()
    assert answer.inner_text().startswith("a.wav is no recording that this browser can decode")


def record(page, name):
    """Begin to record, and return the section and where its answer is."""
    section = page.locator(f"#model-{name}")
    section.get_by_role("button", name="Record", exact=True).press("Enter")
    section.get_by_role("button", name="Stop recording").wait_for()
    return section, section.locator(".answer")


def test_the_microphone_is_heard_while_it_records(page):
    section, answer = record(page, "sound")
    answer.get_by_text("So far.").wait_for()
    page.wait_for_timeout(500)
    assert answer.locator(".big").inner_text().startswith("loud (")
    section.get_by_role("button", name="Stop recording").press("Enter")
    answer.get_by_text("Answer of sound, version 1.").wait_for()
    assert answer.locator(".big").inner_text().startswith("loud (")
    player = section.locator("audio")
    page.wait_for_function("player => player.duration > .5", arg=player.element_handle())
    assert player.is_visible()
    section.get_by_role("button", name="Record", exact=True).wait_for()


def test_words_are_heard_step_by_step(page):
    asked = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    section, answer = record(page, "speech")
    answer.get_by_text(re.compile("^0>[1-9][0-9]*>")).wait_for()  # each step has the states before
    said = answer.locator(".big").inner_text()
    section.get_by_role("button", name="Stop recording").press("Enter")
    # The card says that the model hears 8,000 samples a second, so that is what is recorded.
    answer.get_by_text("8000 a second").wait_for()
    assert "Probability 100.0 %" in answer.inner_text()
    assert said.count(">") <= sum('"signature_name":"step"' in body for body in asked)


def test_a_microphone_that_is_refused_or_not_there_is_said(page):
    for given, words in (
        ("undefined", "only to pages of https or of localhost"),
        ("NotAllowedError", "The microphone was refused; allow it to this page in the browser"),
        ("NotFoundError", "There is no microphone to record with (gone); choose a file"),
    ):
        page.evaluate(
            """given => {
                const getUserMedia = async () => { throw new DOMException('gone', given); };
                const value = given === 'undefined' ? undefined : { getUserMedia };
                Object.defineProperty(navigator, 'mediaDevices', { value, configurable: true });
            }""",
            given,
        )
        section = page.locator("#model-sound")
        section.get_by_role("button", name="Record", exact=True).click()
        section.get_by_role("alert").get_by_text(words).wait_for()
        assert section.get_by_role("button", name="Record", exact=True).is_enabled()
    page.evaluate("() => { delete navigator.mediaDevices; }")


def test_a_forecast_of_a_series(page):
    page.locator("#model-forecast textarea").fill("1, 2\n3\n4")
    answer = submit(page, "forecast")
    answer.get_by_role("img", name="A forecast of 2 steps, ending at 4.0000").wait_for()
    labels = answer.locator("svg text").all_text_contents()
    assert labels == ["2", "3.5", "5", "-2", "-1", "0", "+1", "+2"]
    page.locator("#model-forecast input[name=time]").fill("2024-02-28T00:00:00")
    page.locator("#model-forecast input[name=apart]").fill("86400")
    answer = submit(page, "forecast")
    answer.get_by_text("2024-03-01", exact=True).first.wait_for(state="attached")
    answer.get_by_text("The numbers").click()
    rows = [row.split("\t") for row in answer.locator("tr").all_inner_texts()]
    assert rows == [
        ["time (UTC)", "point", "lowest quantile", "highest quantile"],
        ["2024-02-29", "4", "3", "5"],
        ["2024-03-01", "4", "3", "5"],
    ]
    answer.get_by_role("button", name="Copy the table").click()
    answer.get_by_role("button", name="Copied").wait_for()
    page.locator("#model-forecast textarea").fill("1, x")
    submit(page, "forecast").get_by_text("must be numbers").wait_for()


def test_a_continuation_of_a_text(page):
    page.locator("#model-continuation textarea").fill("Once ")
    page.locator("#model-continuation input[name=length]").fill("45")
    answer = submit(page, "continuation")
    answer.get_by_text("Once " + 45 * "x", exact=True).wait_for()


def test_a_refusal_is_shown_as_its_sentence(page):
    page.locator("#model-continuation input[name=temperature]").fill("3")
    answer = submit(page, "continuation")
    answer.get_by_role("alert").wait_for()
    assert answer.inner_text() == "it is too hot"


def test_who_waits_sees_it(page):
    page.evaluate(
        """() => {
            window.ask = fetch;
            window.fetch = (...all) => new Promise(go => { window.go = () => go(ask(...all)); });
        }"""
    )
    try:
        submit(page, "other")
        waiting = page.locator("#model-other .wait")
        waiting.get_by_text("Waiting for the answer … 1 s").wait_for()
        assert page.locator("#model-other button").first.is_disabled()
    finally:
        page.evaluate("() => { window.fetch = ask; go(); }")
    waiting.wait_for(state="hidden")


def test_any_other_model(page):
    page.locator("#model-other textarea").fill('{"x": 2}')
    submit(page, "other").get_by_text("3").wait_for()
    page.locator("#model-other textarea").fill('{"x"')
    submit(page, "other").get_by_text("The inputs must be JSON").wait_for()


def test_numbers_that_are_none_are_shown_and_texts_stay_as_they_are(page):
    page.locator("#model-strange textarea").fill('{"x": 1}')
    answer = submit(page, "strange").locator("pre")
    answer.wait_for()
    shown = json.loads(answer.inner_text())  # Python reads NaN and Infinity, too
    assert shown["texts"] == ['a NaN, "-Infinity", NaN', "[Infinity]", "\\"]
    assert [str(number) for number in shown["numbers"]] == ["nan", "inf", "-inf"]
