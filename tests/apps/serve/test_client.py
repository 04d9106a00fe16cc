import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from apps.serve.api import make_app
from apps.serve.client import Client
from apps.serve.metrics import Metrics
from apps.serve.models import Models
from apps.serve.settings import Batching, Limits
from apps.serve.sources import Source
from tests.apps.serve.conftest import wait_for


@pytest.fixture
def client(base):
    models = Models(lambda: {"arithmetic": Source(base, labels={"old": 1})}, Batching())
    app = make_app(models, Metrics(), Limits(), api_key="k")
    with TestClient(app, base_url="http://localhost") as http:
        wait_for(models.ready)
        yield Client(http=http, api_key="k")


def test_it_asks_for_what_there_is(client):
    x = np.array([1, 2.5], "float32")
    for which in ({}, {"version": 1}, {"label": "old"}):
        np.testing.assert_array_equal(
            client.predict("arithmetic", {"x": x}, **which)["outputs"], 2 * x
        )
    both = client.predict("arithmetic", {"a": x, "b": x}, signature="both")
    np.testing.assert_array_equal(both["difference"], [0, 0])
    texts = [b"\xff\0", "\N{SNOWMAN}".encode()]
    echo = client.predict("arithmetic", {"text": texts}, signature="echo")
    assert echo["raw_bytes"].tolist() == texts
    assert echo["text"][1] == "\N{SNOWMAN}"
    assert client.status("arithmetic") == {1: "AVAILABLE"}
    assert client.metadata("arithmetic")["both"]["inputs"].keys() == {"a", "b"}


def test_the_reason_of_a_refusal_is_passed_on(client):
    with pytest.raises(RuntimeError, match=r"404: .*Latest\(none\)"):
        client.predict("none", {"x": 1})
    with pytest.raises(RuntimeError, match=r"400: .*x must not be negative"):
        client.predict("arithmetic", {"x": [-1.0]})
    client.headers = {}
    with pytest.raises(RuntimeError, match=r"401: .*API key"):
        client.status("arithmetic")


@pytest.mark.parametrize(("refusals", "answered"), [(2, True), (3, False)])
def test_it_comes_again_when_it_is_told_to(monkeypatch, refusals, answered):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    answers = [httpx.Response(503, headers={"Retry-After": "7"}, json={"error": "busy"})] * refusals
    answers.append(httpx.Response(200, json={"outputs": [1]}))
    transport = httpx.MockTransport(lambda request: answers.pop(0))
    client = Client(http=httpx.Client(transport=transport, base_url="http://x"), retries=2)
    if answered:
        assert client.predict("m", {"x": 1})["outputs"].tolist() == [1]
    else:
        with pytest.raises(RuntimeError, match=r"503: busy"):
            client.predict("m", {"x": 1})
    assert waited == [7, 7]


def test_an_error_of_something_in_between_is_shown():
    transport = httpx.MockTransport(lambda request: httpx.Response(502, text="<h1>Bad gateway"))
    client = Client(http=httpx.Client(transport=transport, base_url="http://x"))
    with pytest.raises(RuntimeError, match="502: <h1>Bad gateway"):
        client.status("m")
