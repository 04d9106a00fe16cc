"""The models of a server: their versions, which of them are loaded, and when they change."""

import asyncio
import contextlib
import functools
import gc
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from apps.common.refusal import Refusal
from apps.serve.batching import Batcher
from apps.serve.errors import ServingError
from apps.serve.json_values import Tensors
from apps.serve.servable import Servable
from apps.serve.settings import Batching
from apps.serve.sources import Source, versions_in
from apps.serve.workers import Workers, in_thread

LOG = logging.getLogger("apps.serve")


class Chosen(NamedTuple):
    """The version that answers a request."""

    servable: Servable
    version: int
    predict: Callable[[str, Tensors], Awaitable[Tensors]]


@dataclass
class Version:
    """A version of a model and its state."""

    number: int
    state: str = "START"  # START, LOADING, AVAILABLE, UNLOADING or END
    code: str = "OK"
    message: str = ""
    servable: Servable | None = None
    stamp: tuple = ()  # of its files; if loading failed, it is tried again when they change
    busy: int = 0  # requests in progress
    batchers: dict[str, Batcher] = field(default_factory=dict)

    def status(self) -> dict:
        """Return the status in TensorFlow Serving's form."""
        return {
            "version": str(self.number),
            "state": self.state,
            "status": {"error_code": self.code, "error_message": self.message},
        }


class Models:
    """The models in some folders, loaded, and reloaded when the folders change.

    If a version cannot be loaded, it is reported and the version before it goes on answering. A
    version that is replaced answers its last requests and is then unloaded.

    Args:
        find: Returns the sources by the name of the model. It is called for each refresh.
        batching: How requests are computed together.
        observe: Called with the name of the model and the number of rows of each batch.
        threads: Threads that compute batches for each model. One more computes its large requests.
            No model waits for the threads of another.
        load_timeout: Seconds for a version to load.
    """

    def __init__(
        self,
        find: Callable[[], Mapping[str, Source]],
        batching: Batching,
        observe: Callable[[str, int], object] = lambda name, rows: None,
        threads: int = 2,
        load_timeout: float = 300.0,
    ):
        self.find = find
        self.batching = batching
        self.observe = observe
        self.threads = threads
        self.load_timeout = load_timeout
        self.sources: Mapping[str, Source] = {}
        self.workers: dict[str, tuple[Workers, Workers]] = {}  # for batches, and for large requests
        self.refreshing: dict[str, asyncio.Task] = {}
        self.frozen: set[tuple[str, int]] = set()  # versions that no garbage collection visits
        self.problems: dict[str, str] = {}  # of models whose folders cannot be searched
        self.versions: dict[str, dict[int, Version]] = {}
        self.warming: set[asyncio.Task] = set()

    async def refresh(self, patience: float | None = None) -> None:
        """Load new versions, and unload those that are no longer wanted.

        Args:
            patience: Seconds to wait for versions that load. They go on loading, and no other model
                waits for them.
        """
        self.sources = await asyncio.to_thread(self.find)
        for name in self.sources.keys() | self.versions.keys():
            if name not in self.refreshing:
                task = asyncio.create_task(self._refresh_alone(name))
                self.refreshing[name] = task
                task.add_done_callback(functools.partial(self._refreshed, name))
        if self.refreshing:
            await asyncio.wait(self.refreshing.values(), timeout=patience)
        if (loaded := self._loaded()) != self.frozen:
            self.frozen = loaded
            # A full garbage collection takes a fifth of a second with TensorFlow's objects. Those
            # that exist after loading are exempt from later collections.
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def _refreshed(self, name: str, task: asyncio.Task) -> None:
        self.refreshing.pop(name, None)

    async def _refresh_alone(self, name: str) -> None:
        """Refresh a model. What is wrong with its folder is reported once."""
        try:
            await self._refresh_model(name)
        except Exception as error:  # the others go on, whatever is wrong with this one
            self.versions.setdefault(name, {})
            reason = f"{type(error).__name__}: {error}"
            if self.problems.get(name) != reason:
                is_bug = not isinstance(error, OSError)
                fields = {"model": name, "reason": reason}
                LOG.error("cannot be searched", extra={"fields": fields}, exc_info=is_bug)
            self.problems[name] = reason
        else:
            self.problems.pop(name, None)

    def _loaded(self) -> set[tuple[str, int]]:
        return {
            (name, version.number)
            for name, versions in self.versions.items()
            for version in versions.values()
            if version.servable is not None
        }

    def _wanted(self, name: str) -> dict[int, tuple]:
        """Return the stamps of the versions that may be served, the newest first."""
        if (source := self.sources.get(name)) is None:
            return {}
        numbers = sorted(versions_in(source.base), reverse=True)
        if source.versions is not None:
            numbers = [number for number in numbers if number in source.versions]
        return {number: _stamp(source.base / str(number)) for number in numbers}

    async def _refresh_model(self, name: str) -> None:
        wanted = await asyncio.to_thread(self._wanted, name)
        versions = self.versions.setdefault(name, {})
        newest = self.sources[name].newest if name in self.sources else None
        kept: list[int] = []
        for number, stamp in wanted.items():
            version = versions.setdefault(number, Version(number))
            if version.state == "UNLOADING":  # wanted again before it is unloaded
                version.state = "AVAILABLE"
            # The newest is tried first. A damaged one is skipped until its files change.
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
            loading = in_thread(Servable, path, name=f"load-{name}")
            async with asyncio.timeout(self.load_timeout):
                version.servable = await asyncio.wrap_future(loading)
        except TimeoutError:
            version.state, version.code = "END", "DEADLINE_EXCEEDED"
            version.message = f"It did not load within {self.load_timeout:g} s"
            LOG.error("not loaded", extra={"fields": {**fields, "reason": version.message}})
        except Exception as error:  # the others go on, whatever is wrong with this one
            version.state, version.code = "END", "INTERNAL"
            version.message = f"{type(error).__name__}: {error}"
            fields["reason"] = version.message
            is_bug = not isinstance(error, Refusal | OSError | ServingError)
            LOG.error("not loaded", extra={"fields": fields}, exc_info=is_bug)
        else:
            version.state = "AVAILABLE"
            LOG.info("loaded", extra={"fields": fields})
            # The other signatures are warmed up while the first requests are answered.
            warming = asyncio.create_task(self._warm_up(version.servable, fields))
            self.warming.add(warming)
            warming.add_done_callback(self.warming.discard)

    async def _warm_up(self, servable: Servable, fields: Mapping) -> None:
        try:
            count = await asyncio.wrap_future(in_thread(servable.warm_up, name="warm-up"))
        except ServingError as error:
            LOG.error("not warmed up", extra={"fields": {**fields, "error": str(error)}})
        else:
            LOG.info("warmed up", extra={"fields": {**fields, "further_requests": count}})

    def status(self, name: str, version: int | None, label: str | None) -> dict:
        """Return the status of all versions of a model, or of one.

        Raises:
            ServingError: If there is no such version.
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
        """Choose the version that answers a request, and keep it loaded meanwhile.

        Raises:
            ServingError: If no such version is loaded.
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
            predict = functools.partial(self._predict, name, chosen)
            yield Chosen(chosen.servable, chosen.number, predict)
        finally:
            chosen.busy -= 1

    async def _predict(
        self, name: str, version: Version, signature: str, inputs: Tensors
    ) -> Tensors:
        servable = version.servable
        if name not in self.workers:
            self.workers[name] = Workers(self.threads, name), Workers(1, f"{name}-large")
        batches, large = self.workers[name]
        if not servable.signatures[signature].batchable:
            compute = functools.partial(servable.predict, signature, inputs)
            return await asyncio.get_running_loop().run_in_executor(batches, compute)
        if signature not in version.batchers:
            version.batchers[signature] = Batcher(
                functools.partial(servable.predict, signature),
                batches,
                self.batching,
                functools.partial(self.observe, name),
                large,
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
        """Return whether every model has a version that is loaded, or is known to have none.

        A model that cannot be loaded takes no place from the others. Without any there is nothing
        to serve.
        """
        states = [
            {version.state for version in self.versions.get(name, {}).values()}
            for name in self.sources
        ]
        settled = all(
            "AVAILABLE" in found or not found & {"START", "LOADING"}
            for name, found in zip(self.sources, states, strict=True)
            if name not in self.problems
        )
        return bool(self.versions) and settled and any("AVAILABLE" in found for found in states)


def _stamp(folder: Path) -> tuple:
    """Return a value that changes with the files in a folder."""
    with contextlib.suppress(OSError):  # it is being written
        return tuple(
            sorted(
                (str(path), path.stat().st_size, path.stat().st_mtime_ns)
                for path in folder.rglob("*")
            )
        )
    return ()
