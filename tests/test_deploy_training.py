"""The manifest of a training on several machines."""

import json
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from rnnlayers.distribute.cluster import find_cluster

MANIFEST = Path(__file__).parent.parent / "deploy" / "kubernetes" / "training.yaml"


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
