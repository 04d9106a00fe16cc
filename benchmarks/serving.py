"""Load the server with single requests, and compare it with other servers of the same model.

    python -m benchmarks.serving --model FOLDER        # of an exported classifier of texts

Requests come from wrk on the same machine, which takes its share of the processor, so only ratios
count. The other servers are a FastAPI application that calls the model in each request, and
LitServe with batching if it is installed.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from apps.common.files import replacing
from apps.serve.sources import versions_in
from benchmarks.results import describe_machine

RESULTS = Path(__file__).parent / "results"
PORT = 8599
CLIENTS = (16, 64)
TEXTS = (
    "The plot was anything but dull, and the music was superb.",
    "Compared with this film, the remake was truly awful.",
    "A fine film.",
)

# Each thread of wrk sends its texts in turn and prints its measurements at the end.
LUA = """
local bodies, turn = {%s}, 0
request = function()
  turn = turn %% #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[turn])
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"requests": %%d, "seconds": %%f, "p50": %%f, "p95": %%f, ' ..
    '"p99": %%f, "errors": %%d}\\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark with the arguments of a command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.serving", description=__doc__)
    parser.add_argument(
        "--model", type=Path, required=True, help="the folder of a model with its versions"
    )
    parser.add_argument("--seconds", type=int, default=60, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--to", type=Path, default=RESULTS, help="the folder for the results")
    given = parser.parse_args(argv)
    if not versions_in(given.model):
        raise SystemExit(
            f"error: --model: {given.model} holds no exported version; give the folder of a model"
        )
    if shutil.which("wrk") is None:
        raise SystemExit(
            "error: wrk is not installed; install it with the package manager of your system"
        )
    python = [sys.executable, "-m"]
    serve = [*python, "apps.serve", given.model, "--port", PORT]
    servers = {
        "apps.serve": serve,
        "apps.serve, --max-batch-size 1": [*serve, "--max-batch-size", 1],
        "FastAPI": [*python, "benchmarks.serving_fastapi", given.model],
        "LitServe": [*python, "benchmarks.serving_litserve", given.model],
    }
    if importlib.util.find_spec("litserve") is None:
        del servers["LitServe"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "requests.lua")
        bodies = [json.dumps(json.dumps({"instances": [text]})) for text in TEXTS]
        script.write_text(LUA % ", ".join(bodies))
        for name, command in servers.items():
            for clients in given.clients:
                measured = measure(
                    command, predict_path(given.model), script, clients, given.seconds
                )
                rows.append({"server": name, "clients": clients, **measured})
                print(rows[-1])
    write(rows, given.seconds, given.to)


def predict_path(model: Path) -> str:
    """Return the path that predicts with a model, under which every server here listens."""
    return f"/v1/models/{model.resolve().name}:predict"


def measure(command: Sequence[object], path: str, script: Path, clients: int, seconds: int) -> dict:
    """Start a server, load it, and return the measurements of wrk and of the server's memory."""
    server = subprocess.Popen(
        [*map(str, command)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for_answer(server, path)
        load = [
            "wrk",
            "-t2",
            f"-c{clients}",
            "-s",
            str(script),
            f"http://127.0.0.1:{PORT}{path}",
        ]
        subprocess.run([*load, "-d3"], check=True, capture_output=True)
        before = memory(server.pid)
        done = subprocess.run(
            [*load, f"-d{seconds}", "--timeout", "10"], check=True, capture_output=True, text=True
        )
        measured = json.loads(done.stdout.split("RESULT ")[1])
        measured["memory"], measured["grown"] = before, memory(server.pid) - before
        measured["throughput"] = measured["requests"] / measured["seconds"]
        return measured
    finally:
        with contextlib.suppress(ProcessLookupError):  # it did not start
            os.killpg(server.pid, signal.SIGTERM)  # LitServe has workers
        server.wait()
        time.sleep(1)


def wait_for_answer(server: subprocess.Popen, path: str) -> None:
    """Wait until a server predicts."""
    body = json.dumps({"instances": [TEXTS[0]]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body)
    request.add_header("Content-Type", "application/json")
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(request) as response:
                assert json.load(response)["predictions"]
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(
        f"the server did not start; run its command alone to see why: {shlex.join(server.args)}"
    )


def memory(process: int) -> int:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def signature_of(model: Path) -> Callable:
    """Load the newest version of a classifier of texts, as TensorFlow's guide does."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model / str(max(versions_in(model)))))
    function = loaded.signatures["serving_default"]

    def predict(texts: list[str]) -> list[dict]:
        outputs = function(text=tf.constant(texts))
        labels, probabilities = outputs["label"].numpy(), outputs["probability"].numpy()
        return [
            {"label": label.decode(), "probability": float(probability)}
            for label, probability in zip(labels, probabilities, strict=True)
        ]

    predict.loaded = loaded  # the signature needs it alive
    return predict


def write(rows: list[dict], seconds: int, folder: Path) -> Path:
    """Write the results as JSON and as a page."""
    machine = describe_machine({})
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "serving.json") as temporary:
        temporary.write_text(
            json.dumps({"machine": machine, "seconds": seconds, "rows": rows}, indent=1) + "\n"
        )
    lines = [
        "# serving",
        "",
        f"`python -m benchmarks.serving --model FOLDER`, {seconds} s each; ms.",
        "",
    ]
    head = ("server", "clients", "requests/s", "p50", "p95", "p99", "errors", "memory grown, MiB")
    lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row["server"], row["clients"], f"{row['throughput']:.0f}"]
        cells += [f"{row[name]:.1f}" for name in ("p50", "p95", "p99")]
        lines.append("| " + " | ".join(map(str, [*cells, row["errors"], row["grown"]])) + " |")
    path = folder / "serving.md"
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print(path.read_text())
    return path


if __name__ == "__main__":
    main()
