import ast
import json
import re
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import tyro
import yaml

from apps.common.applications import find_applications
from apps.serve.settings import Settings
from apps.serve.sources import read_config

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


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


def instructions():
    """Return the instructions of the Dockerfile, each with its arguments."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.split(maxsplit=1) for line in lines]


def copied():
    """Return what the image of the server copies from the project."""
    found = [arguments.split() for name, arguments in instructions() if name == "COPY"]
    return [
        source for *sources, _ in found for source in sources if not source.startswith(("/", "-"))
    ]


def test_the_image_of_the_server_has_all_modules_that_it_imports():
    """Also those that a module imports only when it needs them."""
    admitted = [ROOT / source for source in copied() if source.startswith("apps/")]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert [source for source in copied() if f"!{source}" not in ignored] == []
    waiting, seen = [ROOT / "apps" / "serve" / "__main__.py"], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        assert any(path == one or one in path.parents for one in admitted), path
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            assert not any(name.split(".")[0] in ("rnnlayers", "keras") for name in names), path
            for name in names:
                file = ROOT.joinpath(*name.split("."))
                waiting += [
                    one for one in (file.with_suffix(".py"), file / "__init__.py") if one.is_file()
                ]
    assert ROOT / "apps" / "serve" / "server.py" in seen


def test_the_image_of_the_server_is_pinned_and_runs_as_nobody_in_particular():
    found = instructions()
    (install,) = [arguments for name, arguments in found if name == "RUN" and "uv" in arguments]
    assert "--group serving --constraint requirements.lock" in install
    assert "serving" in tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert [arguments for name, arguments in found if name == "USER"] == ["10001"]
    names = [name for name, _ in found]
    assert names.index("USER") < names.index("ENTRYPOINT")
    (health,) = [arguments for name, arguments in found if name == "HEALTHCHECK"]
    command = json.loads(health[health.index("[") :])
    ast.parse(command[-1])
    assert ":8501/healthz" in command[-1]
    (arguments,) = [json.loads(arguments) for name, arguments in found if name == "CMD"]
    assert arguments == ["/models", "--host", "0.0.0.0"]


def test_the_server_of_this_project_can_write_nothing_and_reach_nothing():
    compose = yaml.safe_load((DEPLOY / "apps_serve.yaml").read_text("utf-8"))
    (service,) = compose["services"].values()
    assert service["read_only"] is True
    assert all(volume.endswith(":ro") for volume in service["volumes"])
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "ports" not in service
    assert [compose["networks"][name] for name in service["networks"]] == [{"internal": True}]
    name = next(iter(compose["services"]))  # by which others reach it
    assert service["command"][-2:] == ["--allow-hosts", name]
    settings = tyro.cli(Settings, args=service["command"][1:])
    settings.check()
    assert settings.allow_hosts == (name,)
