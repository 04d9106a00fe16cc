"""The server as a process of its own, and clients that mean no good."""

import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.apps.serve.conftest import wait_for

PREDICT = "/v1/models/arithmetic:predict"
GOOD = b'{"instances": [1, 2]}'
OTHERS = (signal.SIGINT, signal.SIGHUP)


class Server:
    """A server on a free port, and its log."""

    def __init__(self, folder, log, *options):
        self.log = log
        command = [sys.executable, "-m", "apps.serve", folder, "--port", 0, *options]
        self.process = subprocess.Popen([*map(str, command)], stderr=log.open("wb"))
        self.port = int(wait_for(self.address, 60)[1])
        wait_for(self.ready, 60)

    def address(self):
        assert self.process.poll() is None, self.log.read_text()
        return re.search(r" on http://127\.0\.0\.1:(\d+)/", self.log.read_text())

    def ready(self):
        return self.ask("GET", "/healthz")[0] == 200

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def sound(self):
        return self.ask("POST", PREDICT, GOOD) == (200, {"predictions": [2, 4]})

    def stop(self, sent=signal.SIGTERM):
        self.process.send_signal(sent)
        # It finishes what is at work, and then dies of the signal.
        assert self.process.wait(30) == -sent


@pytest.fixture(scope="module")
def server(versions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(versions[1], folder / "models" / "arithmetic" / "1")
    options = ("--timeout", "2", "--max-body", "100000", "--max-connections", "200")
    server = Server(folder / "models", folder / "log", *options)
    yield server
    assert server.sound()
    server.stop()


def head(length, path=PREDICT):
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.slow
def test_a_client_that_sends_slowly_is_told_so(server):
    with server.connect() as client:
        client.sendall(head(100) + b"{")
        began = time.monotonic()
        assert client.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 10


def test_a_client_that_goes_away_leaves_the_server_as_it_was(server):
    for part in (b"POST", head(100), head(100) + b"{", head(len(GOOD)) + GOOD):
        with server.connect() as client:
            client.sendall(part)
    assert server.sound()


def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(server):
    with server.connect() as client:
        client.sendall(head(2**30))
        assert client.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/v1/models/../../../etc/passwd",
        "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/models/..%5c..:predict",
        "/v1/models/arithmetic%00",
        "//etc/passwd",
        "/v1/models/" + "a" * 5000,
    ],
)
def test_no_path_leads_to_a_file(server, path):
    code, answer = server.ask("GET", path)
    assert code in (400, 404)
    assert answer.keys() == {"error"}


def test_idle_connections_take_no_place_from_those_who_ask(server):
    clients = [server.connect() for _ in range(150)]
    try:
        assert server.sound()
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_more_connections_than_there_may_be_leave_a_place_for_who_asks(server, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 2_000)), hard))
    clients = []
    try:
        for _ in range(min(count, hard - 1_000)):
            clients.append(server.connect())
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        clients[-1].sendall(request)
        assert clients[-1].recv(100).startswith(b"HTTP/1.1 200")
        assert server.sound()
    finally:
        for client in clients:
            client.close()
    assert wait_for(server.sound)


def test_who_leaves_while_sending_leaves_one_line(server):
    before = len(server.log.read_text())
    for _ in range(20):
        with server.connect() as client:
            client.sendall(head(1000) + b'{"instances": [')
            time.sleep(0.01)
    wait_for(lambda: server.log.read_text()[before:].count('"status":499') == 20)
    written = server.log.read_text()[before:]
    assert written.count("\n") == 20
    assert "Traceback" not in written


def test_who_asks_ahead_and_leaves_without_reading_leaves_lines_of_requests(server):
    before = len(server.log.read_text())
    for _ in range(5):
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
            time.sleep(0.1)  # the answers fill what the system keeps for this client
    wait_for(lambda: server.log.read_text()[before:].count('"status":499') == 5)
    events = [json.loads(line)["event"] for line in server.log.read_text()[before:].splitlines()]
    assert set(events) == {"request"}


def test_every_answer_says_what_it_is(server):
    """Browsers then take no answer for a page of another kind."""
    for method, path in (
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/models"),
        ("GET", "/nothing"),
        ("POST", PREDICT),
        ("OPTIONS", PREDICT),
        ("GET", "/" + "x" * 70_000),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request(method, path)
        with connection.getresponse() as response:
            assert response.getheader("X-Content-Type-Options") == "nosniff", path
        connection.close()


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda children: (
        some.lists(children, max_size=4)
        | some.dictionaries(
            some.sampled_from(["x", "a", "b", "b64", "instances", "inputs", "examples", "context"])
            | some.text(max_size=5),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SIGNATURES = some.sampled_from(
    ["serving_default", "both", "sums", "echo", "scalar", "classified", "regressed", "?", 1]
)
REQUESTS = some.fixed_dictionaries(
    {"signature_name": SIGNATURES},
    optional=dict.fromkeys(("instances", "inputs", "examples", "context"), VALUES),
).map(lambda request: json.dumps(request).encode())


BODIES = REQUESTS | some.binary(max_size=50) | VALUES.map(lambda value: json.dumps(value).encode())
VERBS = some.sampled_from(["predict", "classify", "regress"])


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_body_breaks_the_server(keeping, count):
    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=BODIES, verb=VERBS)
    def check(body, verb):
        path = f"/v1/models/arithmetic:{verb}"
        try:
            status, answer = answer_on(keeping, path, body)
        except ConnectionError:
            # The server closes a connection that is silent for long. A broken server does not
            # answer on a new one either.
            keeping.close()
            status, answer = answer_on(keeping, path, body)
        assert status in (200, 400, 404), (body, answer)
        assert (status == 200) != answer.startswith(b'{"error":'), (body, answer)

    check()


def answer_on(connection, path, body):
    """Return status and body of the answer, on a connection that is kept."""
    connection.request("POST", path, body)
    response = connection.getresponse()
    return response.status, response.read()


@pytest.fixture(scope="module")
def keeping(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield connection
    connection.close()


@pytest.mark.slow
def test_the_description_holds_for_what_a_fuzzer_makes_of_it(server, tmp_path):
    """Send what schemathesis makes of the server's own OpenAPI."""
    command = [sys.executable, "-m", "schemathesis.cli"]
    url = f"http://127.0.0.1:{server.port}/openapi.json"
    checks = "not_a_server_error,status_code_conformance,response_schema_conformance"
    options = ("run", url, "--checks", checks, "--max-examples", "30", "--seed", "1")
    environment = {**os.environ, "COLUMNS": "200", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "/v1/models/{name}:predict" in server.ask("GET", "/openapi.json")[1]["paths"]
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 200


@pytest.mark.parametrize(
    "stopping", [signal.SIGTERM, *(pytest.param(other, marks=pytest.mark.slow) for other in OTHERS)]
)
def test_a_server_that_is_stopped_answers_what_it_has(base, tmp_path, stopping):
    server = Server(base, tmp_path / "log")
    codes, sent = [], threading.Event()

    def send():
        with server.connect() as client:
            client.sendall(head(len(GOOD)) + GOOD[:5])
            sent.set()
            time.sleep(1)  # the server has been told to stop meanwhile
            client.sendall(GOOD[5:])
            codes.append(client.recv(100)[:12])

    thread = threading.Thread(target=send)
    thread.start()
    assert sent.wait(10)
    time.sleep(0.3)
    server.stop(stopping)
    thread.join()
    assert codes == [b"HTTP/1.1 200"]
    lines = server.log.read_text().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]  # others TensorFlow's
    assert {entry["event"] for entry in entries} >= {"loaded", "request"}
    assert not re.search("instances", server.log.read_text())


class Endless(tf.Module):
    """Counts for as many steps as it is told."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def count(self, steps):
        return {"counted": tf.while_loop(lambda n: n < steps, lambda n: [n + 1], [0])[0]}


@pytest.mark.parametrize(
    ("sent", "times"),
    [(signal.SIGINT, 1), pytest.param(signal.SIGTERM, 2, marks=pytest.mark.slow)],
)
def test_nothing_waits_for_a_computation_that_nobody_wants(tmp_path, sent, times):
    """After a 504, one signal ends the server; and a second one ends it at once."""
    model = Endless()
    tf.saved_model.save(model, str(tmp_path / "models" / "endless" / "1"), model.count)
    timeout = 1 if times == 1 else 60
    server = Server(tmp_path / "models", tmp_path / "log", "--timeout", timeout)
    path, body = "/v1/models/endless:predict", b'{"inputs": 2000000000}'
    with server.connect() as client:
        client.sendall(head(len(body), path) + body)
        if times == 1:
            assert client.recv(100).startswith(b"HTTP/1.1 504")
        else:
            time.sleep(0.5)
        began = time.monotonic()
        for _ in range(times - 1):
            server.process.send_signal(sent)
            time.sleep(0.5)
        server.stop(sent)
        assert time.monotonic() - began < 5


@pytest.mark.slow
def test_a_port_that_is_taken_is_named_in_one_line(server, versions):
    command = [sys.executable, "-m", "apps.serve", versions[1].parent, "--port", server.port]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=plain)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{server.port} (Address already in use)" in line
