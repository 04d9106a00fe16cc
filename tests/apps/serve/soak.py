"""Good and hostile traffic for a server, from clients in one event loop."""

import asyncio
import contextlib
import gzip
import itertools
import json
import os
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

PAUSE = 0.2  # seconds that a good client waits before it asks again
POLL = 0.05  # seconds between questions for the health
LATEST = 60.0  # seconds for an answer; a server that takes longer is broken
MIB = 2**20
BOMB = gzip.compress(bytes(40 * MIB))


@dataclass
class Seen:
    """What the clients have seen."""

    good: list[tuple[str, int, float]] = field(default_factory=list)  # model, status, seconds
    hostile: Counter = field(default_factory=Counter)  # of kind and status
    health: list[float] = field(default_factory=list)  # seconds
    memory: list[int] = field(default_factory=list)  # MiB, each second
    failed: list[str] = field(default_factory=list)  # good requests without an answer

    def percentile(self, share, times=None):
        times = sorted(times or [seconds for _, _, seconds in self.good])
        return times[min(len(times) - 1, int(share * len(times)))]


class Connection:
    """A connection that is kept, and opened again if it is closed."""

    def __init__(self, port):
        self.port = port
        self.reader = self.writer = None

    async def ask(self, method, path, body=b"", **headers):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        try:
            self.writer.write(head.encode() + b"\r\n" + body)
            return await asyncio.wait_for(self._answer(), LATEST)
        except BaseException:
            self.close()
            raise

    async def _answer(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(re.search(r"content-length: (\d+)", head)[1])
        body = await self.reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split()[1]), body

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.reader = self.writer = None


async def examples(port):
    """Return a request for each model that has an example, by its name."""
    connection, bodies = Connection(port), {}
    _, names = await connection.ask("GET", "/models")
    for name in json.loads(names)["models"]:
        _, about = await connection.ask("GET", f"/models/{name}")
        example = json.loads(about)["examples"].get("serving_default")
        if example is not None:
            bodies[name] = json.dumps({"inputs": example}).encode()
    connection.close()
    return bodies


def hostile_bodies(bodies):
    """Yield the kind, the path and the body of requests that cost more than they are worth."""
    rows = 31 * MIB // 4
    for kind, content in {
        "numbers": b"[" + b"1.5," * (rows - 1) + b"1.5]",
        "lists": b"[" + b"[],[]," * (rows // 3) + b"[]]",
        "objects": b"[" + b'{"":0},' * (rows // 2) + b"{}]",
        "no numbers": b"[" + b"NaN," * rows + b"NaN]",
        "a string among numbers": b"[" + b"1," * 10_000 + b'"' + b"x" * 100_000 + b'"]',
        "nesting": b"[" * 1_000 + b"]" * 1_000,
        "long text": b'["' + "é".encode() * (12 * MIB) + b'"]',
        "ligatures": b'["' + "\ufdfa".encode() * (2 * MIB) + b'"]',
    }.items():
        body = b'{"instances":' + content + b"}"
        for name in bodies:
            yield kind, f"/v1/models/{name}:predict", body
    for name, body in bodies.items():
        inputs = json.loads(body)["inputs"]
        heavy = {
            key: value * (1024 // len(value)) if isinstance(value, list) else 10_000
            for key, value in inputs.items()
        }
        yield "cost", f"/v1/models/{name}:predict", json.dumps({"inputs": heavy}).encode()


class Hostile:
    """A client that means no good, in one of several ways at a time."""

    def __init__(self, port, requests, seen, seed):
        self.port = port
        self.requests = requests
        self.seen = seen
        self.random = random.Random(seed)
        self.ways = [self.costly, self.costly, self.costly, self.half, self.endless, self.leave]
        self.ways += [self.bomb, self.deaf, self.idle]

    async def act(self):
        way = self.random.choice(self.ways)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await way()

    async def costly(self):
        kind, path, body = self.random.choice(self.requests)
        connection = Connection(self.port)
        try:
            status, _ = await connection.ask("POST", path, body)
            self.seen[kind, status] += 1
        finally:
            connection.close()

    async def bomb(self):
        _, path, _ = self.random.choice(self.requests)
        connection = Connection(self.port)
        try:
            status, _ = await connection.ask("POST", path, BOMB, Content_Encoding="gzip")
            self.seen["bomb", status] += 1
        finally:
            connection.close()

    async def _send(self, content, seconds):
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(content)
            with contextlib.suppress(TimeoutError):  # held back, it leaves
                await asyncio.wait_for(writer.drain(), 10)
                await asyncio.sleep(seconds)
        finally:
            writer.close()

    async def half(self):
        await self._send(b"POST / HTTP/1.1\r\nHost: localhost\r\n", 2)

    async def idle(self):
        await asyncio.gather(*(self._send(b"", 1) for _ in range(20)))

    async def endless(self):
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
        await self._send(head + b"x" * (2 * MIB), 0)

    async def leave(self):
        _, path, body = self.random.choice(self.requests)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        await self._send(head.encode() + body[: self.random.choice([10, len(body)])], 0.1)

    async def deaf(self):
        """Ask for much and read nothing."""
        await self._send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200, 2)


async def attack(port, seconds, clients, seed):
    """Return how often each kind of hostile request had which status."""
    requests = [*hostile_bodies(await examples(port))]
    seen: Counter = Counter()
    end = time.monotonic() + seconds

    async def act(number):
        client = Hostile(port, requests, seen, 1000 * seed + number)
        while time.monotonic() < end:
            await client.act()
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*map(act, range(clients)))
    return [(kind, status, count) for (kind, status), count in sorted(seen.items())]


async def traffic(port, process, seconds, good, hostile, seed=0):
    """Return what clients see of a server.

    Args:
        port: Its port.
        process: Its number, whose memory is measured.
        seconds: How long.
        good: The number of clients that ask what the models are made for.
        hostile: The number of the others. They are a process of their own, which takes no time from
            the clients that are measured.
        seed: Of what the hostile ones do.
    """
    bodies = await examples(port)
    names = itertools.cycle(bodies)
    attacking = None
    if hostile:
        arguments = map(str, (port, seconds, hostile, seed))
        attacking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.apps.serve.soak", *arguments),
            stdout=asyncio.subprocess.PIPE,
        )
        await attacking.stdout.readline()  # it begins
    seen, end = Seen(), time.monotonic() + seconds

    async def ask_well():
        connection = Connection(port)
        await asyncio.sleep(PAUSE * random.random())
        while time.monotonic() < end:
            name, began = next(names), time.monotonic()
            try:
                status, _ = await connection.ask("POST", f"/v1/models/{name}:predict", bodies[name])
                seen.good.append((name, status, time.monotonic() - began))
            except Exception as error:
                seen.failed.append(repr(error))
            await asyncio.sleep(PAUSE)
        connection.close()

    async def poll():
        connection = Connection(port)
        while time.monotonic() < end:
            began = time.monotonic()
            status, _ = await connection.ask("GET", "/healthz")
            assert status == 200
            seen.health.append(time.monotonic() - began)
            await asyncio.sleep(POLL)
        connection.close()

    async def weigh():
        while time.monotonic() < end:
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
            seen.memory.append(int(found[1]) // 1024)
            await asyncio.sleep(1)

    await asyncio.gather(poll(), weigh(), *(ask_well() for _ in range(good)))
    if attacking is not None:
        written, _ = await attacking.communicate()
        assert attacking.returncode == 0
        seen.hostile.update({(kind, status): n for kind, status, n in json.loads(written)})
    return seen


if __name__ == "__main__":
    os.nice(10)
    print("begun", flush=True)
    print(json.dumps(asyncio.run(attack(*map(int, sys.argv[1:])))))
