import asyncio
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from apps.common.refusal import Refusal
from apps.serve.errors import ServingError
from apps.serve.models import Models
from apps.serve.servable import Servable
from apps.serve.settings import Batching
from apps.serve.sources import Source, find_models, read_config

X = {"x": np.array([1.0, 2.0], "float32")}


@pytest.fixture
def models(base):
    return Models(lambda: find_models([base.parent]), Batching())


def refresh(models):
    asyncio.run(models.refresh())


def answer(models, version=None, label=None):
    async def ask():
        with models.use("arithmetic", version, label) as chosen:
            return (await chosen.predict("serving_default", X))["y"].tolist()

    return asyncio.run(ask())


def states(models):
    statuses = models.status("arithmetic", None, None)["model_version_status"]
    return {int(status["version"]): status["state"] for status in statuses}


def test_the_newest_version_answers(models, base, versions):
    assert not models.ready()
    refresh(models)
    assert models.ready()
    assert answer(models) == [2, 4]
    shutil.copytree(versions[2], base / "7")
    refresh(models)
    assert answer(models) == answer(models, 7) == [3, 6]
    assert states(models) == {7: "AVAILABLE", 1: "END"}
    with pytest.raises(ServingError, match=r"Specific\(arithmetic, 1\)"):
        answer(models, 1)


@pytest.mark.parametrize(
    "damage",
    ["variables/variables.index", pytest.param("saved_model.pb", marks=pytest.mark.slow)],
)
def test_a_damaged_version_is_reported_and_tried_again_when_it_changes(
    models, base, versions, damage
):
    refresh(models)
    shutil.copytree(versions[2], base / "2")
    whole = (base / "2" / damage).read_bytes()
    (base / "2" / damage).write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        refresh(models)
        assert states(models) == {2: "END", 1: "AVAILABLE"}
        assert answer(models) == [2, 4]
    status = models.status("arithmetic", 2, None)["model_version_status"][0]["status"]
    assert status["error_code"] == "INTERNAL"
    assert status["error_message"]
    (base / "2" / damage).write_bytes(whole)
    refresh(models)
    assert answer(models) == [3, 6]


@pytest.mark.parametrize(("error", "is_bug"), [(Refusal("damaged"), False), (IndexError(), True)])
def test_only_a_bug_leaves_a_traceback_when_a_version_is_loaded(
    models, base, caplog, monkeypatch, error, is_bug
):
    def fail(path):
        raise error

    monkeypatch.setattr("apps.serve.models.Servable", fail)
    refresh(models)
    assert states(models) == {1: "END"}
    (record,) = [record for record in caplog.records if record.message == "not loaded"]
    assert record.fields["reason"] == f"{type(error).__name__}: {error}"
    assert bool(record.exc_info) is is_bug


def test_a_version_at_work_is_let_go_when_it_has_finished(models, base, versions):
    refresh(models)
    with models.use("arithmetic", None, None) as old:
        shutil.copytree(versions[2], base / "2")
        refresh(models)
        assert states(models) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert asyncio.run(old.predict("serving_default", X))["y"].tolist() == [2, 4]
    refresh(models)
    assert states(models) == {2: "AVAILABLE", 1: "END"}


def test_a_version_that_is_withdrawn_gives_way_to_the_one_before(models, base, versions):
    shutil.copytree(versions[2], base / "2")
    refresh(models)
    assert answer(models) == [3, 6]
    shutil.rmtree(base / "2")
    refresh(models)
    assert answer(models) == [2, 4]


def test_a_version_that_is_wanted_again_before_it_has_gone_stays(models, base, versions):
    refresh(models)
    with models.use("arithmetic", None, None):
        shutil.copytree(versions[2], base / "2")
        refresh(models)
        assert states(models) == {2: "AVAILABLE", 1: "UNLOADING"}
        shutil.rmtree(base / "2")
        refresh(models)
        assert states(models)[1] == "AVAILABLE"
        assert answer(models) == [2, 4]


def test_other_folders_are_no_versions(models, base):
    for name in (".export-1", "2.tmp", "two", "3"):
        (base / name).mkdir()
    refresh(models)
    assert states(models) == {1: "AVAILABLE"}


def test_the_folder_of_one_model_will_do(base):
    assert find_models([base]) == find_models([base.parent]) == {"arithmetic": Source(base)}


CONFIG = """
model_config_list {{
  config {{
    name: "arithmetic"
    base_path: "{base}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }}
    version_labels {{ key: "canary" value: 2 }}
  }}
}}
"""


def test_a_config_of_tensorflow_serving_names_versions_and_labels(base, versions, tmp_path):
    shutil.copytree(versions[2], base / "2")
    file = tmp_path / "models.config"
    file.write_text(CONFIG.format(base=base))
    models = Models(lambda: read_config(file), Batching())
    refresh(models)
    assert answer(models, label="stable") == answer(models, 1) == [2, 4]
    assert answer(models, label="canary") == answer(models) == [3, 6]
    with pytest.raises(ServingError, match="label: 'arithmetic' has no 'old'"):
        answer(models, label="old")


@pytest.mark.parametrize(
    ("policy", "available"),
    [
        ("", {3}),
        ("latest { }", {3}),
        ("latest { num_versions: 2 }", {2, 3}),
        ("all { }", {1, 2, 3}),
        ("specific { versions: 1 }", {1}),
    ],
)
def test_a_policy_says_how_many_versions_answer(base, versions, tmp_path, policy, available):
    for number in (2, 3):
        shutil.copytree(versions[2], base / str(number))
    file = tmp_path / "models.config"
    named = f'name: "arithmetic" base_path: "{base}" model_version_policy {{ {policy} }}'
    file.write_text(f"model_config_list {{ config {{ {named} }} }}")
    models = Models(lambda: read_config(file), Batching())
    refresh(models)
    found = states(models)
    assert {number for number in found if found[number] == "AVAILABLE"} == available


TWICE = "model_config_list { %s }" % (2 * 'config { name: "a" base_path: "/a" }')


@pytest.mark.parametrize(
    ("text", "words"),
    [("model {", "no models config"), ("", "no model"), (TWICE, "names 'a' twice")],
)
def test_a_config_that_is_none_is_refused(tmp_path, text, words):
    file = tmp_path / "models.config"
    file.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_config(file)


def test_a_version_that_took_long_to_load_is_exempt_from_collections_too(models, base, monkeypatch):
    """A full collection with the objects of a model would hold up every request."""
    frozen, loaded = [], Servable
    monkeypatch.setattr("gc.freeze", lambda: frozen.append(states(models)))

    def load(path):
        time.sleep(0.2)
        return loaded(path)

    monkeypatch.setattr("apps.serve.models.Servable", load)

    async def check():
        while not models.ready():
            await models.refresh(patience=0.01)
        await models.refresh(patience=0.01)

    asyncio.run(check())
    assert frozen == [{1: "AVAILABLE"}]


def reports(caplog, message):
    return [record.fields for record in caplog.records if record.message == message]


def test_a_folder_that_cannot_be_read_takes_no_model_with_it(base, versions, monkeypatch, caplog):
    broken = base.parent / "broken"
    shutil.copytree(versions[1], broken / "1")
    listed = Path.iterdir

    def iterdir(path):
        if path == broken:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    models = Models(lambda: find_models([base.parent, base.parent / "gone"]), Batching())
    for _ in range(2):
        refresh(models)
    assert answer(models) == [2, 4]
    assert models.ready()
    (base / "1").rename(base / "2")  # further versions of the others still come
    refresh(models)
    assert states(models)[2] == "AVAILABLE"
    found = reports(caplog, "skipped")
    assert [fields["folder"] for fields in found] == [str(broken), str(base.parent / "gone")]
    assert "Permission denied" in found[0]["reason"]


def test_a_model_whose_versions_cannot_be_listed_is_reported_once(
    models, base, versions, monkeypatch, caplog
):
    other = base.parent / "other"
    shutil.copytree(versions[2], other / "1")
    refresh(models)
    monkeypatch.setattr(
        "apps.serve.models._stamp",
        lambda folder: (
            (_ for _ in ()).throw(OSError(5, "I/O error")) if other in folder.parents else ()
        ),
    )
    for _ in range(3):
        refresh(models)
    assert answer(models) == [2, 4]
    (found,) = reports(caplog, "cannot be searched")
    assert found["model"] == "other"


@pytest.mark.parametrize("load_timeout", [0.3, 60])
def test_a_version_that_never_loads_keeps_no_other_from_loading(
    base, versions, monkeypatch, load_timeout
):
    shutil.copytree(versions[1], base.parent / "endless" / "1")
    ended = threading.Event()
    loaded = Servable

    def load(path):
        if "endless" in str(path):
            ended.wait(20)
        return loaded(path)

    monkeypatch.setattr("apps.serve.models.Servable", load)

    async def check():
        models = Models(lambda: find_models([base.parent]), Batching(), load_timeout=load_timeout)
        shutil.copytree(versions[2], base / "2")
        end = time.monotonic() + 15
        while "AVAILABLE" not in str(models.versions.get("arithmetic")):
            await models.refresh(patience=0.02)
            assert time.monotonic() < end
        if load_timeout < 1:
            while not models.ready():
                await models.refresh(patience=0.02)
                assert time.monotonic() < end
            status = models.status("endless", None, None)["model_version_status"][0]["status"]
            assert status["error_message"] == "It did not load within 0.3 s"
        else:
            assert not models.ready()  # it is still loading
        ended.set()

    asyncio.run(check())


def test_models_of_one_name_and_links_are_reported(base, versions, tmp_path, caplog):
    shutil.copytree(versions[2], tmp_path / "second" / "arithmetic" / "1")
    (base.parent / "link").symlink_to(tmp_path / "second" / "arithmetic")
    (base.parent / "loop").symlink_to("loop")
    found = find_models([base.parent, tmp_path / "second"])
    assert found == {"arithmetic": Source(base)}
    reasons = {
        Path(fields["folder"]).name: fields["reason"] for fields in reports(caplog, "skipped")
    }
    assert "the same name" in reasons["arithmetic"]
    assert "a link" in reasons["link"]
    named = base.parent / "link"
    assert find_models([named]) == {"arithmetic": Source(named)}  # whoever names it means it


def test_no_model_waits_for_the_threads_of_another(base, versions, monkeypatch):
    shutil.copytree(versions[2], base.parent / "slow" / "1")
    models = Models(lambda: find_models([base.parent]), Batching())
    refresh(models)
    leave, predict = threading.Event(), Servable.predict

    def hold(servable, name, inputs):
        if len(inputs["x"]) != len(X["x"]):
            assert leave.wait(10)
        return predict(servable, name, inputs)

    monkeypatch.setattr(Servable, "predict", hold)

    async def ask(name, rows):
        with models.use(name, None, None) as chosen:
            outputs = await chosen.predict("serving_default", {"x": np.ones(rows, "float32")})
            return outputs["y"].tolist()

    async def check():
        held = [asyncio.create_task(ask("slow", rows)) for rows in (1, 3, 40, 50, 60)]
        await asyncio.sleep(0.05)
        found = await asyncio.wait_for(ask("arithmetic", 2), 5)
        leave.set()
        return found, await asyncio.gather(*held)

    found, held = asyncio.run(check())
    assert found == [2, 2]
    assert [len(answer) for answer in held] == [1, 3, 40, 50, 60]
