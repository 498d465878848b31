"""The files under ``deploy/`` run unprivileged, name what exists, and their configurations are valid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper import __version__
from shipper.config import Config, Shipper, load
from shipper.demo import workload
from shipper.tail.sources import builtin_sources
from shipper.testnode.distribution import VERSIONS
from tests.pages import ROOT
from tests.unit.test_pages import CERTIFICATE, parse

DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
IMAGE = f"neuroflow-ship:{__version__}"
USER, READERS = 10479, 10480
SECRETS = "/run/secrets/neuroflow-ship"


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def of_kind(path: Path, *kinds: str) -> dict[str, Any]:
    """The one Kubernetes object of these kinds in a file."""
    [found] = [one for one in documents(path) if one["kind"] in kinds]
    return found


def sidecar_of(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod's specification, and the sidecar's container in it."""
    pod = of_kind(path, "Deployment", "DaemonSet")["spec"]["template"]["spec"]
    [container] = [one for one in [*pod.get("initContainers", ()), *pod["containers"]] if one["image"] == IMAGE]
    return pod, container


def loaded(text: str, folder: Path, environ: dict[str, str]) -> Config:
    """The configuration in a manifest, with its secrets in a folder."""
    (folder / "api_key").write_text("a2V5OmtleQ==", encoding="utf-8")
    (folder / "api_key").chmod(0o600)
    (folder / "ca.crt").write_bytes(CERTIFICATE.read_bytes())
    path = folder / "neuroflow.yaml"
    path.write_text(text.replace(SECRETS, str(folder)), encoding="utf-8")
    return load(path, environ)


def unit() -> dict[str, list[str]]:
    """The directives of the systemd unit, each with its values."""
    found: dict[str, list[str]] = {}
    text = (DEPLOY / "systemd/neuroflow-ship.service").read_text(encoding="utf-8")
    for key, value in re.findall(r"^([A-Za-z]+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_every_yaml_is_read() -> None:
    """All YAML files below ``deploy/`` can be parsed."""
    paths = sorted(DEPLOY.rglob("*.y*ml"))
    assert {"compose.yaml", "neuroflow.yaml", "daemonset.yaml", "sidecar.yaml"} <= {path.name for path in paths}
    assert all(documents(path) for path in paths)


def test_unit_runs_the_sidecar_unprivileged() -> None:
    """The unit notifies, runs as a user of its own without capabilities, and writes its state directory only."""
    directives = unit()
    assert {
        "Type": ["notify"],
        "User": ["neuroflow-ship"],
        "SupplementaryGroups": ["neuroflow"],
        "NoNewPrivileges": ["yes"],
        "CapabilityBoundingSet": [""],
        "ProtectSystem": ["strict"],
        "StateDirectory": [Shipper().state_dir.name],
        "StateDirectoryMode": ["0700"],
    }.items() <= directives.items()
    assert not {"ReadWritePaths", "ReadWriteDirectories", "BindPaths"} & directives.keys()
    assert int(directives["WatchdogSec"][0]) >= 30


def test_unit_runs_an_existing_command() -> None:
    """The unit's command line is valid, and its stop time-out is longer than the sidecar's."""
    [command] = unit()["ExecStart"]
    program, *arguments = command.split()
    parse([program.rpartition("/")[2], *arguments])
    assert Shipper().shutdown_timeout < int(unit()["TimeoutStopSec"][0])


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with its argument."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n|\\\n", "", text, flags=re.MULTILINE)
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())]


def test_image_runs_unprivileged() -> None:
    """The image has a user and a health check, a base with a version, and takes files that exist."""
    found = instructions()
    assert f"{USER}:{USER}" == [rest for word, rest in found if word == "USER"][-1]
    bases = [rest.split()[0] for word, rest in found if word == "FROM"]
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)
    assert 1 == len(set(bases)), "the environment belongs to the interpreter that made it"
    assert ["HEALTHCHECK"] == [word for word, _ in found if word == "HEALTHCHECK"]
    copied = [one for word, rest in found if word == "COPY" and "--from" not in rest for one in rest.split()[:-1]]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [] == [one for one in copied if not (ROOT / one).exists() or f"!{one}" not in ignored]


def compose() -> dict[str, Any]:
    """The services of the compose file."""
    [document] = documents(DEPLOY / "compose.yaml")
    services: dict[str, Any] = document["services"]
    return services


@pytest.mark.parametrize("name", ["application", "setup", "sidecar"])
def test_composed_containers_are_confined(name: str) -> None:
    """Containers of the image have a read-only file system, no capabilities and no way to more privileges."""
    service = compose()[name]
    assert (True, ["ALL"], ["no-new-privileges:true"]) == (
        service["read_only"], service["cap_drop"], service["security_opt"]
    )  # fmt: skip
    assert IMAGE == service["image"]


def test_composed_cluster_is_local_and_of_a_tested_version() -> None:
    """Elasticsearch and Kibana have the version of the tests, and only this machine reaches them."""
    services = compose()
    for name in ("elasticsearch", "kibana"):
        assert f"{name}:{VERSIONS[0][0]}" == services[name]["image"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])


def test_composed_commands_exist() -> None:
    """The services' commands have options that exist; the logs are read-only for the sidecar."""
    services = compose()
    parse(["neuroflow-ship", *services["sidecar"]["command"]])
    parse(["neuroflow-ship", *services["setup"]["command"]])
    assert workload.__name__ == services["application"]["entrypoint"][-1]
    assert "logs:/var/log/neuroflow:ro" in services["sidecar"]["volumes"]
    assert [str(READERS)] == services["sidecar"]["group_add"]


def test_composed_configuration_is_valid(tmp_path: Path) -> None:
    """The configuration names the other services, a host name that stays, and what the health check asks."""
    config = loaded((DEPLOY / "neuroflow.yaml").read_text(encoding="utf-8"), tmp_path, {})
    assert (["http://elasticsearch:9200"], "http://kibana:5601") == (config.elasticsearch.hosts, config.kibana.url)
    assert "auto" != config.shipper.host_name
    [check] = [rest for word, rest in instructions() if word == "HEALTHCHECK"]
    assert f"http://{config.shipper.telemetry.listen}/healthz" in check


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_pods_are_confined(path: Path) -> None:
    """The sidecar runs as a user of its own, with a read-only file system, without capabilities or a token."""
    pod, container = sidecar_of(path)
    merged = {**pod["securityContext"], **container["securityContext"]}
    assert (True, USER, USER, READERS) == tuple(
        merged[key] for key in ("runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup")
    )
    assert (True, False, ["ALL"], "RuntimeDefault") == (
        merged["readOnlyRootFilesystem"], merged["allowPrivilegeEscalation"],
        merged["capabilities"]["drop"], merged["seccompProfile"]["type"],
    )  # fmt: skip
    assert pod["automountServiceAccountToken"] is False
    mounts = {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert {"state", "tmp"} == {name for name, read_only in mounts.items() if not read_only}
    assert mounts.keys() <= {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_pods_are_probed(path: Path) -> None:
    """Liveness and start ask for /healthz, readiness for /readyz, at the port of the configuration."""
    _, container = sidecar_of(path)
    [port] = container["ports"]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert ["/healthz", "/healthz", "/readyz"] == [probe["path"] for probe in asked.values()]
    assert {port["name"]} == {probe["port"] for probe in asked.values()}
    assert f":{port['containerPort']} " in of_kind(path, "ConfigMap")["data"]["neuroflow.yaml"]


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_configuration_of_pods_is_valid(path: Path, tmp_path: Path) -> None:
    """The configuration loads with the variables and secrets of the pod, its directories are mounted, and the pod has
    more time to end than the sidecar takes.
    """
    pod, container = sidecar_of(path)
    environ = {one["name"]: "name-of-the-pod" for one in container["env"]}
    config = loaded(of_kind(path, "ConfigMap")["data"]["neuroflow.yaml"], tmp_path, environ)
    assert "name-of-the-pod" == config.shipper.host_name
    assert {"api_key", "ca.crt"} == of_kind(path, "Secret")["stringData"].keys()
    places = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(config.log_dir), SECRETS, "/etc/neuroflow", "/tmp"} <= places
    assert {str(config.shipper.state_dir), str(config.shipper.state_dir.parent)} & places
    assert config.shipper.shutdown_timeout < pod["terminationGracePeriodSeconds"]


def commands(script: str) -> Iterator[list[str]]:
    """The calls of ``neuroflow-ship`` in a shell script."""
    for call in re.findall(r"neuroflow-ship[^;&\n]*", script):
        yield shlex.split(call)


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_commands_of_pods_exist(path: Path) -> None:
    """The sidecar's command lines are valid."""
    _, container = sidecar_of(path)
    shell = "command" in container
    found = list(commands(container["args"][0])) if shell else [["neuroflow-ship", *container["args"]]]
    assert (2 if shell else 1) == len(found)
    for words in found:
        parse(words)


def test_native_sidecar_restarts() -> None:
    """In the application's pod it is an init container that goes on running."""
    pod, container = sidecar_of(DEPLOY / "kubernetes/sidecar.yaml")
    assert [container] == pod["initContainers"]
    assert "Always" == container["restartPolicy"]


@pytest.mark.parametrize("path", [DEPLOY / "compose.yaml", *KUBERNETES], ids=lambda path: path.stem)
def test_images_have_versions(path: Path) -> None:
    """No image is ``latest``."""
    images = re.findall(r"^\s*-? ?image: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [] != images
    assert [] == [image for image in images if not re.fullmatch(r"[a-z-]+:\d+\.\d+\.\d+", image)]


@pytest.mark.parametrize(("name", "way"), [("neuroflow", "create"), ("neuroflow-copytruncate", "copytruncate")])
def test_logrotate_rotates_logs_that_are_read(name: str, way: str) -> None:
    """Each example rotates built-in inputs in its own way, as the application's user."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "logrotate" / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    head, _, body = text.partition("{")
    patterns = {source.pattern for source in builtin_sources(Path("/var/log/neuroflow"))}
    assert set(head.split()) <= patterns
    found = {line.split()[0]: line.split()[1:] for line in body.splitlines() if line.strip(" }")}
    assert {way} == {"create", "copytruncate"} & found.keys()
    assert ["neuroflow", "neuroflow"] == found["su"]
    assert way == "copytruncate" or ["0640", "neuroflow", "neuroflow"] == found["create"]
