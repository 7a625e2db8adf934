"""Access keys of Cloudera's protocol: how they are made, what they sign, and what ends them."""

import base64
import datetime
import email.utils
import json
import urllib.error
import urllib.request

import pytest
from asn1crypto import keys, pem
from botocore.exceptions import ClientError
from cdpcli import auth
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from ecdsa import NIST384p, SigningKey

from cdp import Cdp, key_of, keyward
from conftest import User
from errors import refused
from keyward import Server
from wire import Wire

LIST = "/api/v1/de/listServices"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("cde") / "data")
    yield server
    server.kill()


@pytest.fixture
def user(server):
    user = User(server, server.client("iam"))
    user.allow("de:*")
    return user


class Credentials:
    method = "test"

    def __init__(self, access_key_id, private_key):
        self.access_key_id, self.private_key = access_key_id, private_key


def send(server, credentials, path=LIST, body=b"{}", minutes=0, signer=auth.Ed25519v1Auth, **headers):
    """Status, body and headers of a request that Cloudera's own code signs, with another clock."""

    class Signer(signer):
        def _get_date(self):
            now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
            return email.utils.format_datetime(now, usegmt=True)

    class Request:
        method, url = "POST", server.url + path

    Request.headers = {"Content-Type": "application/json"}
    if credentials:
        Signer(credentials).add_auth(Request)
    Request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    request = urllib.request.Request(server.url + path, data=body, headers=Request.headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def test_a_signature_is_held_against_key_head_and_clock(server, user):
    good = Credentials(*key_of(server, user.name))
    status, body, headers = send(server, good)
    assert (status, body) == (200, {"services": []})
    assert headers["x-altus-request-id"] == headers["x-amzn-requestid"]
    for minutes in (-14, 14):
        assert send(server, good, minutes=minutes)[0] == 200
    for minutes in (-16, 16, 60 * 24 * 365):
        status, body, headers = send(server, good, minutes=minutes)
        assert (status, body["code"]) == (401, "UNAUTHENTICATED")
        assert "more than 15 minutes from the server's time" in body["message"]
        assert headers["x-altus-request-id"]
    other = Credentials(good.access_key_id, base64.b64encode(bytes(32)).decode())
    unknown = Credentials("0b5c7c0e-4f0a-4a6b-9a5e-3f1d2c4b5a69", good.private_key)
    strange = Credentials("AKIAIOSFODNN7EXAMPLE", good.private_key)
    told = [send(server, one)[:2] for one in (other, unknown, strange)]
    message = "The access key ID is unknown, or the private key does not belong to it."
    # What is wrong of these is not told.
    assert told == [(401, {"code": "UNAUTHENTICATED", "message": message})] * 3
    # A signature for another path, and one that was cut.
    signed = send(server, good, content_type="application/json; charset=utf-8")
    assert signed[0] == 401
    for wrong in ("", "x", "a.b", "e30=.e30=", "." * 5000):
        status, body, _ = send(server, None, x_altus_auth=wrong, x_altus_date="Tue, 01 Dec 2026 08:00:00 GMT")
        assert (status, body["code"]) == (401, "UNAUTHENTICATED"), wrong
    status, body, _ = send(server, None)
    assert (status, body["message"].split(".")[0]) == (401, "The request is not signed")


def test_bodies_are_bounded_and_must_be_objects(server, user):
    good = Credentials(*key_of(server, user.name))
    assert send(server, good, body=b"[]")[:2] == (400, {"code": "INVALID_ARGUMENT", "message": "The request body must be a JSON object."})
    status, body, _ = send(server, good, body=b'{"removeDeleted":"x"}')
    assert (status, body["code"]) == (400, "INVALID_ARGUMENT")
    status, body, _ = send(server, good, body=b'{"a":"' + b"a" * 70_000 + b'"}')
    assert (status, body["code"]) == (413, "INVALID_ARGUMENT")
    status, body, _ = send(server, good, path="/api/v1/de/nothing")
    assert (status, body) == (404, {"code": "NOT_FOUND", "message": "There is no such operation."})


def test_the_cli_signs_with_rsa_and_ecdsa_too(server, user, tmp_path):
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing = SigningKey.generate(curve=NIST384p)
    # The library that Cloudera's CLI has wants the curve in the inner structure as well.
    info = keys.PrivateKeyInfo.load(pem.unarmor(signing.to_pem(format="pkcs8"))[2])
    info["private_key"] = keys.ECPrivateKey.load(signing.to_der(format="ssleay"))
    of_curve = pem.armor("PRIVATE KEY", info.dump()).decode()
    for at, (private, public, method) in enumerate(
        [(text, public, "rsav1"), (of_curve, signing.verifying_key.to_pem(), "ecdsav1")]
    ):
        file = tmp_path / f"{at}.pem"
        file.write_bytes(public)
        words = ["--user", user.name, "--public-key", file, "--output", "json"]
        made = json.loads(keyward("cdp", "create-access-key", *words, server=server))
        assert (made["AuthMethod"], "PrivateKey" in made) == (method, False)
        # A private key in PEM stands in a file.
        secret = tmp_path / f"{at}.key"
        secret.write_text(private)
        cdp = Cdp(server, tmp_path, made["AccessKeyId"], str(secret))
        assert cdp("de", "list-services") == {"services": []}


def test_a_key_is_shown_once_listed_and_deleted(server, user, tmp_path):
    exports = keyward("cdp", "create-access-key", "--user", user.name, server=server).splitlines()
    names = [line.removeprefix("export ").split("=", 1) for line in exports]
    assert [name for name, _ in names] == ["CDP_ACCESS_KEY_ID", "CDP_PRIVATE_KEY"]
    (_, key), (_, private) = names
    assert len(base64.b64decode(private)) == 32
    assert keyward("cdp", "list-access-keys", "--user", user.name, server=server) == f"{key}  ed25519v1\n"
    cdp = Cdp(server, tmp_path, key, private)
    assert cdp("de", "list-services") == {"services": []}
    # Neither the store nor the trail has the private key.
    stored = b"".join(path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file())
    assert private.encode() not in stored and base64.b64decode(private) not in stored
    with refused("DeleteConflict", "Cannot delete entity, must delete access keys of CDP first.", 409):
        user.iam.delete_user(UserName=user.name)
    said = keyward("cdp", "delete-access-key", "--user", user.name, key, server=server)
    assert said == f"Deleted {key}.\n"
    status, _, said = cdp.run("de", "list-services")
    assert status != 0 and "Error Code: UNAUTHENTICATED" in said
    said = keyward("cdp", "delete-access-key", "--user", user.name, key, server=server, expect=1)
    assert f"The user has no access key {key} for the services of CDP." in said


def test_a_user_has_five_keys_at_most_and_needs_a_permission(server, user):
    for _ in range(5):
        key_of(server, user.name)
    said = keyward("cdp", "create-access-key", "--user", user.name, server=server, expect=1)
    assert f"The user {user.name} has 5 access keys for the services of CDP, as many as a user may have." in said
    said = keyward("cdp", "create-access-key", "--user", "nobody-here", server=server, expect=1)
    assert "The user with name nobody-here cannot be found." in said


def test_what_a_deactivated_policy_takes_away_is_gone_at_once(server, user):
    good = Credentials(*key_of(server, user.name))
    assert send(server, good)[0] == 200
    user.allow("de:*", effect="Deny")
    status, body, _ = send(server, good)
    assert (status, body["code"]) == (403, "PERMISSION_DENIED")
    assert f"User: {user.arn} is not authorized to perform: de:listServices" in body["message"]


@pytest.mark.parametrize(
    "operation, members",
    [("CreateCdpAccessKey", {}), ("ListCdpAccessKeys", {}), ("DeleteCdpAccessKey", {"AccessKeyId": "x"})],
)
def test_the_keys_of_a_user_are_managed_by_whom_policies_allow(server, user, operation, members):
    wire = Wire(server, credentials=user.credentials)
    call = lambda **more: wire.json("keyward", f"Keyward_20261101.{operation}", {**members, **more})  # noqa: E731
    text = f"User: {user.arn} is not authorized to perform: keyward:{operation} on resource: {user.arn} because"
    # Without a name, it is the caller's own.
    for more in ({}, {"UserName": user.name}):
        answer = call(**more)
        assert answer.status == 400
        assert json.loads(answer.body)["Message"].startswith(text), answer.body
    user.allow("keyward:*", resource=user.arn, name="own")
    told = json.loads(call().body)
    assert told.get("__type") in (None, "NotFoundException"), told
    assert b"not authorized" in call(UserName="somebody-else").body
