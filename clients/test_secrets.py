"""What the tables of members call secret or masked stays out of every message, event and log line,
however malformed it is sent: people paste codes with spaces, and tokens into the wrong member."""

import base64
import json
import urllib.parse

import botocore.session
import pytest

from keyward import ACCOUNT, Server
from test_model import declared
from wire import FORM, JSON, Wire

MARK = "S3CR3TMARK"
TARGETS = {
    "kms": "TrentService",
    "organizations": "AWSOrganizationsV20161128",
    "keyward": "Keyward_20261101",
}
# These are called at a path of each operation, in JSON, too.
PATHS = {"de": "/api/v1/de/"}
SECRET = sorted(path for path, word in declared().items() if word in ("secret", "masked"))
ROLE = f"arn:aws:iam::{ACCOUNT}:role/none"

# Each is broken in another way: length, pattern, type, base64, count, depth.
SCALARS = [
    "",
    MARK,
    f"{MARK} {MARK}",
    f"{MARK}!\u20ac",
    f"\0{MARK}",
    MARK * 900,
    MARK * 3000,
    base64.b64encode(MARK.encode()).decode(),
    f"{MARK}@example.com\u2028",
]
STRUCTURED = [
    [MARK],
    [MARK * 900],
    [f"{MARK}{number}" for number in range(300)],
    [MARK, 7],
    [[MARK]],
    [{"Name": MARK * 900, "Value": MARK * 9000}],
    [{"Name": [MARK], MARK: MARK}],
    [{"Name": None, "Value": MARK}],
    {MARK: MARK},
    {MARK: None},
    {"AttestationDocument": MARK, "KeyEncryptionAlgorithm": MARK},
]


def nested(names, value):
    """A member inside structures, each in a list."""
    name, *rest = names
    return {name: [nested(rest, value)] if rest else value}


def flat(value, name):
    """A value as parameters of the Query protocol."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in flat(inner, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        return [pair for at, inner in enumerate(value, 1) for pair in flat(inner, f"{name}.member.{at}")]
    return [(name, "" if value is None else str(value))]


def requests(path, others):
    """Bodies that hold the mark in one member, as bytes."""
    service, rest = path.split(":")
    operation, *names = rest.split(".")
    if service in TARGETS or service in PATHS:
        for value in SCALARS + STRUCTURED:
            members = {name: other for name, other in others.items() if name not in names}
            yield json.dumps({**members, **nested(names, value)}).encode()
        yield json.dumps({names[-1].lower(): MARK}).encode()
        yield f'{{"{names[-1]}":"{MARK}","{names[-1]}":"{MARK}"}}'.encode()
        yield f'{{"{names[-1]}":"{MARK}"'.encode()
        return
    version = botocore.session.get_session().get_service_model(service).api_version
    whole = [("Action", operation), ("Version", version)]
    whole += [(name, other) for name, other in others.items() if name not in names]
    for value in SCALARS + STRUCTURED:
        yield urllib.parse.urlencode(whole + flat(nested(names, value), "")).encode()
    for name in (names[-1].lower(), f"{names[-1]}.member.x", f"{names[-1]}."):
        yield urllib.parse.urlencode(whole + [(name, MARK)]).encode()
    yield urllib.parse.urlencode(whole + [(names[-1], MARK)] * 2).encode()


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A server that logs all it can, and is held against the mark when all was sent."""
    server = Server(tmp_path_factory.mktemp("secrets") / "data", environment={"KEYWARD_LOG": "trace"})
    key = server.client("kms").create_key()["KeyMetadata"]["KeyId"]
    yield server, key
    if server.process.poll() is None:
        server.kill()


def test_there_are_such_members():
    assert len(SECRET) > 20
    for path in ("sts:GetSessionToken.TokenCode", "kms:Encrypt.GrantTokens", "kms:RetireGrant.GrantToken"):
        assert path in SECRET


@pytest.mark.parametrize("path", SECRET)
def test_no_answer_repeats_it(silent, path):
    server, key = silent
    wire = Wire(server)
    service, operation = path.split(".")[0].split(":")
    others = {
        "de": {"name": "one", "clusterId": "cluster-a2bcdefg", "cpuRequests": "1", "memoryRequests": "1Gi"},
        "kms": {"KeyId": key, "Plaintext": "aGk=", "CiphertextBlob": "aGk="},
        "keyward": {"Method": "POST", "Path": "/", "KeyId": key},
        "organizations": {"Email": "a@example.com", "AccountName": "a"},
        "rds": {"DBInstanceIdentifier": "one", "DBInstanceClass": "db.t3.medium", "Engine": "postgres"},
        "sts": {"RoleArn": ROLE, "RoleSessionName": "name", "WebIdentityToken": "token"},
    }[service]
    if operation == "RetireGrant":
        others = {}
    for body in requests(path, others):
        headers, url = {"content-type": FORM}, "/"
        if service in TARGETS:
            headers = {"content-type": JSON, "x-amz-target": f"{TARGETS[service]}.{operation}"}
        if service in PATHS:
            headers, url = {"content-type": "application/json"}, PATHS[service] + operation
        answer = wire.send(wire.signed(headers, body, service=service, path=url), body, path=url)
        if answer.status == 200:
            continue
        assert answer.status < 500, answer.body
        for mark in (MARK.encode(), base64.b64encode(MARK.encode())[:12]):
            assert mark not in answer.body, body[:200]


def test_nothing_that_is_kept_holds_it(silent):
    server, _ = silent
    server.drain()
    audit = [path for path in (server.data_dir / "audit").iterdir() if path.is_file()]
    assert any(path.name.startswith("trail-") for path in audit)
    for path in [*audit, server.data_dir.with_suffix(".log")]:
        content = path.read_bytes()
        assert content
        for mark in (MARK.encode(), base64.b64encode(MARK.encode())[:12]):
            at = content.find(mark)
            assert at < 0, content[max(0, at - 300) : at + 60]
