"""Help and mistakes in arguments, answered before anything that takes long is imported.

Importing an application imports TensorFlow, which takes seconds. The source of its module says
enough: the signatures and docstrings of its commands, and the imports that these need.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from apps.common.cli import check_arguments

MAIN, COMMANDS = "main", "commands"


def answer_early(file: Path, name: str, default: str | None = None) -> None:
    """End the program here if its arguments ask for help or are mistaken.

    Args:
        file: The module with the commands, see `outline`.
        name: The package that runs it, as `python -m` takes it.
        default: The command that is meant if the first argument names none.
    """
    check_arguments(*outline(file, file.parents[name.count(".") + 1]), name, default)


def outline(file: Path, root: Path) -> tuple[dict[str, Callable], str]:
    """Read the commands of a module.

    Args:
        file: The module. Its function `main` puts the commands into a dictionary `commands`, with
            their names as keys.
        root: The folder from which its imports are resolved.

    Returns:
        Functions that only have the signatures and docstrings of the commands, and the docstring
        of the module.
    """
    tree = ast.parse(file.read_text("utf-8"))
    main = _function(tree, MAIN)
    names = dict(_commands(main))
    functions = {name: _signature(tree, function, root) for name, function in names.items()}
    return functions, ast.get_docstring(tree) or ""


def _commands(main: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Yield the entries of the dictionaries that are assigned to `commands`."""
    for node in ast.walk(main):
        if isinstance(node, ast.Assign | ast.AugAssign) and isinstance(node.value, ast.Dict):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == COMMANDS:
                for key, value in zip(node.value.keys, node.value.values, strict=True):
                    yield ast.literal_eval(key), value.id  # type: ignore[arg-type,union-attr]


def _signature(tree: ast.Module, name: str, root: Path) -> Callable:
    """Return a function of a module without its body, or of the module that this one imports."""
    if (module := _imported_from(tree, name)) is not None:
        tree = ast.parse((root / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))
    function = _function(tree, name)
    function.body = [node for node in function.body[:1] if ast.get_docstring(function)] or [
        ast.Pass()
    ]
    needed = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    body = [kept for node in tree.body if (kept := _needed_part(node, needed)) is not None]
    module = ModuleType(name)
    code = ast.Module([*body, function], type_ignores=[])
    exec(compile(ast.fix_missing_locations(code), name, "exec"), module.__dict__)  # noqa: S102 (our own source)
    return getattr(module, name)


def _needed_part(node: ast.stmt, needed: set[str]) -> ast.stmt | None:
    """Return the part of an import that is needed, or a constant that is, or None."""
    if isinstance(node, ast.ImportFrom):
        names = [alias for alias in node.names if (alias.asname or alias.name) in needed]
        return ast.ImportFrom(node.module, names, node.level) if names else None
    if isinstance(node, ast.Import):
        names = [alias for alias in node.names if (alias.asname or alias.name) in needed]
        return ast.Import(names) if names else None
    if isinstance(node, ast.Assign):
        assigned = {name.id for name in node.targets if isinstance(name, ast.Name)}
        return node if assigned & needed else None
    return None


def _imported_from(tree: ast.Module, name: str) -> str | None:
    """Return the module from which a name is imported, or None."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and name in (alias.name for alias in node.names):
            return node.module
    return None


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    return next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    )
