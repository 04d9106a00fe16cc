import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from apps.common.applications import find_applications
from apps.serve.models import read_config

DEPLOY = Path(__file__).parent.parent / "deploy"


def test_the_models_config_names_every_application():
    sources = read_config(DEPLOY / "models.config")
    bases = {name: str(source.base) for name, source in sources.items()}
    assert bases == {name: f"/models/{name}" for name in find_applications()}


def test_nothing_else_names_an_application():
    names = "|".join(find_applications())
    for path in DEPLOY.rglob("*.*"):
        if path.name != "models.config":
            assert re.findall(rf"\b({names})\b", path.read_text("utf-8")) == [], path


def manifests():
    return [*yaml.safe_load_all((DEPLOY / "kubernetes" / "serving.yaml").read_text())]


@pytest.mark.parametrize("document", manifests(), ids=lambda document: document["kind"])
@pytest.mark.parametrize("version", ["1.27", kubernetes_validate.latest_version()])
def test_kubernetes_takes_each_manifest(document, version):
    kubernetes_validate.validate(document, version, strict=True)  # no field that it does not know
    wrong = {**document, "spec": {**document["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.utils.ValidationError, match="'replica' was unexpected"):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_manifests_fit_together():
    documents = manifests()
    kinds = {document["kind"]: document for document in documents}
    pods = kinds["Deployment"]["spec"]["template"]
    (container,) = pods["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["tcpSocket"]["port"] in ports
    for port in kinds["Service"]["spec"]["ports"]:
        assert port["port"] == ports[port["targetPort"]]
    for kind in ("Service", "PodDisruptionBudget"):
        selector = kinds[kind]["spec"]["selector"]
        assert selector.get("matchLabels", selector) == pods["metadata"]["labels"]
    scaled = kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert scaled["name"] == kinds["Deployment"]["metadata"]["name"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pods["spec"]["volumes"]}


def test_every_file_that_is_mounted_is_there():
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    (generated,) = kustomization["configMapGenerator"]
    files = [DEPLOY / "kubernetes" / name for name in generated["files"]]
    files += [DEPLOY / "kubernetes" / name for name in kustomization["resources"]]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in compose["services"].values():
        volumes = [volume.split(":")[0] for volume in service["volumes"]]
        files += [DEPLOY / volume for volume in volumes]
        assert service["command"] == compose["x-serving"]["command"]
    assert [str(file) for file in files if not file.exists()] == []
