import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from apps.common.refusal import Refusal
from apps.serve import predict_files as predict_files_module
from apps.serve import server
from apps.serve.predict_files import predict_files
from apps.serve.sources import Source
from tests.apps import commands

ROOT = Path(__file__).parents[3]


def call(*argv):
    server.main([str(argument) for argument in argv])


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, instances):
    path.write_text("".join(json.dumps(instance) + "\n" for instance in instances))
    return path


def test_every_line_is_answered_in_its_place(base, tmp_path, capsys):
    for name, count in (("a", 150), ("b", 1), ("empty", 0)):
        write(tmp_path / f"{name}.jsonl", range(count))
    call("batch", base, tmp_path / "*.jsonl", "--to", tmp_path / "to")
    assert lines(tmp_path / "to" / "a.jsonl.jsonl") == [2 * n for n in range(150)]
    assert lines(tmp_path / "to" / "b.jsonl.jsonl") == [0]
    assert lines(tmp_path / "to" / "empty.jsonl.jsonl") == []
    assert "3 files answered" in capsys.readouterr().out


def test_texts_and_images_are_instances(base, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\n")
    (tmp_path / "b.png").write_bytes(b"\xff")
    predict_files(base, [str(tmp_path)], tmp_path / "to", "echo", 10)
    assert [row["length"] for row in lines(tmp_path / "to" / "a.txt.jsonl")] == [3, 3]
    (row,) = lines(tmp_path / "to" / "b.png.jsonl")
    assert row["raw_bytes"] == {"b64": "/w=="}


def test_what_is_answered_is_not_answered_again(base, tmp_path):
    files = [write(tmp_path / f"{n}.jsonl", [n]) for n in range(3)]
    to = tmp_path / "to"
    assert predict_files(base, [str(files[1])], to, "serving_default", 4) == (1, 0, [])
    write(files[1], ["broken"])  # is not read
    found = predict_files(base, [str(file) for file in files], to, "serving_default", 4)
    assert found == (2, 1, [])


def test_what_cannot_be_answered_is_listed_and_the_rest_is_answered(base, tmp_path, capsys):
    write(tmp_path / "a.jsonl", [1])
    (tmp_path / "b.jsonl").write_bytes(b'\xef\xbb\xbf1\nx\n\n"x"\n-1\n{"x": 4}\n5\n')
    to = tmp_path / "to"
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    with pytest.raises(SystemExit) as stop:
        call("batch", base, *files, "--to", to, "--rows", 4)
    assert stop.value.code == 1
    printed = capsys.readouterr()
    assert "2 files answered" in printed.out
    listed = printed.err.splitlines()
    assert [line.split(": ")[0] for line in listed[:3]] == [
        f"{tmp_path / 'b.jsonl'}, line {number}" for number in (2, 4, 5)
    ]
    for line, words in zip(
        listed,
        (
            "no JSON",
            'x: "x" is not of expected type: float32',
            "x must not be negative",
            "3 inputs",
        ),
        strict=True,
    ):
        assert words in line
    answers = lines(to / "b.jsonl.jsonl")
    assert [isinstance(answer, dict) for answer in answers] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert [answers[0], *answers[4:]] == [2, 8, 10]
    assert answers[3] == {"error": "x must not be negative"}
    assert lines(to / "b.jsonl.errors.jsonl")[2] == {"line": 5, "error": "x must not be negative"}
    # Once it is mended, the same command answers it, and nothing else.
    write(tmp_path / "b.jsonl", [1])
    call("batch", base, *files, "--to", to)
    assert "1 files answered" in capsys.readouterr().out
    assert sorted(path.name for path in to.iterdir()) == ["a.jsonl.jsonl", "b.jsonl.jsonl"]


def test_a_file_that_cannot_be_read_does_not_stop_the_others(base, tmp_path):
    write(tmp_path / "b.jsonl", [1])
    (tmp_path / "a.txt").write_bytes(b"one\nt\xffwo\n")
    done = predict_files(base, [str(tmp_path)], tmp_path / "to", "echo", 4)
    assert done.answered == 2
    assert [problem.partition(": ")[2] for problem in done.problems] == [
        "the line is no UTF-8; convert the file",
        "text: 1 is not of expected type: string",
    ]
    found = list(predict_files_module._instances(tmp_path / "gone.png"))
    assert [instance.problem for instance in found] == [
        "it cannot be read (No such file or directory)"
    ]


mistake = functools.partial(commands.refused, call)


def test_mistakes_of_batch_are_answered_with_one_line(base, tmp_path, capsys):
    file = write(tmp_path / "a.jsonl", [1])
    (tmp_path / "other").mkdir()
    same = write(tmp_path / "other" / "a.jsonl", [1])
    table = write(tmp_path / "a.csv", [1])
    to = ("--to", tmp_path / "to")
    for argv, words in (
        ((tmp_path, file, *to), "holds no SavedModel and no version"),
        ((base, file, same, *to), f"{file} and {same} have the same name"),
        (
            (base, table, *to),
            f"inputs must end in .jsonl, .txt, .jpg, .jpeg, .png, .gif; received {table}",
        ),
        ((base, tmp_path / "none", *to), "none' is no file"),
        ((base, file, *to, "--rows", 0), "rows must be at least 1; received 0"),
        ((base, file, *to, "--signature", "none"), "signature must be one of both, classified,"),
        ((base, file), "--to"),
    ):
        assert words in mistake(capsys, "batch", *argv)
    assert not (tmp_path / "to").exists()


def test_mistakes_of_the_server_are_answered_with_one_line(base, tmp_path, capsys):
    empty, config = tmp_path / "empty", tmp_path / "models.config"
    empty.mkdir()
    config.write_text("model {")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for argv, words in (
            ((tmp_path / "none",), f"there is no folder {tmp_path / 'none'}; export a model first"),
            ((empty,), f"no <model>/<version>/saved_model.pb in {empty}; export a model first"),
            ((base, "--config", config), "folders and --config both name models; give one"),
            (("--config", config), "is no models config of TensorFlow Serving"),
            (("--config", tmp_path / "none"), "No such file"),
            ((base, "--port", 70_000), "port must be a port, 0 to 65,535; received 70000"),
            ((base, "--port", port), f"cannot listen on 127.0.0.1:{port} (Address already in use)"),
            ((base, "--threads", 0), "threads must be at least 1; received 0"),
            ((base, "--refresh-every", 0), "refresh_every must be above 0; received 0.0"),
            ((base, "--idle-timeout", 0), "idle_timeout must be above 0; received 0.0"),
            ((base, "--max-rows", 0), "max_rows must be at least 1; received 0"),
            ((base, "--timeout", 0), "timeout must be above 0; received 0.0"),
            ((base, "--max-batch-size", 0), "max_batch_size must be at least 1; received 0"),
            ((base, "--max-delay", -1), "max_delay must be at least 0; received -1.0"),
            ((base, "--api-key-variable", "UNSET"), "name of an environment variable that is set"),
        ):
            assert words in mistake(capsys, *argv)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_the_server_says_where_it_listens_and_which_model_is_missing(base, tmp_path, host, shown):
    sources = {"arithmetic": Source(base), "later": Source(tmp_path / "later")}
    try:
        listening = server.listen(host, 0)
    except Refusal:
        pytest.skip(f"{host} is no address of this machine")
    with listening:
        port = listening.getsockname()[1]
        assert [*server.announcement(sources, host, listening)] == [
            f"Serving arithmetic, later on http://{shown}:{port}/ (Ctrl+C stops)",
            f"later is served once {tmp_path / 'later'} holds a version of it",
        ]


def test_answers_are_those_of_the_model(base, tmp_path):
    values = np.random.default_rng(0).uniform(0, 9, 20).astype("float32").tolist()
    write(tmp_path / "a.jsonl", values)
    predict_files(base / "1", [str(tmp_path / "a.jsonl")], tmp_path / "to", "serving_default", 7)
    np.testing.assert_allclose(lines(tmp_path / "to" / "a.jsonl.jsonl"), 2 * np.array(values))


@pytest.mark.slow
def test_ray_gives_the_same_answers_and_the_same_refusals(base, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    for number in range(3):
        write(tmp_path / f"{number}.jsonl", [number, 0.5])
    given = [str(tmp_path / "*.jsonl")]
    assert predict_files(base, given, tmp_path / "ray", "serving_default", 4) == (3, 0, [])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    predict_files(base, given, tmp_path / "here", "serving_default", 4)
    for path in (tmp_path / "here").iterdir():
        assert (tmp_path / "ray" / path.name).read_bytes() == path.read_bytes()
    monkeypatch.undo()
    write(tmp_path / "wrong.jsonl", ["x"])
    found = predict_files(base, given, tmp_path / "ray", "serving_default", 4)
    assert found[:2] == (1, 3)
    assert [str(tmp_path / "wrong.jsonl") in problem for problem in found.problems] == [True]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it kills")
def test_two_workers_of_ray_answer_and_one_that_is_killed_is_replaced(base, tmp_path):
    pytest.importorskip("ray")
    for number in range(6):
        write(tmp_path / f"{number}.jsonl", [number + place / 8 for place in range(4000)])
    to, inputs = tmp_path / "ray", str(tmp_path / "*.jsonl")
    program = [sys.executable, "-m", "apps.serve", "batch", str(base), inputs, "--rows", "1"]
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [*program, "--to", str(to)], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    workers, deadline = set(), time.monotonic() + 300
    while len(workers) < 2 and process.poll() is None and time.monotonic() < deadline:
        writing = [int(path.name[1:].partition("-")[0]) for path in to.glob(".*-*.jsonl")]
        workers.update(writing)
        time.sleep(0.002)
    os.kill(writing[0], signal.SIGKILL)
    assert process.wait(300) == 0, (tmp_path / "output").read_text()[-4000:]
    assert len(workers) == 2
    assert process.pid not in workers
    (left,) = to.glob(".*-*.jsonl")  # what the killed one was writing
    assert left.name.startswith(f".{writing[0]}-")
    for number in range(6):
        found = lines(to / f"{number}.jsonl.jsonl")
        np.testing.assert_allclose(found, 2 * (number + np.arange(4000) / 8))
    assert predict_files(base, [inputs], to, "serving_default", 1) == (0, 6, [])
    assert not [*to.glob(".*")]
