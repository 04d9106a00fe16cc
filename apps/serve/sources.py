"""Where models are: the folders that hold them, or a config that names them."""

import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from apps.common.refusal import Refusal

LOG = logging.getLogger("apps.serve")


class Source(NamedTuple):
    """The folder of a model's versions, and which of them to serve."""

    base: Path
    newest: int | None = 1  # how many of the newest that can be loaded; all if None
    versions: tuple[int, ...] | None = None  # only these; any if None
    labels: Mapping[str, int] = {}


def versions_in(base: Path) -> list[int]:
    """Return the versions in the folder of a model: its numbered folders with a SavedModel."""
    if not base.is_dir():
        return []
    return [
        int(path.name)
        for path in base.iterdir()
        if path.name.isascii() and path.name.isdigit() and (path / "saved_model.pb").is_file()
    ]


def find_models(folders: Sequence[Path]) -> dict[str, Source]:
    """Find the models in folders, each the folder of one model or of several."""
    sources: dict[str, Source] = {}
    for folder in folders:
        try:
            children = [folder] if versions_in(folder) else sorted(folder.iterdir())
        except OSError as error:
            skip(folder, f"it cannot be read ({error.strerror})")
            continue
        for base in children:
            reason = _why_skipped(base, base is folder, sources)
            if reason is None:
                sources[base.resolve().name] = Source(base)
            elif reason:
                skip(base, reason)
    return sources


def _why_skipped(base: Path, named: bool, sources: Mapping[str, Source]) -> str | None:
    """Return why a folder is no model to serve; an empty text if it is none at all."""
    try:
        if not versions_in(base):
            return ""
        if base.is_symlink() and not named:
            return f"it is a link, to {base.resolve()}; give that folder on the command line"
        name = base.resolve().name
        if name in sources and sources[name].base.resolve() != base.resolve():
            return f"{sources[name].base} has the same name; rename one, or use --config"
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        return f"it cannot be read ({getattr(error, 'strerror', error)})"
    return None


@functools.cache  # so that it is reported once
def skip(folder: Path, reason: str) -> None:
    """Report a folder that is not served."""
    LOG.error("skipped", extra={"fields": {"folder": str(folder), "reason": reason}})


def read_config(file: Path) -> dict[str, Source]:
    """Read the models config of TensorFlow Serving, a `ModelServerConfig` in text.

    Raises:
        Refusal: If it is malformed.
        OSError: If it cannot be read.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    try:
        config = text_format.Parse(file.read_text("utf-8"), ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise Refusal(
            f"config: {file} is no models config of TensorFlow Serving: {error}"
        ) from error
    sources = {}
    for model in config.model_config_list.config:
        policy = model.model_version_policy
        choice = policy.WhichOneof("policy_choice")
        newest = (policy.latest.num_versions or 1) if choice in (None, "latest") else None
        versions = tuple(policy.specific.versions) if choice == "specific" else None
        labels = dict(model.version_labels)
        if model.name in sources:
            raise Refusal(
                f"config: {file} names {model.name!r} twice; give each model its own name"
            )
        sources[model.name] = Source(Path(model.base_path), newest, versions, labels)
    if not sources:
        raise Refusal(
            f"config: {file} names no model; it needs a model_config_list with a config for each"
        )
    return sources
