"""What a wheel offers, what its metadata say, and that every document agrees with them."""

import ast
import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import hatchling.build
import pytest
import yaml

import rnnlayers

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = PYPROJECT["dependency-groups"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def load(path):
    """Return a module of a file that belongs to no package."""
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def normalized(requirement):
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def requirements(group):
    """Return the names of the packages of a group, with those of the groups it includes."""
    names = set()
    for entry in GROUPS[group]:
        names |= requirements(entry["include-group"]) if isinstance(entry, dict) else {entry}
    return {normalized(name) for name in names}


def imported(files):
    """Return the names of the packages outside this project that files import, each with a file."""
    ours = {path.name for path in ROOT.iterdir()} | set(sys.stdlib_module_names)
    names = {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            tops = {module.split(".")[0] for module in modules}
            names |= dict.fromkeys(tops - ours, path)
    return names


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel as the workflow of a repository does; return its metadata and its files."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("GITHUB_SERVER_URL", "https://git.example")
        patch.setenv("GITHUB_REPOSITORY", "someone/rnnlayers")
        patch.setenv("RNNLAYERS_NATIVE", "0")  # building it takes a minute
        name = hatchling.build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as archive:
        (metadata,) = [x for x in archive.namelist() if x.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(metadata)), archive.namelist()


def test_the_wheel_holds_the_library_alone(wheel):
    _, files = wheel
    tops = {name.split("/")[0] for name in files}
    assert tops == {"rnnlayers", f"rnnlayers-{rnnlayers.__version__}.dist-info"}
    assert {"rnnlayers/py.typed", "rnnlayers/__init__.py"} <= set(files)


def test_the_wheel_offers_what_the_library_can_use(wheel):
    metadata, _ = wheel
    assert metadata.get_all("Provides-Extra") == ["gpu", "litert", "onnx", "plots"]
    offered = {normalized(entry) for entry in metadata.get_all("Requires-Dist")}
    # Pictures of diagnostics need what the applications draw with, too.
    assert offered & requirements("dev") == {"matplotlib"}


def test_the_version_is_written_in_one_place(wheel):
    metadata, _ = wheel
    assert "version" not in PYPROJECT["project"]
    assert metadata["Version"] == rnnlayers.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert "version" not in citation  # a second place
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest[1] == rnnlayers.__version__


def test_the_metadata_lead_to_the_repository_that_built_the_wheel(wheel):
    metadata, _ = wheel
    addresses = dict(entry.split(", ") for entry in metadata.get_all("Project-URL"))
    assert addresses["Source"] == "https://git.example/someone/rnnlayers"
    assert addresses["Changelog"].endswith("/someone/rnnlayers/blob/HEAD/CHANGELOG.md")
    assert metadata["Author"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert not [entry for entry in metadata.get_all("Classifier") if "License" in entry]  # PEP 639


def test_links_of_the_readme_work_outside_the_repository(wheel):
    metadata, _ = wheel
    text = metadata.get_payload(decode=True).decode("utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    assert targets
    for target in targets:
        assert target.startswith("https://git.example/someone/rnnlayers/"), target


def test_a_wheel_that_is_built_elsewhere_names_no_repository():
    build = load(ROOT / "hatch_build.py")
    assert build.find_home({}) is None
    assert build.find_home({"GITHUB_REPOSITORY": "a/b"}) is None
    text = "[in](docs/x.md) [out](https://other.example/x) [here](#part) ![p](p.svg)"
    assert build.make_links_absolute(text, "https://h/a") == (
        "[in](https://h/a/blob/HEAD/docs/x.md) [out](https://other.example/x) [here](#part) "
        "![p](https://h/a/raw/HEAD/p.svg)"
    )


def test_a_wheel_can_be_built_from_the_source_distribution(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("RNNLAYERS_NATIVE", "0")
    name = hatchling.build.build_sdist(str(tmp_path))
    with tarfile.open(tmp_path / name) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    monkeypatch.chdir(folder)
    assert hatchling.build.build_wheel(str(tmp_path)).startswith("rnnlayers-")
    assert {"LICENSE", "CHANGELOG.md", "CITATION.cff"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "apps").exists()


def test_nothing_compiled_is_committed():
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone")
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    starts = {path: path.open("rb").read(4) for path in files if path.is_file()}
    assert [path.name for path, start in starts.items() if start == b"\x7fELF"] == []


@pytest.mark.parametrize(
    "group", sorted(set(GROUPS) - {"ray", "tune"})
)  # which are not in the lock
def test_the_lock_pins_what_a_clone_needs(group):
    own = [normalized(entry) for entry in GROUPS[group] if isinstance(entry, str)]
    assert len(own) == len(set(own)), f"{group} names a package twice"
    pinned = set(re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE))
    assert requirements(group) - pinned == set(), "run `make lock`"


def union(*groups):
    return set().union(*map(requirements, groups))


LIBRARY = {normalized(entry) for entry in PYPROJECT["project"]["dependencies"]}
EXTRAS = {
    normalized(entry)
    for entries in PYPROJECT["project"]["optional-dependencies"].values()
    for entry in entries
}
PROVIDED = {"google": "tensorflow", "starlette": "fastapi"}  # by a package that cannot do without


@pytest.mark.parametrize(
    ("folder", "but", "declared"),
    [
        ("rnnlayers", None, LIBRARY | EXTRAS),
        ("apps/serve", None, LIBRARY | union("serving", "ray")),
        ("apps", "serve", LIBRARY | EXTRAS | union("apps", "serving", "tune")),
        ("tests", None, LIBRARY | EXTRAS | requirements("dev")),
    ],
)
def test_every_package_that_is_imported_is_declared(folder, but, declared):
    files = [
        path
        for path in (ROOT / folder).rglob("*.py")
        if path.relative_to(ROOT / folder).parts[0] != but
    ]
    installed = packages_distributions()
    for name, path in imported(files).items():
        sources = [PROVIDED[name]] if name in PROVIDED else installed.get(name, [name])
        assert declared & {normalized(source) for source in sources}, (
            f"{path.relative_to(ROOT)} imports {name} of {' or '.join(sources)}, which "
            f"pyproject.toml does not name for {folder}"
        )


def test_every_extra_and_group_that_is_named_exists():
    files = [
        path
        for folder in (
            "",
            "apps/**/",
            "docs/",
            "deploy/**/",
            "rnnlayers/**/",
            "saved_models/",
            ".github/**/",
        )
        for path in ROOT.glob(f"{folder}*")
        if path.is_file() and path.suffix not in {".lock", ".png"}
    ]
    extras, groups = set(), set()
    for path in files:
        text = path.read_text("utf-8", errors="ignore")
        groups |= set(re.findall(r"--group[ =]([\w-]+)", text))
        for named in re.findall(r"(?:'\.|'rnnlayers)\[([\w,-]+)\]", text):
            extras |= set(named.split(","))
    assert extras <= set(PYPROJECT["project"]["optional-dependencies"])
    assert groups
    assert groups <= set(GROUPS)


def workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text("utf-8"))


def test_a_version_is_published_only_after_its_tag_and_its_files_are_checked():
    release = workflow("release")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as a truth value
    jobs = release["jobs"]
    assert jobs["publish"]["needs"] == "package"
    assert jobs["package"]["needs"] == "tag"
    assert jobs["package"]["uses"] == "./.github/workflows/package.yml"
    assert "check_tag.py" in jobs["tag"]["steps"][-1]["run"]
    writing = [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})]
    assert writing == ["publish"]
    assert "secrets" not in (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")


def test_the_files_of_a_release_are_those_that_every_change_tries():
    assert workflow("ci")["jobs"]["package"]["uses"] == "./.github/workflows/package.yml"
    smoke = workflow("package")["jobs"]["smoke"]
    assert smoke["needs"] == "build"
    assert "smoke_test.py" in smoke["steps"][-1]["run"]
    for system in ("ubuntu", "macos", "windows"):
        assert any(system in machine for machine in smoke["strategy"]["matrix"]["os"])


@pytest.mark.parametrize(
    ("tag", "heading", "refusal"),
    [
        ("v1.2.3", "1.2.3 (2026-01-31)", None),
        ("1.2.3", "1.2.3 (2026-01-31)", "the tag must be v1.2.3, .* it is 1.2.3"),
        ("v1.2", "1.2.3 (2026-01-31)", "the tag must be v1.2.3, .* it is v1.2"),
        ("v1.2.3", "1.2.3 (unreleased)", "must begin with '## 1.2.3 .* begins with .*unreleased"),
        ("v1.2.3", "1.2.2 (2026-01-31)", "must begin with '## 1.2.3 .* begins with '## 1.2.2"),
    ],
)
def test_a_tag_is_released_if_version_and_changelog_agree(tag, heading, refusal, tmp_path):
    (tmp_path / "rnnlayers").mkdir()
    (tmp_path / "rnnlayers" / "__init__.py").write_text('import x\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n\n## 1.2.3 (2026-01-31)")
    check = load(ROOT / ".ci" / "check_tag.py").check
    if refusal is None:
        check(tag, tmp_path)
    else:
        with pytest.raises(SystemExit, match=refusal):
            check(tag, tmp_path)
