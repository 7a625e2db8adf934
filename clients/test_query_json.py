"""`Accept: application/json` on IAM and STS: every operation's answer in JSON, held against AWS's
own service models, and every error; and who does not ask for JSON gets XML."""

import base64
import contextlib
import json
import re
import time
import urllib.error
import urllib.request
from xml.sax.saxutils import escape

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from calls import CALLS, World
from iam_kit import iam_arn, new_name
from keyward import ACCOUNT, Server
from wire import FORM, Wire

MODELS = {name: botocore.session.get_session().get_service_model(name) for name in ("iam", "sts")}
ROWS = [(service, row) for service in MODELS for row in CALLS[service]]
JSON = "application/json"
WHO = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}


class Bodies:
    """Makes every client made through `Server.client` ask for JSON, keeps what comes back, and
    gives boto3 the same as XML, which is all that it can read."""

    def __init__(self, monkeypatch):
        self.found = []
        made = Server.client

        def client(server, service, *arguments, **more):
            found = made(server, service, *arguments, **more)
            if service in MODELS:
                found.meta.events.register(f"before-send.{service}", self.send)
            return found

        monkeypatch.setattr(Server, "client", client)

    def send(self, request, event_name, **_):
        _, service, operation = event_name.split(".")
        data = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        asked = urllib.request.Request(request.url, data, headers, method=request.method)
        asked.add_header("Accept", JSON)
        try:
            answer = urllib.request.urlopen(asked)
        except urllib.error.HTTPError as error:
            answer = error
        with contextlib.closing(answer):
            body = json.loads(answer.read())
            assert answer.headers["content-type"] == JSON
            self.found.append((operation, answer.status, body))
            text = as_xml(body, MODELS[service].operation_model(operation).output_shape)
            raw = AWSResponse(request.url, answer.status, dict(answer.headers), None)
        raw._content = text.encode()
        return raw


def as_xml(body, shape):
    """The XML that says the same."""
    ((name, content),) = body.items() if "Error" not in body else [("ErrorResponse", body)]
    parts = [element(part, value, shape if part.endswith("Result") else None) for part, value in content.items()]
    return f"<{name}>{''.join(parts)}</{name}>"


def element(name, value, shape):
    if value is None:
        return ""
    kind = shape.type_name if shape else "structure" if isinstance(value, dict) else "string"
    if kind == "structure":
        inner = "".join(element(each, of, shape and shape.members[each]) for each, of in value.items())
    elif kind == "list":
        inner = "".join(element("member", each, shape.member) for each in value)
    elif kind == "map":
        inner = "".join(f"<entry><key>{key}</key>{element('value', of, shape.value)}</entry>" for key, of in value.items())
    elif kind == "timestamp":
        inner = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
    elif kind == "boolean":
        inner = str(value).lower()
    else:
        inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"


def check(value, shape, path):
    """Holds a value against its shape: names and JSON types."""
    kinds = {"string": str, "integer": int, "boolean": bool, "timestamp": int, "blob": str}
    if shape.type_name == "structure":
        assert isinstance(value, dict), path
        assert set(value) <= set(shape.members), (path, set(value) - set(shape.members))
        for name, member in value.items():
            if member is None:
                assert name not in shape.required_members, f"{path}.{name}"
            else:
                check(member, shape.members[name], f"{path}.{name}")
        assert set(shape.required_members) <= set(value), path
    elif shape.type_name == "list":
        assert isinstance(value, list), path
        for member in value:
            check(member, shape.member, f"{path}[]")
    elif shape.type_name == "map":
        assert isinstance(value, dict), path
        for name, member in value.items():
            check(member, shape.value, f"{path}.{name}")
    else:
        assert type(value) is kinds[shape.type_name], (path, value)
        if shape.type_name == "blob":
            base64.b64decode(value, validate=True)
        if shape.type_name == "timestamp":
            assert 1_500_000_000 < value < 9_999_999_999, path


@pytest.fixture(scope="module")
def asking(server):
    with pytest.MonkeyPatch.context() as monkeypatch:
        bodies = Bodies(monkeypatch)
        yield World(server, "json"), bodies


@pytest.mark.parametrize("service,row", ROWS, ids=[f"{service}.{row}" for service, row in ROWS])
def test_every_operation_answers_in_json(asking, service, row):
    world, bodies = asking
    bodies.found.clear()
    operation = row.split("-")[0]
    with contextlib.suppress(ClientError):
        CALLS[service][row](world)
    *_, (status, body) = [found[1:] for found in bodies.found if found[0] == operation]
    if "-" in row:
        assert status >= 400
        error = body["Error"]
        assert set(body) == {"Error", "RequestId"} and set(error) == {"Code", "Message", "Type"}
        assert error["Type"] == "Sender" and error["Code"]
        return
    assert status == 200, body
    shape = MODELS[service].operation_model(operation).output_shape
    ((name, answer),) = body.items()
    assert name == f"{operation}Response"
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.pop("ResponseMetadata")["RequestId"])
    if shape is None:
        assert answer == {}
    else:
        assert list(answer) == [f"{operation}Result"]
        check(answer[f"{operation}Result"], shape, operation)


@pytest.fixture
def wire(server):
    return Wire(server)


def ask(wire, accept, parameters=WHO, service="sts", **bent):
    headers = [("Accept", accept)] if isinstance(accept, str) else accept
    body = "&".join(f"{name}={value}" for name, value in parameters.items()).encode()
    signed = wire.signed({"content-type": FORM}, body, service=service, **bent)
    return wire.send({**signed, **dict(headers)}, body)


def test_the_identity_is_told_as_eks_and_vault_read_it(wire):
    answer = ask(wire, JSON)
    assert answer.headers["content-type"] == JSON
    assert answer.json == {
        "GetCallerIdentityResponse": {
            "GetCallerIdentityResult": {
                "Account": ACCOUNT,
                "Arn": f"arn:aws:iam::{ACCOUNT}:root",
                "UserId": ACCOUNT,
            },
            "ResponseMetadata": {"RequestId": answer.headers["x-amzn-requestid"]},
        }
    }


def test_a_presigned_question_is_answered_in_json_too(wire):
    path, headers = wire.presigned("sts", WHO)
    answer = wire.send({**headers, "Accept": JSON}, method="GET", path=path)
    assert answer.json["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Account"] == ACCOUNT


@pytest.mark.parametrize(
    "accept", [JSON, "Application/Json", "application/json, */*;q=0.8", "application/json;q=0.5", "text/html,application/json"]
)
def test_who_names_json_gets_it(wire, accept):
    assert ask(wire, accept).headers["content-type"] == JSON


@pytest.mark.parametrize(
    "accept",
    [[], "*/*", "application/*", "text/xml", "text/xml,application/json", "application/json;q=0", "application/json;q=0.5, */*", "identity"],
)
def test_who_does_not_gets_the_same_xml_as_ever(wire, accept):
    answer = ask(wire, accept)
    assert answer.headers["content-type"] == "text/xml"
    assert answer.body.decode() == (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:root</Arn><UserId>{ACCOUNT}</UserId>"
        f"<Account>{ACCOUNT}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>"
        f"{answer.headers['x-amzn-requestid']}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )


def test_errors_before_a_caller_is_known_are_json_too(wire):
    unknown = {"Action": "Nothing", "Version": "2011-06-15"}
    for code, status, answer in [
        ("SignatureDoesNotMatch", 403, ask(wire, JSON, secret="x" * 40)),
        ("InvalidClientTokenId", 403, ask(wire, JSON, key="AKIAIOSFODNN7EXAMPLE")),
        ("InvalidAction", 400, ask(wire, JSON, unknown)),
        ("InvalidAction", 400, ask(wire, JSON, {**unknown, "Version": "2010-05-08"}, "iam")),
        ("InvalidAction", 400, ask(wire, JSON, {**WHO, "Version": "1999-01-01"})),
        ("ValidationError", 400, ask(wire, JSON, {**WHO, "Action": "GetAccessKeyInfo"})),
        ("MissingAuthenticationToken", 403, wire.send({"content-type": FORM, "Accept": JSON}, b"Action=GetCallerIdentity&Version=2011-06-15")),
        ("MalformedQueryString", 400, wire.send({"content-type": FORM, "Accept": JSON}, b"a=1&a=2")),
        ("MissingAction", 400, wire.send({"content-type": FORM, "Accept": JSON})),
    ]:
        assert (answer.status, answer.headers["content-type"]) == (status, JSON), code
        body = answer.json
        assert body["Error"]["Code"] == code
        assert body["Error"]["Type"] == "Sender"
        assert body["RequestId"] == answer.headers["x-amzn-requestid"]


def test_what_is_absent_is_null(server, iam, wire):
    name = new_name("json")
    trust = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = Wire(server, (key["AccessKeyId"], key["SecretAccessKey"]))
    asked = {
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleSessionName": "s1",
        "RoleArn": iam_arn("role", name).replace(":", "%3A").replace("/", "%2F"),
    }
    result = ask(user, JSON, asked).json["AssumeRoleResponse"]["AssumeRoleResult"]
    assert (result["PackedPolicySize"], result["SourceIdentity"]) == (None, None)
    assert abs(result["Credentials"]["Expiration"] - time.time() - 3600) < 60


def test_json_of_kms_stays_what_it_is(wire):
    answer = wire.kms("ListKeys", headers={"Accept": JSON})
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
