import base64
import contextlib
import gzip
import json
import shutil
import threading
import time

import pytest
import tensorflow as tf
from fastapi.testclient import TestClient

from apps.common.exports import write_warmup_requests
from apps.common.signatures import CARD_FILE, WARMUP
from apps.serve.api import make_app
from apps.serve.metrics import Metrics
from apps.serve.models import Models
from apps.serve.servable import Servable
from apps.serve.settings import Batching, Limits
from apps.serve.sources import Source, find_models
from tests.apps.serve.conftest import wait_for

MODEL = "/v1/models/arithmetic"


@contextlib.contextmanager
def serving(find, **options):
    """Run a server in this process and yield a client; limits are among the options."""
    limits = Limits(**{key: options.pop(key) for key in [*options] if hasattr(Limits, key)})
    metrics = Metrics()
    models = Models(find, Batching(), metrics.batch)
    app = make_app(models, metrics, limits, refresh_every=0.05, **options)
    local = {"base_url": "http://localhost", "raise_server_exceptions": False}
    with TestClient(app, **local) as client:
        wait_for(lambda: client.get("/healthz").status_code == 200)
        yield client


@pytest.fixture
def serve(base):
    """Start a server whose model and options a test may change."""
    with contextlib.ExitStack() as stack:
        yield lambda find=lambda: find_models([base.parent]), **options: stack.enter_context(
            serving(find, **options)
        )


@pytest.fixture(scope="module")
def client(versions):
    """A client of a server that no test changes."""
    source = Source(versions[1].parent, versions=(1,), labels={"first": 1})
    with serving(lambda: {"arithmetic": source}) as client:
        yield client


def ask(client, document, path=f"{MODEL}:predict", **options):
    response = client.post(path, content=json.dumps(document), **options)
    return response.status_code, response.json()


def test_status_and_metadata_are_worded_as_tensorflow_serving_does(client):
    status = {"error_code": "OK", "error_message": ""}
    expected = {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]}
    for path in (MODEL, f"{MODEL}/versions/1"):
        assert client.get(path).json() == expected
    found = client.get(f"{MODEL}/metadata").json()
    spec = {"name": "arithmetic", "signature_name": "", "version": "1"}
    assert found["model_spec"] == spec
    definition = found["metadata"]["signature_def"]["signature_def"]["sums"]
    assert definition["method_name"] == "tensorflow/serving/predict"
    tensor = definition["inputs"]["x"]
    assert tensor["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in tensor["tensor_shape"]["dim"]] == ["-1", "-1"]


def test_predictions_by_row_and_by_column(client):
    assert ask(client, {"instances": [1, 2]}) == (200, {"predictions": [2, 4]})
    assert ask(client, {"inputs": {"x": [1, 2]}}) == (200, {"outputs": [2, 4]})
    rows = {"signature_name": "both", "instances": [{"a": 3, "b": 1}]}
    assert ask(client, rows) == (200, {"predictions": [{"sum": 4, "difference": 2}]})
    text = {"signature_name": "echo", "inputs": ["\N{SNOWMAN}"]}
    raw = {"b64": base64.b64encode("\N{SNOWMAN}".encode()).decode()}
    expected = {"text": ["\N{SNOWMAN}"], "length": [3], "raw_bytes": [raw]}
    assert ask(client, text) == (200, {"outputs": expected})
    assert ask(client, {"signature_name": "scalar", "inputs": 2}) == (200, {"outputs": 3})


def test_classify_and_regress(client):
    examples = {"examples": [{"x": 0.25}, {"x": 1.0}]}
    classes = {"signature_name": "classified", **examples}
    expected = [[["low", 0.75], ["high", 0.25]], [["low", 0], ["high", 1]]]
    assert ask(client, classes, f"{MODEL}:classify") == (200, {"results": expected})
    values = {"signature_name": "regressed", **examples}
    assert ask(client, values, f"{MODEL}:regress") == (200, {"results": [0.5, 2]})
    code, answer = ask(client, examples, f"{MODEL}:classify")
    assert code == 400
    assert "Was: tensorflow/serving/predict" in answer["error"]


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        ("/v1/models/other:predict", "{}", 404, "Latest(other)"),
        (f"{MODEL}/versions/9:predict", "{}", 404, "Specific(arithmetic, 9)"),
        (f"{MODEL}/versions/x:predict", "{}", 400, "Malformed request: POST"),
        (f"{MODEL}/versions/{10**18 * 99}:predict", "{}", 400, "Failed to convert version"),
        (f"{MODEL}:Predict", "{}", 400, f"Malformed request: POST {MODEL}:Predict"),
        (f"{MODEL}:predict/", "{}", 400, f"Malformed request: POST {MODEL}:predict/"),
        (f"{MODEL}/labels/stable:predict", "{}", 404, "'stable'"),
        (f"{MODEL}:guess", "{}", 400, "Malformed request: POST"),
        (f"{MODEL}:predict", "", 400, "JSON Parse error"),
        (f"{MODEL}:predict", '{"signature_name": "none", "inputs": 1}', 400, "none"),
        (f"{MODEL}:predict", '{"signature_name": 1, "inputs": 1}', 400, "string"),
        (f"{MODEL}:predict", '{"instances": ["a"]}', 400, "float32"),
        (f"{MODEL}:predict", '{"instances": [-1]}', 400, "x must not be negative"),
        ("/v1/models/..%2F..%2Fetc:predict", "{}", 400, "Malformed"),
        ("/v1/models/%2e%2e:predict", "{}", 404, "Latest(..)"),
        ("/nothing", "{}", 404, "Not Found"),
    ],
)
def test_wrong_requests_get_their_status_and_a_reason(client, path, body, code, words):
    response = client.post(path, content=body)
    assert response.status_code == code
    assert response.json().keys() == {"error"}
    assert words in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        (f"{MODEL}:predict", 400, f"Malformed request: GET {MODEL}:predict"),
        (f"{MODEL}/", 400, f"Malformed request: GET {MODEL}/"),
        (f"{MODEL}/metadata/", 400, "Malformed request: GET"),
        ("/v1/models", 400, "Missing model name in request."),
        ("/V1/MODELS/Arithmetic", 404, "Latest(Arithmetic)"),
        ("/v1/others", 400, "Malformed request: GET /v1/others"),
        ("/healthz/", 404, "Not Found"),
    ],
)
def test_paths_are_read_as_tensorflow_serving_reads_them(client, path, code, words):
    response = client.get(path, follow_redirects=False)
    assert response.status_code == code
    assert words in response.json()["error"]


def test_the_words_of_a_path_may_be_in_capitals(client):
    request = {"instances": [1]}
    assert ask(client, request, "/V1/Models/arithmetic:predict")[0] == 200
    assert ask(client, request, "/v1/models/arithmetic/VERSIONS/1:predict")[0] == 200
    assert ask(client, request, "/v1/models/arithmetic/Labels/first:predict")[0] == 200
    assert client.get("/V1/MODELS/arithmetic").json() == client.get(MODEL).json()


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/models", "/metrics", MODEL, f"{MODEL}/metadata", f"{MODEL}/x"]
)
def test_a_head_is_a_get_without_its_answer(client, path):
    got, head = client.get(path), client.head(path)
    assert head.status_code == got.status_code
    assert head.headers["content-type"] == got.headers["content-type"]
    assert got.content
    assert not head.content


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity"])
def test_a_body_may_be_compressed(client, encoding):
    body = b'{"instances": [1, 2]}'
    if encoding != "identity":
        body = gzip.compress(body[:9]) + gzip.compress(body[9:])  # two members are one file
    headers = {"Content-Encoding": encoding}
    response = client.post(f"{MODEL}:predict", content=body, headers=headers)
    assert (response.status_code, response.json()) == (200, {"predictions": [2, 4]})


def test_a_compressed_body_that_is_wrong_is_refused(serve):
    client = serve(max_body=1000)

    def send(body, encoding="gzip"):
        headers = {"Content-Encoding": encoding}
        response = client.post(f"{MODEL}:predict", content=body, headers=headers)
        return response.status_code, response.json()["error"]

    bomb = gzip.compress(b"[" * 50_000)
    assert len(bomb) < 1000
    assert send(bomb) == (413, "The body of a request may have at most 1,000 bytes")
    assert send(gzip.compress(b"[" * 600) * 2)[0] == 413  # two members together
    assert send(bomb[:20]) == (400, "The body ends before its gzip does; send all of it")
    assert "no gzip" in send(b"{}")[1]
    code, words = send(b"{}", "br")
    assert (code, words) == (415, "Content-Encoding must be gzip, or absent; received 'br'")
    assert ask(client, {"instances": [1]})[0] == 200


def test_one_wrong_row_does_not_harm_those_that_wait_with_it(client):
    answers = {}

    def send(value):
        answers[value] = ask(client, {"instances": [value]})

    threads = [threading.Thread(target=send, args=(value,)) for value in (*range(40), -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.pop(-1)[0] == 400
    assert answers == {n: (200, {"predictions": [2 * n]}) for n in range(40)}


def test_versions_change_without_a_lost_request(serve, base, versions):
    client = serve()
    answers, stop = [], threading.Event()

    def send():
        while not stop.is_set():
            answers.append(ask(client, {"instances": [1]}))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    shutil.copytree(versions[2], base / ".2")
    (base / ".2").rename(base / "2")
    wait_for(lambda: client.get(f"{MODEL}/versions/2").status_code == 200)
    wait_for(lambda: ask(client, {"instances": [1]})[1] == {"predictions": [3]})
    count = len(answers)
    wait_for(lambda: len(answers) > count + 20)
    stop.set()
    for thread in threads:
        thread.join()
    assert {code for code, _ in answers} == {200}
    assert [answer["predictions"][0] for _, answer in answers] == sorted(
        answer["predictions"][0] for _, answer in answers
    )


def test_a_config_that_is_wrong_for_a_while_changes_nothing(serve, base, versions, caplog):
    wrong = threading.Event()

    def find():
        if wrong.is_set():
            raise ValueError("the config is being edited")
        return find_models([base.parent])

    client = serve(find)
    wrong.set()
    wait_for(lambda: "the config is being edited" in caplog.text)
    assert ask(client, {"instances": [1]}) == (200, {"predictions": [2]})
    shutil.copytree(versions[2], base / ".2")
    (base / ".2").rename(base / "2")
    wrong.clear()
    wait_for(lambda: ask(client, {"instances": [1]}) == (200, {"predictions": [3]}))


def test_bodies_rows_and_sequences_have_limits(serve):
    client = serve(max_body=300, max_rows=3, max_length=5)
    assert ask(client, {"instances": [1] * 3})[0] == 200
    assert ask(client, {"instances": [1] * 4})[0] == 400
    assert ask(client, {"signature_name": "sums", "inputs": [[1] * 6]})[0] == 400
    assert ask(client, {"instances": ["x" * 300]})[0] == 413

    def without_length():
        yield from (b"[" for _ in range(400))

    assert client.post(f"{MODEL}:predict", content=without_length()).status_code == 413


def test_more_requests_than_may_be_answered_at_once_are_told_when_to_come_again(serve, monkeypatch):
    client = serve(max_concurrent=1)
    begun, leave = threading.Event(), threading.Event()

    def slow(*arguments):
        begun.set()
        assert leave.wait(10)
        return {"y": tf.zeros(1).numpy()}

    monkeypatch.setattr(Servable, "predict", slow)
    first = threading.Thread(target=ask, args=(client, {"instances": [1]}))
    first.start()
    assert begun.wait(10)
    response = client.post(f"{MODEL}:predict", content="{}")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert client.get("/healthz").status_code == 200
    leave.set()
    first.join()
    wait_for(lambda: ask(client, {"instances": [1]})[0] == 200)


def test_an_answer_that_takes_too_long_is_given_up(serve, monkeypatch):
    client = serve(timeout=0.1)
    monkeypatch.setattr(Servable, "predict", lambda *arguments: time.sleep(0.5))
    code, answer = ask(client, {"instances": [1]})
    assert code == 504
    assert "0.1 s" in answer["error"]


def test_a_bug_is_answered_without_its_details(serve, monkeypatch):
    client = serve()

    def broken(*arguments):
        raise KeyError("secret")

    monkeypatch.setattr(Servable, "predict", broken)
    code, answer = ask(client, {"instances": [1]})
    assert code == 500
    assert "secret" not in answer["error"]


def test_a_key_is_asked_for_where_there_is_one(serve):
    client = serve(api_key="k")
    request = {"instances": [1]}
    assert ask(client, request)[0] == ask(client, request, headers={"X-API-Key": "x"})[0] == 401
    assert client.get(MODEL).status_code == client.get("/metrics").status_code == 401
    for headers in ({"X-API-Key": "k"}, {"Authorization": "Bearer k"}):
        assert ask(client, request, headers=headers)[0] == 200
    assert client.get("/").status_code == client.get("/healthz").status_code == 200


@pytest.mark.parametrize("key", ["k", "clé", "ключ", "鍵"])
def test_a_key_may_have_any_letters(serve, key):
    client = serve(api_key=key)
    for sent in (key.encode(), b"Bearer " + key.encode()):
        header = "Authorization" if sent.startswith(b"Bearer") else "X-API-Key"
        assert client.get(MODEL, headers={header: sent}).status_code == 200
    assert client.get(MODEL, headers={"X-API-Key": key.encode() + b"x"}).status_code == 401


ELSEWHERE = "https://other.example"


def test_other_sites_may_ask_only_if_told_so(serve):
    """The preflight of a browser for a POST with a key, and the request itself."""
    ask_from = {
        "Origin": ELSEWHERE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-api-key",
    }
    allowed = "access-control-allow-origin"
    assert allowed not in serve().options(f"{MODEL}:predict", headers=ask_from).headers
    client = serve(allow_origins=(ELSEWHERE,), api_key="k")
    answer = client.options(f"{MODEL}:predict", headers=ask_from)
    assert answer.status_code == 200
    assert answer.headers[allowed] == ELSEWHERE
    assert "POST" in answer.headers["access-control-allow-methods"]
    headers = {"Origin": ELSEWHERE, "X-API-Key": "k", "Content-Type": "text/plain"}
    response = client.post(f"{MODEL}:predict", content='{"instances": [1]}', headers=headers)
    assert (response.status_code, response.headers[allowed]) == (200, ELSEWHERE)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),  # curl
        ({"Origin": ELSEWHERE}, 403),
        ({"Origin": "null"}, 403),  # of a page in a frame without rights
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": ELSEWHERE, "Sec-Fetch-Site": "same-origin"}, 200),  # behind a proxy
        ({"Origin": ELSEWHERE, "Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Origin": ELSEWHERE, "Content-Type": "text/plain; a=application/json"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_make_a_model_compute(client, headers, code):
    """A browser asks before it sends JSON elsewhere, but not before it sends a form."""
    headers = {"Content-Type": "text/plain", **headers}
    response = client.post(f"{MODEL}:predict", content='{"instances": [1]}', headers=headers)
    assert response.status_code == code


@pytest.mark.parametrize(
    ("host", "hosts", "code"),
    [
        ("attacker.example", (), 403),
        ("localhost.attacker.example", (), 403),
        ("127.0.0.1.attacker.example:8501", (), 403),
        ("192.0.2.7", (), 403),
        ("LOCALHOST:8501", (), 200),
        ("app.localhost", (), 200),
        ("127.0.0.1:8501", (), 200),
        ("[::1]:8501", (), 200),
        ("models.example", ("models.example",), 200),
        ("a.models.example:80", ("*.models.example",), 200),
        ("models.example", ("*.models.example",), 403),
        ("192.0.2.7:8501", ("0.0.0.0",), 200),  # an address cannot be rebound
        ("[2001:db8::1]", ("::",), 200),
        ("attacker.example", ("0.0.0.0",), 403),
        ("anything", ("*",), 200),
    ],
)
def test_a_server_answers_only_to_its_names(base, host, hosts, code):
    source = {"arithmetic": Source(base)}
    app = make_app(Models(lambda: source, Batching()), Metrics(), Limits(), allow_hosts=hosts)
    client = TestClient(app)
    for path in ("/", "/models", "/openapi.json", "/metrics"):
        assert client.get(path, headers={"Host": host}).status_code == code
    assert client.get("/healthz", headers={"Host": host}).status_code == 503  # not loaded here


def test_counts_are_by_model_and_route_and_no_name_of_a_client_enters_them(serve, caplog):
    client = serve()
    caplog.set_level("INFO", "apps.serve")
    ask(client, {"instances": [1, 2]})
    ask(client, {"signature_name": "echo", "instances": ["a private word"]})
    ask(client, {}, "/v1/models/a_private_name:predict")
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        counts = client.get(path).text
        route = 'route="/v1/models/{name}:predict"'
        assert f'serve_requests_total{{model="arithmetic",{route},status="200"}} 2.0' in counts
        assert f'serve_requests_total{{model="",{route},status="404"}} 1.0' in counts
        assert 'serve_batch_rows_count{model="arithmetic"} 2.0' in counts
        assert "private" not in counts
    logged = [record.fields for record in caplog.records if record.message == "request"]
    assert {"model": "arithmetic", "status": 200}.items() <= logged[-2].items()
    assert "private" not in str(logged)


def test_labels_name_versions(client):
    assert ask(client, {"instances": [1]}, f"{MODEL}/labels/first:predict")[0] == 200
    assert client.get(f"{MODEL}/labels/first").json()["model_version_status"][0]["version"] == "1"


def test_a_model_that_cannot_be_loaded_takes_no_place_from_the_others(serve, base, versions):
    broken = base.parent / "broken" / "1"
    shutil.copytree(versions[1], broken)
    (broken / "saved_model.pb").write_bytes(b"\xff")
    client = serve()  # waits until it is ready
    assert client.get("/models").json() == {"models": ["arithmetic", "broken"]}
    assert ask(client, {"instances": [1]})[0] == 200
    shutil.rmtree(base)
    wait_for(lambda: client.get("/healthz").status_code == 503)  # nothing is left to answer


def test_a_model_says_what_it_was_trained_on_and_has_an_example(serve, base):
    folder = base / "1"
    (folder / CARD_FILE).write_text("---\ntrained_on: made-up numbers\n---\n\n# arithmetic\n")
    signature = {"x": tf.TensorSpec([None], tf.float32)}
    endpoints, probes = {"serving_default": (None, signature)}, {"serving_default": {"x": [1.5, 2]}}
    write_warmup_requests(folder / WARMUP, "arithmetic", endpoints, probes)
    client = serve()
    found = client.get("/models/arithmetic").json()
    assert found["trained_on"] == "made-up numbers"
    assert found["examples"] == {"serving_default": {"x": [1.5]}}
    assert ask(client, {"inputs": found["examples"]["serving_default"]}) == (200, {"outputs": [3]})
    card = client.get("/models/arithmetic/card")
    assert card.text == "# arithmetic\n"
    assert card.headers["content-type"].startswith("text/markdown")


def test_a_model_without_a_card_has_none(client):
    found = client.get("/models/arithmetic").json()
    assert (found["card"], found["trained_on"], found["examples"]) == (False, None, {})
    assert client.get("/models/arithmetic/card").status_code == 404
    assert client.get("/models/other").status_code == 404


def test_the_description_names_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {
        "/healthz",
        "/models",
        "/models/{name}",
        "/v1/models/{name}",
        "/v1/models/{name}:predict",
        "/v1/models/{name}/versions/{version}/metadata",
        "/v1/models/{name}/labels/{label}:classify",
    } <= paths.keys()
