"""Every option that a message or a document names is an option of a command."""

import ast
import dataclasses
import importlib
import re
import shlex
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import tyro

from apps.common.applications import find_applications

ROOT = Path(__file__).parent.parent.parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
ALWAYS = {"--help", "--config"}  # of `apps.common.cli`
OTHER_PROGRAMS = re.compile(r"\b(pip install|uv|docker|git|curl|pytest|make|tensorboard)\b[^`\n;]*")
MODULES = {name: f"apps.{name}.app" for name in find_applications()}
MODULES |= {"serve": "apps.serve.server", "demo": "apps.demo"}


HIDDEN = {get_args(mark[int])[1] for mark in (tyro.conf.Positional, tyro.conf.Suppress)}


def is_hidden(hint):
    return any(mark in HIDDEN for mark in get_args(hint)[1:])


def options_of(command):
    """Return the options of a command, as tyro makes them of its arguments."""
    found = set()
    for name, hint in get_type_hints(command, include_extras=True).items():
        if name == "return" or is_hidden(hint):
            continue
        fields = {name: hint}
        if dataclasses.is_dataclass(hint):
            fields = get_type_hints(hint, include_extras=True)
            names = {field.name for field in dataclasses.fields(hint)}
            fields = {name: kind for name, kind in fields.items() if name in names}
        for option, kind in fields.items():
            if is_hidden(kind):
                continue
            dashed = option.replace("_", "-")
            found.add(f"--{dashed}")
            for mark in get_args(kind)[1:]:
                found.update(getattr(mark, "aliases", None) or ())
            if kind is bool:
                found.add(f"--no-{dashed}")
    return found


@pytest.fixture(scope="module")
def options():
    """The options of each command of each module, by their names."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, place in MODULES.items():
            module = importlib.import_module(place)
            given = []
            patch.setattr(module, "run_command", lambda commands, *_, to=given: to.append(commands))
            module.main([])
            (commands,) = given
            commands = {"": commands} if callable(commands) else commands
            found[name] = {key: options_of(command) for key, command in commands.items()}
    return found


def union(commands):
    return ALWAYS.union(*commands.values())


def strings(tree):
    """Yield each text of a module with its line, pieces of formatted ones one by one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_options_are_found_as_the_help_shows_them(options, capsys):
    from apps.captioning.app import main

    for command in ("train", "predict"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = set(OPTION.findall(re.sub(r"[│\s]+", " ", capsys.readouterr().out)))
        assert shown - ALWAYS == options["captioning"][command]


@pytest.mark.parametrize("folder", [*MODULES, "common"])
def test_every_option_of_a_message_is_an_option_of_its_command(folder, options):
    every = set().union(*map(union, options.values()))
    # What is common, the server and the demonstration name options of applications, too.
    known = every if folder in ("common", "serve", "demo") else union(options[folder])
    files = [ROOT / "apps/demo.py"] if folder == "demo" else (ROOT / "apps" / folder).rglob("*.py")
    unknown = {
        f"{path.relative_to(ROOT)}:{line}: {option}"
        for path in files
        for line, text in strings(ast.parse(path.read_text("utf-8")))
        for option in OPTION.findall(OTHER_PROGRAMS.sub("", text))
        if option not in known
    }
    assert not unknown, unknown


def documents():
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("apps/*/*.md")]
    return sorted(path for path in paths if path.name != "CHANGELOG.md")


def commands_in(text):
    """Yield the module, the command and the options of each command line of an application."""
    for line in re.sub(r"\\\n\s*", " ", text).split("\n"):
        for found in re.finditer(r"-m apps\.(\w+)([^`|#&>]*)", line):
            words = shlex.split(found[2].replace("'", '"').replace('"', ""))
            yield found[1], words[0] if words else "", OPTION.findall(found[2])


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_option_of_a_document_is_an_option_of_a_command(path, options):
    text = path.read_text("utf-8")
    unknown = set()
    for module, command, named in commands_in(text):
        known = options.get(module, {})
        taken = ALWAYS | known.get(command, set().union(*known.values()) if known else set(named))
        unknown |= {f"{module} {command} {option}" for option in named if option not in taken}
    if path.parent.parent == ROOT / "apps" and path.parent.name in options:
        taken = union(options[path.parent.name])
        spans = re.findall(r"(?<!`)`([^`\n]+)`", text)
        named = {option for span in spans if " -m " not in span for option in OPTION.findall(span)}
        unknown |= {option for option in named if option not in taken}
    assert not unknown, unknown
