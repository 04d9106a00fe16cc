"""The models of a server: which versions there are, which of them answer, and new ones taken up."""

import asyncio
import contextlib
import functools
import gc
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from apps.common.refusal import Refusal
from apps.serve.batching import Batcher, Batching
from apps.serve.errors import ServingError
from apps.serve.json_tensors import Tensors
from apps.serve.servable import Servable

LOG = logging.getLogger("apps.serve")


class Source(NamedTuple):
    """Where the versions of a model are, and which of them are wanted."""

    base: Path
    newest: int | None = 1  # so many of the newest that can be loaded; all if None
    versions: tuple[int, ...] | None = None  # of these alone; of all there are if None
    labels: Mapping[str, int] = {}


class Chosen(NamedTuple):
    """What answers a request."""

    servable: Servable
    version: int
    run: Callable[[str, Tensors], Awaitable[Tensors]]


@dataclass
class Version:
    """A version of a model and how it is."""

    number: int
    state: str = "START"  # START, LOADING, AVAILABLE, UNLOADING or END
    code: str = "OK"
    message: str = ""
    servable: Servable | None = None
    stamp: tuple = ()  # of its files; a version that did not load is tried again when they change
    busy: int = 0  # requests that it is answering
    batchers: dict[str, Batcher] = field(default_factory=dict)

    def status(self) -> dict:
        """Returns the status as TensorFlow Serving words it."""
        return {
            "version": str(self.number),
            "state": self.state,
            "status": {"error_code": self.code, "error_message": self.message},
        }


class Models:
    """Loads what its folders hold, and keeps to it when they change.

    A version that cannot be loaded is reported and the one before goes on answering. One that is
    replaced answers the requests it has, and is then let go.

    Args:
        find: Returns the sources by the name of the model; asked anew each time.
        executor: Where models are run.
        batching: How requests are put together.
        observe: Is told the name of a model and the number of rows of each batch.
    """

    def __init__(
        self,
        find: Callable[[], Mapping[str, Source]],
        executor: Executor,
        batching: Batching,
        observe: Callable[[str, int], object] = lambda name, rows: None,
    ):
        self.find = find
        self.executor = executor
        self.batching = batching
        self.observe = observe
        self.sources: Mapping[str, Source] = {}
        self.versions: dict[str, dict[int, Version]] = {}
        self.warming: set[asyncio.Task] = set()

    async def refresh(self) -> None:
        """Loads versions that have come and lets go of those that are no longer wanted."""
        self.sources = await asyncio.to_thread(self.find)
        before = self._available()
        await asyncio.gather(*map(self._refresh_model, self.sources.keys() | self.versions.keys()))
        if self._available() != before:
            # Python looks through all objects for unused ones now and then, which takes a fifth of
            # a second with TensorFlow's. What is there after loading is left out from now on.
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def _available(self) -> set[tuple[str, int]]:
        return {
            (name, version.number)
            for name, versions in self.versions.items()
            for version in versions.values()
            if version.servable is not None
        }

    def _wanted(self, name: str) -> dict[int, tuple]:
        """Returns the versions wanted, the newest first, and the stamps of their files."""
        if (source := self.sources.get(name)) is None:
            return {}
        found = sorted(versions_in(source.base), reverse=True)
        if source.versions is not None:
            found = [number for number in found if number in source.versions]
        return {number: _stamp(source.base / str(number)) for number in found}

    async def _refresh_model(self, name: str) -> None:
        wanted = await asyncio.to_thread(self._wanted, name)
        versions = self.versions.setdefault(name, {})
        newest = self.sources[name].newest if name in self.sources else None
        kept: list[int] = []
        for number, stamp in wanted.items():
            version = versions.setdefault(number, Version(number))
            if version.state == "UNLOADING":  # wanted again before it has gone
                version.state = "AVAILABLE"
            # Loading is tried from the newest on; a damaged one is left until its files change.
            if version.state in ("START", "END") and version.stamp != stamp:
                version.stamp = stamp
                await self._load(name, version)
            if version.state == "AVAILABLE":
                kept.append(number)
            if len(kept) == newest:
                break
        for number, version in versions.items():
            if version.state == "AVAILABLE" and number not in kept:
                version.state = "UNLOADING"
            if version.state == "UNLOADING" and not version.busy:
                version.state, version.servable, version.batchers = "END", None, {}
                version.stamp = ()
                LOG.info("unloaded", extra={"fields": {"model": name, "version": number}})

    async def _load(self, name: str, version: Version) -> None:
        version.state, version.code, version.message = "LOADING", "OK", ""
        fields = {"model": name, "version": version.number}
        try:
            path = self.sources[name].base / str(version.number)
            version.servable = await asyncio.to_thread(Servable, path)
        except Exception as error:  # whatever is wrong with a file of a user
            version.state, version.code = "END", "INTERNAL"
            version.message = f"{type(error).__name__}: {error}"
            LOG.error("not loaded", extra={"fields": {**fields, "error": version.message}})
        else:
            version.state = "AVAILABLE"
            LOG.info("loaded", extra={"fields": fields})
            # What else it can do gets warm beside the first requests.
            warming = asyncio.create_task(self._warm_up(version.servable, fields))
            self.warming.add(warming)
            warming.add_done_callback(self.warming.discard)

    async def _warm_up(self, servable: Servable, fields: Mapping) -> None:
        try:
            count = await asyncio.to_thread(servable.warm_up)
        except ServingError as error:
            LOG.error("not warm", extra={"fields": {**fields, "error": str(error)}})
        else:
            LOG.info("warm", extra={"fields": {**fields, "further_requests": count}})

    def status(self, name: str, version: int | None, label: str | None) -> dict:
        """Returns the status of all versions of a model, or of one.

        Raises:
            ServingError: If there is none.
        """
        versions = self.versions.get(name, {})
        number = self._number(name, version, label)
        if number is not None:
            versions = {key: value for key, value in versions.items() if key == number}
        if not versions:
            raise self._missing(name, number)
        ordered = sorted(versions.values(), key=lambda version: -version.number)
        return {"model_version_status": [version.status() for version in ordered]}

    @contextlib.contextmanager
    def use(self, name: str, version: int | None, label: str | None) -> Iterator[Chosen]:
        """Chooses what answers a request and keeps it loaded meanwhile.

        Raises:
            ServingError: If there is no such version that answers.
        """
        number = self._number(name, version, label)
        available = {
            key: value
            for key, value in self.versions.get(name, {}).items()
            if value.state == "AVAILABLE" and number in (None, key)
        }
        if not available:
            raise self._missing(name, number)
        chosen = available[max(available)]
        chosen.busy += 1
        try:
            run = functools.partial(self._run, name, chosen)
            yield Chosen(chosen.servable, chosen.number, run)
        finally:
            chosen.busy -= 1

    async def _run(self, name: str, version: Version, signature: str, inputs: Tensors) -> Tensors:
        servable = version.servable
        if not servable.signatures[signature].batchable:
            compute = functools.partial(servable.run, signature, inputs)
            return await asyncio.get_running_loop().run_in_executor(self.executor, compute)
        if signature not in version.batchers:
            version.batchers[signature] = Batcher(
                functools.partial(servable.run, signature),
                self.executor,
                self.batching,
                functools.partial(self.observe, name),
            )
        return await version.batchers[signature](inputs)

    def _number(self, name: str, version: int | None, label: str | None) -> int | None:
        if label is None:
            return version
        labels = self.sources[name].labels if name in self.sources else {}
        if label not in labels:
            raise ServingError(
                "NOT_FOUND", f"Unrecognized servable version label: {name!r} has no {label!r}"
            )
        return labels[label]

    def _missing(self, name: str, number: int | None) -> ServingError:
        asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
        return ServingError("NOT_FOUND", f"Servable not found for request: {asked}")

    def ready(self) -> bool:
        """Whether every model has a version that answers."""
        return bool(self.versions) and all(
            any(version.state == "AVAILABLE" for version in versions.values())
            for name, versions in self.versions.items()
            if name in self.sources
        )


def versions_in(base: Path) -> list[int]:
    """Returns the versions in the folder of a model: numbers, each with a model inside."""
    if not base.is_dir():
        return []
    return [
        int(path.name)
        for path in base.iterdir()
        if path.name.isascii() and path.name.isdigit() and (path / "saved_model.pb").is_file()
    ]


def _stamp(folder: Path) -> tuple:
    """Returns what changes when a file in a folder does."""
    with contextlib.suppress(OSError):
        return tuple(
            sorted(
                (str(path), path.stat().st_size, path.stat().st_mtime_ns)
                for path in folder.rglob("*")
            )
        )
    return ()


def find_models(folders: Sequence[Path]) -> dict[str, Source]:
    """Finds models in folders, each the folder of one model or of several."""
    sources = {}
    for folder in folders:
        children = [folder] if versions_in(folder) else sorted(folder.iterdir())
        for base in children:
            if versions_in(base):
                sources[base.resolve().name] = Source(base)
    return sources


def read_config(file: Path) -> dict[str, Source]:
    """Reads the models config of TensorFlow Serving, a `ModelServerConfig` in text.

    Raises:
        Refusal: If it is malformed.
        OSError: If it cannot be read.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    try:
        config = text_format.Parse(file.read_text("utf-8"), ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise Refusal(f"{file} is no models config of TensorFlow Serving: {error}") from error
    sources = {}
    for model in config.model_config_list.config:
        policy = model.model_version_policy
        choice = policy.WhichOneof("policy_choice")
        newest = (policy.latest.num_versions or 1) if choice in (None, "latest") else None
        versions = tuple(policy.specific.versions) if choice == "specific" else None
        labels = dict(model.version_labels)
        sources[model.name] = Source(Path(model.base_path), newest, versions, labels)
    if not sources:
        raise Refusal(f"{file} names no model; give model_config_list with a config for each")
    return sources
