"""What is in deploy/kubernetes: read by Helm's own library, checked by the schemas of Kubernetes, and run as far as a
machine without a cluster can. What the manifests start is started, with the paths of this machine."""

import json
import re
import shlex
import ssl
import subprocess
import urllib.request

import helm_python
import kubernetes_validate
import pytest
import yaml

from k8s import Plugin
from keyward import ROOT, Server, binary, clean_environment, eventually
from oidc import Authority
from test_kubernetes import free_port, of

PLACE = ROOT / "deploy" / "kubernetes"
CHART = PLACE / "keyward"
VALUES = {
    "image": {"repository": "registry.example/keyward"},
    "rootKey": {"existingSecret": "root-key"},
    "tls": {"existingSecret": "certificate"},
}
KUBERNETES = "1.34"


def rendered(values=None, name="keyward", **more):
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values={**VALUES, **(values or {})}, name=name, namespace="keys", **more)
    found = [
        document
        for path, text in files.items() if path.endswith(".yaml")
        for document in yaml.safe_load_all(text) if document
    ]
    return {(document["kind"], document["metadata"]["name"]): document for document in found}


def check(document):
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_the_check_finds_what_kubernetes_does_not_know():
    document = yaml.safe_load((PLACE / "plugin.yaml").read_text())
    document["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        check(document)


def test_helm_finds_nothing_wrong():
    report = helm_python.lint(CHART, values=VALUES, strict=True)
    wrong = [message for message in report["messages"] if "icon is recommended" not in message["error"]]
    assert (wrong, report["errors"]) == ([], [])


EVERYTHING = {
    "metrics": {"enabled": True},
    "extraConfig": "[quotas]\nkeys = 5\n",
    "persistence": {"size": "1Gi", "storageClassName": "fast"},
    "imagePullSecrets": [{"name": "pull"}],
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"c": "d"}},
}


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["as-it-is", "everything"])
@pytest.mark.parametrize("name", ["keyward", "prod", "a" * 53])
def test_kubernetes_knows_everything_that_the_chart_makes(values, name):
    found = rendered(values, name)
    for document in found.values():
        check(document)
        assert document["metadata"]["namespace"] == "keys"
        assert len(document["metadata"]["name"]) <= 63
    assert sorted(kind for kind, _ in found) == [
        "ConfigMap", "PodDisruptionBudget", "Service", "Service", "ServiceAccount", "StatefulSet",
    ]


def test_the_parts_of_the_chart_fit_together():
    found = rendered({"metrics": {"enabled": True}}, name="prod")
    kinds = {kind: document for (kind, _), document in found.items()}
    pod = kinds["StatefulSet"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert kinds["StatefulSet"]["spec"]["selector"]["matchLabels"] == labels
    assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    services = {name: document for (kind, name), document in found.items() if kind == "Service"}
    assert sorted(services) == ["prod-keyward", "prod-keyward-pods"]
    assert kinds["StatefulSet"]["spec"]["serviceName"] == "prod-keyward-pods"
    [container] = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    for service in services.values():
        assert service["spec"]["selector"] == labels
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | {"data"}
    for one in [container, *pod["spec"]["initContainers"]]:
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert kinds["StatefulSet"]["spec"]["replicas"] == 1
    assert "PodDisruptionBudget" not in {
        kind for kind, _ in rendered({"podDisruptionBudget": {"enabled": False}})
    }


def test_a_changed_configuration_starts_the_server_again():
    def checksum(values):
        [pod] = [document for (kind, _), document in rendered(values).items() if kind == "StatefulSet"]
        return pod["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum({}) == checksum({"podAnnotations": {}}) != checksum({"region": "eu-west-1"})


@pytest.mark.parametrize("left_out, said", [
    ("image", "image.repository is not set: make an image with deploy/kubernetes/Dockerfile"),
    ("rootKey", "rootKey.existingSecret is not set: make a secret with the root key"),
    ("tls", "tls.existingSecret is not set: make a secret with the server's certificate"),
])
def test_what_must_be_said_is_asked_for(left_out, said):
    values = {name: value for name, value in VALUES.items() if name != left_out}
    with helm_python.Chart.load(CHART) as chart, pytest.raises(helm_python.HelmRenderError) as caught:
        chart.render(values=values, name="keyward", namespace="keys")
    assert said in str(caught.value)


def test_a_server_starts_as_the_chart_starts_it(tmp_path):
    """The chart's own configuration and commands, with a root key in a file that its group can read, as in a secret."""
    found = rendered({"extraConfig": "[quotas]\nkeys = 1\n", "accountId": "111122223333", "region": "eu-west-1"})
    config = found["ConfigMap", "keyward"]["data"]["keyward.toml"]
    spec = found["StatefulSet", "keyward"]["spec"]["template"]["spec"]
    places = {
        "/etc/keyward-root-key": tmp_path / "secret", "/run/keyward-root-key": tmp_path / "memory",
        "/etc/keyward-tls": tmp_path / "tls", "/var/lib/keyward": tmp_path / "disk", "/etc/keyward": tmp_path / "config",
    }
    mounted = {mount["mountPath"] for one in (*spec["initContainers"], *spec["containers"]) for mount in one["volumeMounts"]}
    assert mounted == set(places)

    def here(text):
        for documented, place in places.items():
            text = re.sub(re.escape(documented) + "(?=[/\"])", str(place), text)
        return text

    for place in places.values():
        place.mkdir()
    subprocess.run(
        [binary(), "init", "--data-dir", tmp_path / "scratch", "--root-key", tmp_path / "root.key"],
        check=True, capture_output=True, env=clean_environment(),
    )
    key = places["/etc/keyward-root-key"] / "root.key"
    key.write_bytes((tmp_path / "root.key").read_bytes())
    key.chmod(0o440)
    authority = Authority(tmp_path)
    for made, name in zip(authority.certify("DNS:localhost"), ("tls.crt", "tls.key")):
        path = places["/etc/keyward-tls"] / name
        path.write_bytes(made.read_bytes())
        path.chmod(0o440)
    [init] = spec["initContainers"]
    subprocess.run([here(word) for word in init["command"]], check=True)
    port = free_port()
    (places["/etc/keyward"] / "keyward.toml").write_text(here(config).replace("0.0.0.0:5670", f"127.0.0.1:{port}"))
    [container] = spec["containers"]
    command = [here(word) for word in container["command"]]
    assert command[0] == "keyward"
    log = open(tmp_path / "log", "wb")
    process = subprocess.Popen([binary(), *command[1:]], stdout=log, stderr=log, env=clean_environment())
    try:
        eventually(lambda: b"listening on" in (tmp_path / "log").read_bytes() or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "log").read_text()
        trusted = ssl.create_default_context(cafile=str(authority.file))
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            url = f"{asked['scheme'].lower()}://localhost:{port}{asked['path']}"
            with urllib.request.urlopen(url, context=trusted, timeout=10) as answer:
                assert answer.status == 200
        said = subprocess.run(
            [binary(), "env", "--data-dir", places["/var/lib/keyward"] / "data"],
            capture_output=True, text=True, env=clean_environment(),
        )
        assert "eu-west-1" in said.stdout
        assert (places["/var/lib/keyward"] / "data" / "admin-credentials").exists()
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


@pytest.fixture(scope="module")
def pod():
    return yaml.safe_load((PLACE / "plugin.yaml").read_text())


@pytest.fixture(scope="module")
def configuration():
    return yaml.safe_load((PLACE / "encryption-configuration.yaml").read_text())


def test_kubernetes_knows_the_plugins_pod(pod):
    check(pod)
    [container] = pod["spec"]["containers"]
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    [health] = [word.rpartition("=")[2] for word in container["command"] if word.startswith("--health-port")]
    for probe in (container["livenessProbe"], container["readinessProbe"]):
        assert f"{probe['httpGet']['host']}:{probe['httpGet']['port']}" == health


def test_the_api_server_looks_where_the_plugin_listens(pod, configuration):
    assert configuration["apiVersion"] == "apiserver.config.k8s.io/v1"
    assert configuration["kind"] == "EncryptionConfiguration"
    [resource] = configuration["resources"]
    first, last = resource["providers"]
    assert last == {"identity": {}}
    kms = first["kms"]
    assert set(kms) == {"apiVersion", "name", "endpoint", "timeout"}
    assert kms["apiVersion"] == "v2" and ":" not in kms["name"]
    # The time that the calls of the plugin are made for.
    assert kms["timeout"] == "3s"
    [container] = pod["spec"]["containers"]
    [listen] = [word.partition("=")[2] for word in container["command"] if word.startswith("--listen=")]
    assert kms["endpoint"] == f"unix://{listen}"
    folder = listen.rpartition("/")[0]
    [mount] = [mount for mount in container["volumeMounts"] if mount["mountPath"] == folder]
    [volume] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == mount["name"]]
    assert volume["hostPath"]["path"] == folder


def test_the_plugin_starts_as_its_pod_starts_it(pod, tmp_path):
    """With TLS, a file of credentials, and the probes of the pod."""
    authority = Authority(tmp_path)
    certificate, private = authority.certify("DNS:localhost")
    config = tmp_path / "keyward.toml"
    config.write_text(f'[tls]\ncertificate = "{certificate}"\nprivate_key = "{private}"\n')
    server = Server(tmp_path / "data", "--config", config)
    try:
        environment = {**clean_environment(), "AWS_CA_BUNDLE": str(authority.file)}
        url = f"https://localhost:{server.port}"
        made = subprocess.run(
            [ROOT / ".venv/bin/aws", "kms", "create-key", "--endpoint-url", url, "--region", "us-east-1"],
            env={**environment, **of(server.root_credentials(), server)}, capture_output=True, text=True, check=True,
        )
        arn = json.loads(made.stdout)["KeyMetadata"]["Arn"]
        place = tmp_path / "keyward"
        place.mkdir()
        (place / "ca.pem").write_bytes(authority.file.read_bytes())
        key, secret = server.root_credentials()
        (place / "credentials").write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n")
        [container] = pod["spec"]["containers"]
        port = free_port()
        words = []
        for word in container["command"][2:]:
            flag, _, value = word.partition("=")
            value = {
                "--key": arn, "--kms-endpoint": url, "--health-port": f"127.0.0.1:{port}",
            }.get(flag, value.replace("/etc/keyward", str(place)))
            words.append(f"{flag}={value}")
        assert container["command"][:2] == ["keyward", "k8s-plugin"]
        plugin = Plugin(tmp_path, starts=False, port=port)
        listen = f"--listen={plugin.socket}"
        words = [listen if word.startswith("--listen=") else word for word in words]
        plugin.command = [binary(), "k8s-plugin", "--log-format=text", *words]
        for variable in container["env"]:
            plugin.environment[variable["name"]] = variable["value"].replace("/etc/keyward", str(place))
        plugin.start()
        try:
            for probe in ("livenessProbe", "readinessProbe"):
                assert plugin.http(container[probe]["httpGet"]["path"]) == (200, "OK"), shlex.join(words)
            stored = plugin.encrypt()
            assert plugin.reads(stored)
            assert dict(stored.annotations) == {"encryption-context.kms.keyward.dev": b'{"cluster":"production"}'}
        finally:
            plugin.end()
    finally:
        server.kill()


def test_the_page_names_flags_that_exist():
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    done = subprocess.run([binary(), "k8s-plugin", "--help"], capture_output=True, text=True, env=clean_environment())
    others = {"--encryption-provider-config", "--encryption-provider-config-automatic-reload"}
    named = set(re.findall(r"`(--[a-z0-9-]+)", page)) - others
    assert len(named) > 15
    for flag in named:
        assert re.search(rf"\s{flag}\s", done.stdout), flag


def test_the_image_has_what_the_manifests_start(pod):
    text = (PLACE / "Dockerfile").read_text()
    assert "COPY keyward /usr/local/bin/keyward" in text
    found = rendered()
    spec = found["StatefulSet", "keyward"]["spec"]["template"]["spec"]
    assert f"USER {spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}" in text
