import dataclasses
import functools
import json
import sys
from pathlib import Path

import pytest

import rnnlayers
from apps.common.cli import find_files, read_inputs, run_command
from apps.common.files import replacing
from apps.common.settings import check, write_settings
from tests.apps import commands


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides a run."""

    units: int = 64  # units of the GRU, in each direction


def command(run: Path, settings: Settings, *, wrong: str = "") -> None:
    """Do something.

    Args:
        run: A folder.
        settings: What decides it.
        wrong: What goes wrong.
    """
    if wrong == "bug":
        raise ValueError("planted")
    if wrong == "bug in a library":
        json.loads("x")
    elif wrong == "bug of rnnlayers":
        rnnlayers.GRU(0)
    elif wrong == "bug about a file":
        raise OSError("planted")
    elif wrong == "interrupted":
        raise KeyboardInterrupt
    elif wrong == "no file":
        run.read_text()
    elif wrong == "mistake":
        check(settings, ("units",), lambda units: units > 10**6, "above\na million")
    else:
        print(run, settings.units)


def call(*argv):
    run_command({"do": command}, argv, "apps.thing", "A thing.")


refused = functools.partial(commands.refused, call)


def test_arguments_come_from_the_signature_and_from_the_fields(capsys):
    call("do", "--run", "a/b", "--units", "7")
    assert capsys.readouterr().out == "a/b 7\n"


def test_help_holds_docstrings_and_the_comments_of_the_fields(capsys):
    with pytest.raises(SystemExit) as stop:
        call("do", "--help")
    assert not stop.value.code
    words = " ".join(capsys.readouterr().out.split())
    assert "Do something." in words
    assert "A folder." in words
    assert "units of the GRU, in each direction (default: 64)" in words


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "{do}"),
        (("undo",), "undo"),
        (("do",), "--run"),
        (("do", "--run", "x", "--units", "many"), "many"),
        (("do", "--run", "x", "--unts", "3"), "--units"),
        (("do", "--run", "x", "--wrong", "mistake"), "units must be above a million; received 64"),
        (("do", "--run", "no/such/file", "--wrong", "no file"), "no/such/file"),
    ],
)
def test_mistakes_are_answered_with_one_line_and_status_2(capsys, argv, said):
    assert said in refused(capsys, *argv)


@pytest.mark.parametrize(
    "wrong", ["bug", "bug in a library", "bug of rnnlayers", "bug about a file"]
)
def test_bugs_keep_their_traceback(wrong):
    with pytest.raises((ValueError, OSError), match=r"planted|Expecting value|units"):
        call("do", "--run", "x", "--wrong", wrong)


def test_an_interruption_is_no_mistake(capsys):
    with pytest.raises(SystemExit) as stop:
        call("do", "--run", "x", "--wrong", "interrupted")
    assert stop.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_inputs_are_texts_files_and_lines_of_standard_input(tmp_path, monkeypatch):
    file = tmp_path / "review.txt"
    file.write_bytes(b"two\nlines \xff")
    stdin = (tmp_path / "stdin").open("w+b")
    stdin.write(b"first\r\n\nlast")
    stdin.seek(0)
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": stdin}))
    long = "word " * 10_000
    inputs = ["a text", str(file), "-", "\udcff", long, ""]
    expected = [b"a text", b"two\nlines \xff", b"first", b"", b"last", b"\xff", long.encode(), b""]
    assert list(read_inputs(inputs)) == expected
    stdin.close()


def test_no_inputs_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        list(read_inputs([]))


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    for name in ("b.png", "a.JPG", "notes.txt", "deep/er/c.gif", "x[1].png", "folder.png/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["b.png"], ["b.png"]),
        (["notes.txt"], ["notes.txt"]),  # who names a file means it
        (["."], ["a.JPG", "b.png", "deep/er/c.gif", "folder.png/d.png", "x[1].png"]),
        (["deep"], ["deep/er/c.gif"]),
        (["*.png"], ["b.png", "x[1].png"]),
        (["*.txt", "b.png", "*.JPG"], ["notes.txt", "b.png", "a.JPG"]),
        (["*/*.png"], ["folder.png/d.png"]),
        (["x[1].png"], ["x[1].png"]),  # a name, though it looks like a glob
        (["b.png", "b.png"], ["b.png", "b.png"]),
    ],
)
def test_inputs_are_files_folders_of_them_and_globs(pictures, given, found):
    for inputs in (given, [str(pictures / name) for name in given]):
        files = find_files(inputs, (".png", ".jpg", ".gif"))
        assert [str(file.resolve().relative_to(pictures)) for file in files] == found


@pytest.mark.parametrize("given", ["absent.png", "*.tif", "empty", "x[2].png", "fold*"])
def test_inputs_that_lead_to_no_file(pictures, given):
    (pictures / "empty").mkdir()
    with pytest.raises(ValueError, match=r"is no file, .* that end in \.png, \.gif") as caught:
        find_files(["b.png", given], (".png", ".gif"))
    assert repr(given) in str(caught.value)


def test_no_files_at_all_are_refused():
    with pytest.raises(ValueError, match="at least one file, folder or glob"):
        find_files([], (".png",))


def test_settings_of_another_run_become_the_defaults(tmp_path, capsys):
    file = tmp_path / "settings.json"
    write_settings(file, Settings(units=7))
    seen = []

    def train(run: Path, settings: Settings, callbacks: tuple[str, ...] = ()) -> None:
        """Train."""
        seen.append(settings)

    def evaluate(run: Path) -> None:
        """Evaluate."""

    call = functools.partial(call_commands, {"train": train, "evaluate": evaluate})
    call("train", "--config", str(file), "--run", "x")
    call("train", f"--config={file}", "--run", "x", "--units", "9")
    assert seen == [Settings(units=7), Settings(units=9)]
    assert "--config must be followed" in commands.refused(call, capsys, "train", "--config")
    line = commands.refused(call, capsys, "evaluate", "--config", str(file), "--run", "x")
    assert "--config has no effect" in line
    file.write_text('{"wings": 2}')
    line = commands.refused(call, capsys, "train", "--config", str(file), "--run", "x")
    assert "received wings" in line


def call_commands(functions, *argv):
    run_command(functions, argv, "apps.x", "Do something.")


def test_a_command_lists_what_it_wrote(tmp_path, capsys):
    many = [tmp_path / "many" / f"{number}.txt" for number in range(9)]
    many[0].parent.mkdir()

    def write() -> None:
        """Write."""
        for path in [*many, tmp_path / "kept.txt", tmp_path / "removed.txt", tmp_path / "kept.txt"]:
            with replacing(path) as temporary:
                temporary.touch()
        (tmp_path / "removed.txt").unlink()

    call_commands(write)
    assert capsys.readouterr().err.splitlines() == [
        "Written:",
        f"  {tmp_path / 'many'}/ (9 files)",
        f"  {tmp_path / 'kept.txt'}",
    ]
    write()  # outside a command nothing is listed
    assert capsys.readouterr().err == ""
