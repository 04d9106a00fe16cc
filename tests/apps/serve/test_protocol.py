"""HTTP as the server's connections speak it, with an application that answers what it gets."""

import contextlib
import functools
import json
import socket
import threading
import time

import pytest
import uvicorn

from apps.serve.protocol import MAX_HEAD, Connections, Protocol
from tests.apps.serve.conftest import wait_for

IDLE = 0.4  # seconds
PLACES = 40  # connections
LARGE = 2**24  # bytes of an answer that no buffer of the system holds
OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


async def echo(scope, receive, send):
    """Answer the path, the names of the headers, and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/large":
        length = [(b"content-length", str(LARGE).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": bytes(LARGE)})
        return
    names = [name.decode() for name, _ in scope["headers"]]
    answer = json.dumps([scope["path"], names, body.decode()]).encode()
    length = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module")
def port():
    http = functools.partial(Protocol, connections=Connections(PLACES))
    options = {"http": http, "ws": "none", "lifespan": "off", "log_level": "critical"}
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


HEAD = b"GET /v1 HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"X: " + bytes(b"x" * MAX_HEAD) + b"\r\n\r\n",  # one long header
        HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(9000)) + b"\r\n",  # many
        HEAD + b"X: " + bytes(b"x" * 2 * MAX_HEAD),  # without an end
        b"GET /" + bytes(b"x" * 2 * MAX_HEAD),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + bytes(b"x" * 2 * MAX_HEAD),
    ],
)
def test_a_head_that_is_too_large_is_refused_before_it_ends(port, sent):
    with connection(port) as (client, answers):
        for at in range(0, len(sent), 2**13):
            try:
                client.sendall(sent[at : at + 2**13])
            except ConnectionError:  # it has been refused already
                break
            time.sleep(0.001)
        assert answers.readline().startswith(b"HTTP/1.1 431")


def test_a_head_may_be_nearly_as_large_as_the_limit(port):
    with connection(port) as (client, answers):
        client.sendall(HEAD + b"X: " + bytes(b"x" * (MAX_HEAD - 100)) + b"\r\n\r\n")
        assert answer(answers)[0] == 200


def test_the_longest_idle_connections_make_room_for_new_ones(port):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connection(port)) for _ in range(PLACES + 10)]
        for client, _ in idle[:PLACES:2]:
            with contextlib.suppress(ConnectionError):
                client.sendall(HEAD)  # half a head is no request
        client, answers = stack.enter_context(connection(port))
        client.sendall(HEAD + b"\r\n")
        assert answer(answers)[0] == 200
        assert idle[0][1].read() == b""  # closed
        client, answers = idle[-1]
        client.sendall(HEAD + b"\r\n")
        assert answer(answers)[0] == 200


def test_health_has_places_of_its_own(port):
    """While every place is taken by a request at work, others are refused and health is not."""
    unfinished = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(PLACES):
            client, _ = stack.enter_context(connection(port))
            client.sendall(unfinished)
        time.sleep(IDLE / 4)
        for path, status in ((b"/healthz", 200), (b"/v1", 503), (b"/metrics?x=1", 200)):
            client, answers = stack.enter_context(connection(port))
            client.sendall(HEAD.replace(b"/v1", path) + b"\r\n")
            assert int(answers.readline().split()[1]) == status


def test_a_client_that_does_not_read_its_answer_is_left(port):
    with connection(port) as (client, answers):
        client.sendall(HEAD.replace(b"/v1", b"/large") + b"\r\n")
        time.sleep(4 * IDLE)
        with contextlib.suppress(ConnectionError):
            assert len(answers.read()) < LARGE
