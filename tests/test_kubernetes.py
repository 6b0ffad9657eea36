"""The manifests of deploy/kubernetes, without a cluster: schemas, references, and what they must protect."""

import copy
import json
import os
import ssl
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from forefront.cli.settings.config import load_config

FOLDER = Path("deploy/kubernetes")
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
SCHEMA = json.loads((FOLDER / "schemas" / "ray-cluster.json").read_text())
VERSION = "1.33"  # the oldest Kubernetes that is supported

Manifest = dict[str, Any]


def read(name: str) -> list[Manifest]:
    # Aliases are references in memory; copies make each place its own.
    return [copy.deepcopy(document) for document in yaml.safe_load_all((FOLDER / name).read_text())]


RESOURCES = [manifest for name in KUSTOMIZATION["resources"] for manifest in read(name)]
CORE = [manifest for manifest in RESOURCES if manifest["kind"] != "RayCluster"]
[RAY] = [manifest for manifest in RESOURCES if manifest["kind"] == "RayCluster"]


def templates() -> Iterator[tuple[str, Manifest]]:
    """The pod templates, by the names of their containers."""
    for manifest in CORE:
        if "template" in manifest.get("spec", {}):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]
    yield "head", RAY["spec"]["headGroupSpec"]["template"]
    for group in RAY["spec"]["workerGroupSpecs"]:
        yield group["groupName"], group["template"]


def test_every_file_is_a_resource() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    for generator in KUSTOMIZATION["configMapGenerator"]:
        assert all((FOLDER / file).is_file() for file in generator["files"])


@pytest.mark.parametrize("manifest", CORE, ids=lambda manifest: f"{manifest['kind']}/{manifest['metadata']['name']}")
def test_core_manifests_are_valid(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_the_ray_cluster_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(RAY)
    broken = copy.deepcopy(RAY)
    broken["spec"]["workerGroupSpecs"][0]["minReplica"] = 1
    assert not Draft202012Validator(SCHEMA).is_valid(broken)


@pytest.mark.parametrize(
    ("name", "template"), list(templates()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_pods_are_valid_and_restricted(name: str, template: Manifest) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": template["spec"]}
    kubernetes_validate.validate(pod, VERSION, strict=True)
    spec = template["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    volumes = {volume["name"] for volume in spec.get("volumes", [])} | {"data"}
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
    # The authority's key is in the container that signs alone.
    for container in spec["containers"]:
        assert "authority" not in {mount["name"] for mount in container.get("volumeMounts", [])}


def test_references_have_targets() -> None:
    generated = {generator["name"] for generator in KUSTOMIZATION["configMapGenerator"]}
    page = Path("docs/kubernetes.md").read_text()
    for _, template in templates():
        for volume in template["spec"].get("volumes", []):
            if "configMap" in volume:
                assert volume["configMap"]["name"] in generated
            if "secret" in volume:
                assert f"create secret tls {volume['secret']['secretName']}" in page
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference and reference["name"] != RAY["metadata"]["name"]:  # that one KubeRay creates
                    assert f"create secret generic {reference['name']}" in page
                    assert f"{reference['key']}=" in page
    labels = {template["metadata"]["labels"]["app.kubernetes.io/name"] for _, template in templates()}
    for manifest in CORE:
        selector = manifest.get("spec", {}).get("selector", {})
        name = selector.get("matchLabels", selector).get("app.kubernetes.io/name")
        assert name is None or name in labels


def test_nodes_authenticate_and_encrypt() -> None:
    assert RAY["spec"]["authOptions"]["mode"] == "token"
    assert RAY["spec"]["gcsFaultToleranceOptions"]["redisAddress"]
    head = RAY["spec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    encrypted = [RAY["spec"]["autoscalerOptions"]]
    encrypted += [template["spec"]["containers"][0] for name, template in templates() if "redis" not in name]
    assert len(encrypted) == 5
    for container in encrypted:
        environment = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert environment["RAY_USE_TLS"] == "1"
        files = [environment[name] for name in ("RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")]
        assert files == ["/tls/tls.crt", "/tls/tls.key", "/tls/ca.crt"]
        assert "tls" in {mount["name"] for mount in container["volumeMounts"]}
    network = {
        manifest["metadata"]["name"]: manifest["spec"] for manifest in CORE if manifest["kind"] == "NetworkPolicy"
    }
    for _, template in templates():
        labels = template["metadata"]["labels"] | KUSTOMIZATION["labels"][0]["pairs"]
        assert network["forefront"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_servers_have_time_for_their_streams() -> None:
    [servers] = [
        manifest
        for manifest in CORE
        if manifest["metadata"]["name"] == "forefront-servers" and "replicas" in manifest["spec"]
    ]
    spec = servers["spec"]["template"]["spec"]
    [container] = spec["containers"]
    grace = int(container["args"][0].split("--grace ")[1].split()[0])
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] > grace + pause
    assert servers["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_settings_are_valid() -> None:
    config = load_config(FOLDER / "forefront.toml", {})
    models = tomllib.loads((FOLDER / "forefront.toml").read_text())["ray"]["models"]
    assert config.ray.models.keys() == models.keys() == config.models.keys()
    [group] = RAY["spec"]["workerGroupSpecs"]
    cpus = int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert all(model.cpus <= cpus for model in config.ray.models.values())


def test_certificates_verify_addresses_and_names(tmp_path: Path) -> None:
    authority = tmp_path / "ca"
    authority.mkdir()
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout tls.key -out tls.crt"
    subprocess.run(["openssl", *command.split()], cwd=authority, check=True, capture_output=True)
    tls = tmp_path / "tls"
    tls.mkdir()
    environment = os.environ | {
        "CA": str(authority),
        "TLS": str(tls),
        "POD_IP": "10.1.2.3",
        "NAMES": "head,head.forefront.svc",
    }
    script = ["sh", str(FOLDER / "certificate.sh")]
    subprocess.run(script, env=environment, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "tls.crt", tls / "tls.key")
    assert (tls / "tls.key").stat().st_mode & 0o077 == 0
    for purpose in ("sslserver", "sslclient"):
        verify = ["openssl", "verify", "-CAfile", str(tls / "ca.crt"), "-purpose", purpose]
        for name in (
            ["-verify_ip", "10.1.2.3"],
            ["-verify_ip", "127.0.0.1"],
            ["-verify_hostname", "head.forefront.svc"],
        ):
            subprocess.run([*verify, *name, str(tls / "tls.crt")], check=True, capture_output=True)
        other = subprocess.run([*verify, "-verify_ip", "10.1.2.4", str(tls / "tls.crt")], capture_output=True)
        assert other.returncode != 0
