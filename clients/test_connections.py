"""Connections as they come in production: TLS, and a load balancer that speaks PROXY."""

import json
import socket
import struct
import subprocess

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError

from keyward import REGION, Server
from wire import JSON, Wire


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    (folder / "key.pem").chmod(0o600)
    return folder


def configured(tmp_path, text):
    path = tmp_path / "keyward.toml"
    path.write_text(text)
    return Server(tmp_path / "data", "--config", path)


def events(server, name):
    text = (server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines() if '"eventName"' in line]
    return [event for event in lines if event["eventName"] == name]


def tls_settings(folder):
    return f'[tls]\ncertificate = "{folder}/cert.pem"\nprivate_key = "{folder}/key.pem"\n'


def test_an_sdk_over_tls_is_served_and_the_trail_says_how(tmp_path, certificate):
    server = configured(tmp_path, tls_settings(certificate))
    try:
        assert server.url.startswith("https://127.0.0.1:")
        key, secret = server.root_credentials()
        kms = boto3.session.Session().client(
            "kms",
            endpoint_url=server.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            verify=str(certificate / "cert.pem"),
            config=Config(retries={"total_max_attempts": 1}),
        )
        made = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=made, Plaintext=b"x")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
        details = events(server, "Decrypt")[0]["tlsDetails"]
        assert details["tlsVersion"] == "TLSv1.3"
        assert details["cipherSuite"].startswith("TLS_")
        with pytest.raises(SSLError):
            server.client("kms").list_keys()
    finally:
        server.kill()


def test_a_private_key_that_others_can_read_is_refused(tmp_path, certificate):
    key = tmp_path / "key.pem"
    key.write_bytes((certificate / "key.pem").read_bytes())
    key.chmod(0o644)
    text = f'[tls]\ncertificate = "{certificate}/cert.pem"\nprivate_key = "{key}"\n'
    with pytest.raises(AssertionError, match="key.pem`, which others can read: run `chmod 600 "):
        configured(tmp_path, text)


def list_keys(server):
    """The headers of a signed ListKeys with the body `{}`."""
    headers = {"content-type": JSON, "x-amz-target": "TrentService.ListKeys"}
    return Wire(server).signed(headers, b"{}")


def curl(server, *options):
    """A signed ListKeys by curl: the protocol it spoke, and the status."""
    headers = []
    for name, value in list_keys(server).items():
        if name != "host":
            headers += ["--header", f"{name}: {value}"]
    command = ["curl", "--silent", "--show-error", "--output", "/dev/null", "--data-binary", "{}",
               "--write-out", "%{http_version} %{http_code}", *headers, *options, server.url]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_http_2_is_spoken_in_the_clear_and_over_tls(tmp_path, server, certificate):
    assert curl(server, "--http2-prior-knowledge") == "2 200"
    assert curl(server, "--http1.1") == "1.1 200"
    secure = configured(tmp_path, tls_settings(certificate))
    try:
        assert curl(secure, "--cacert", str(certificate / "cert.pem")) == "2 200"
    finally:
        secure.kill()


def through_proxy(server, header):
    """One signed request behind a PROXY header; the answer's status line."""
    headers = list_keys(server)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(["POST / HTTP/1.1", *lines, "content-length: 2", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stream:
        stream.sendall(header + head + b"{}")
        return stream.makefile("rb").readline().split()[1]


V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(
    ">H4s4sHH", 12, socket.inet_aton("203.0.113.8"), socket.inet_aton("192.0.2.1"), 5555, 443
)


@pytest.mark.parametrize("header, client", [(V1, "203.0.113.7"), (V2, "203.0.113.8")])
def test_a_configured_peer_says_who_the_client_is(tmp_path, header, client):
    server = configured(tmp_path, '[proxy_protocol]\nfrom = ["127.0.0.0/8"]\n')
    try:
        assert through_proxy(server, header) == b"200"
        assert events(server, "ListKeys")[0]["sourceIPAddress"] == client
    finally:
        server.kill()


def test_behind_a_proxy_each_client_has_its_own_places(tmp_path):
    server = configured(
        tmp_path, '[proxy_protocol]\nfrom = ["127.0.0.0/8"]\n[limits]\nconnections_per_address = 2\n'
    )
    lines = [f"{name}: {value}" for name, value in list_keys(server).items()]
    request = "\r\n".join(["POST / HTTP/1.1", *lines, "content-length: 2", "", "{}"]).encode()
    held = []

    def status(client):
        stream = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        held.append(stream)
        stream.sendall(f"PROXY TCP4 {client} 192.0.2.1 5555 443\r\n".encode() + request)
        try:
            return stream.recv(65536)[9:12]
        except ConnectionError:
            return b""

    try:
        assert [status("203.0.113.7") for _ in range(3)] == [b"200", b"200", b""]
        assert [status("203.0.113.8") for _ in range(3)] == [b"200", b"200", b""]
    finally:
        for stream in held:
            stream.close()
        server.kill()


def test_a_proxy_that_asks_for_itself_is_not_believed_about_others(tmp_path):
    """The addresses of a LOCAL header mean nothing."""
    server = configured(tmp_path, '[proxy_protocol]\nfrom = ["127.0.0.0/8"]\n')
    try:
        assert through_proxy(server, V2.replace(b"\x21\x11", b"\x20\x11")) == b"200"
        assert events(server, "ListKeys")[0]["sourceIPAddress"] == "127.0.0.1"
    finally:
        server.kill()


@pytest.mark.parametrize("header", [
    V1.replace(b" TCP4", b"\rTCP4"), V1.replace(b" 5555", b" +5555"), V1[:-2] + b" \r\n",
    V2.replace(b"\x21\x11", b"\x21\x12"), V2[:15] + b"\x0d" + V2[16:] + b"x",
])
def test_a_header_that_no_proxy_writes_is_refused(tmp_path, header):
    server = configured(tmp_path, '[proxy_protocol]\nfrom = ["127.0.0.0/8"]\n')
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=15) as stream:
            stream.sendall(header + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                assert stream.recv(100) == b""
            except ConnectionError:
                pass
    finally:
        server.kill()


def test_a_configured_peer_without_header_is_cut_off(tmp_path):
    server = configured(tmp_path, '[proxy_protocol]\nfrom = ["127.0.0.1"]\n')
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=15) as stream:
            stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stream.recv(100) == b""
    finally:
        server.kill()


def test_nobody_else_is_believed(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stream:
        stream.sendall(V1 + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not stream.recv(100).startswith(b"HTTP/1.1 200")
