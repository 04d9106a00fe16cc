"""Measure single requests, one after the other, to a server that has one core: a WAV file each.

    python -m benchmarks.latency --model saved_models/recognition --wav FILE

The server runs under `taskset -c 0`, and this program on the other cores, if there are any.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np

from apps.serve.client import Client

CORE = 0
FIRST = 20  # requests that are not counted
PATIENCE = 120  # seconds until the server answers


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark with the arguments of a command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the folder of its versions")
    parser.add_argument("--wav", type=Path, required=True, help="the recording to send")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--port", type=int, default=8598)
    given = parser.parse_args(argv)
    others = os.sched_getaffinity(0) - {CORE}
    command = ["taskset", "-c", CORE, sys.executable, "-m", "apps.serve", given.model]
    server = subprocess.Popen(
        [*map(str, command), "--port", str(given.port)], stderr=subprocess.DEVNULL
    )
    if others:
        os.sched_setaffinity(0, others)
    try:
        client = Client(f"http://127.0.0.1:{given.port}")
        ask = {"wav": [given.wav.read_bytes()]}
        name = given.model.resolve().name
        wait_for(server, client)
        for _ in range(FIRST):
            client.predict(name, ask, signature="wav")
        before, seconds = processor_time(server.pid), []
        for _ in range(given.requests):
            begun = time.perf_counter()
            client.predict(name, ask, signature="wav")
            seconds.append(time.perf_counter() - begun)
        used = (processor_time(server.pid) - before) / given.requests
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    p50, p95, p99 = 1000 * np.percentile(seconds, [50, 95, 99])
    print(
        f"{given.requests:,} requests on one core: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 "
        f"{p99:.1f} ms, slowest {1000 * max(seconds):.1f} ms; the server used {1000 * used:.1f} ms "
        f"of processor time for each"
    )


def wait_for(server: subprocess.Popen, client: Client) -> None:
    """Wait until a server has loaded its model."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            if client.http.get("/healthz").is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start: {' '.join(map(str, server.args))}")


def processor_time(process: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
