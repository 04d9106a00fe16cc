"""HTTP as the server's connections speak it, with an application that answers what it gets."""

import contextlib
import json
import socket
import threading
import time

import pytest
import uvicorn

from apps.serve.protocol import Protocol
from tests.apps.serve.conftest import wait_for

IDLE = 0.4  # seconds
OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


async def echo(scope, receive, send):
    """Answer the path, the names of the headers, and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    names = [name.decode() for name, _ in scope["headers"]]
    answer = json.dumps([scope["path"], names, body.decode()]).encode()
    length = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module")
def port():
    options = {"http": Protocol, "ws": "none", "lifespan": "off", "log_level": "critical"}
    config = uvicorn.Config(echo, port=0, timeout_keep_alive=IDLE, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@contextlib.contextmanager
def connection(port):
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
        client.makefile("rb") as answers,
    ):
        yield client, answers


def post(body, offer=OFFER, path="/v1", more=""):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{offer}{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answer(answers):
    """Return the status and the body of the next answer."""
    status = int(answers.readline().split()[1])
    length = 0
    while line := answers.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, json.loads(answers.read(length))


def test_an_offer_of_another_protocol_is_ignored_and_the_body_kept(port):
    with connection(port) as (client, answers):
        for upgrade in (OFFER, OFFER.replace("h2c", "websocket"), ""):
            client.sendall(post(b"a body", upgrade, more="X-Own: 1\r\n"))
            status, (path, names, body) = answer(answers)
            assert (status, path, body) == (200, "/v1", "a body")
            assert set(names) <= {"host", "connection", "x-own", "content-length"}
            assert "x-own" in names


@pytest.mark.parametrize("size", [1, 7, 120, 10_000])
def test_it_does_not_matter_how_the_bytes_arrive(port, size):
    """Three requests one after the other, one of them chunked, in pieces of every size."""
    chunked = f"POST /c HTTP/1.1\r\nHost: x\r\n{OFFER}Transfer-Encoding: chunked\r\n\r\n".encode()
    sent = post(b"one", path="/a") + chunked + b"3\r\ntwo\r\n2\r\n!!\r\n0\r\n\r\n"
    sent += post(b"three", "", "/b")
    with connection(port) as (client, answers):
        for at in range(0, len(sent), size):
            client.sendall(sent[at : at + size])
        found = [answer(answers) for _ in range(3)]
    assert [(path, body) for _, (path, _, body) in found] == [
        ("/a", "one"),
        ("/c", "two!!"),
        ("/b", "three"),
    ]


def test_a_tunnel_and_what_is_no_http_are_refused(port):
    for sent in (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n"):
        with connection(port) as (client, answers):
            client.sendall(sent)
            assert answers.readline().startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHost:", post(b"x") + b"GET"])
def test_a_connection_without_a_request_is_closed_after_its_time(port, sent):
    began = time.monotonic()
    with connection(port) as (client, answers):
        client.sendall(sent)
        if sent.startswith(post(b"x")):
            assert answer(answers)[0] == 200
        assert answers.read() == b""
        # The clock of the event loop is a little coarser.
        assert 0.9 * IDLE < time.monotonic() - began < 10 * IDLE


def test_a_connection_with_requests_outlives_its_time(port):
    began = time.monotonic()
    with connection(port) as (client, answers):
        while time.monotonic() - began < 2 * IDLE:
            client.sendall(post(b"x"))
            assert answer(answers)[0] == 200
            time.sleep(IDLE / 4)
