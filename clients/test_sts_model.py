"""The service model of STS inside botocore as judge: what is served, and what each member must be."""

import re

import botocore.session
import pytest

from keyward import ACCOUNT, ROOT
from test_model import declared
from wire import Wire

MODEL = botocore.session.get_session().get_service_model("sts")
UNSUPPORTED = [
    line.removeprefix("sts:").strip()
    for line in (ROOT / "unsupported.txt").read_text().splitlines()
    if line.startswith("sts:")
]
OPERATIONS = [name for name in MODEL.operation_names if name not in UNSUPPORTED]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/model"
VALID = {
    "AssumeRole": {"RoleArn": ROLE, "RoleSessionName": "s1"},
    "AssumeRoleWithWebIdentity": {"RoleArn": ROLE, "RoleSessionName": "s1", "WebIdentityToken": "token"},
    "DecodeAuthorizationMessage": {"EncodedMessage": "x"},
    "GetAccessKeyInfo": {"AccessKeyId": "ASIAY34FZKBOKMUTVV7A"},
    "GetCallerIdentity": {},
    "GetFederationToken": {"Name": "fed"},
    "GetSessionToken": {},
}
SHOWN = declared()
# Where a newer model than botocore's pinned one, or the service itself, has another bound.
AS_ANSWERED = {"SourceIdentity": {"max": 256}}


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


def send(wire, operation, parameters):
    return wire.query("sts", {"Action": operation, "Version": MODEL.api_version, **parameters})


def error(answer):
    texts = (re.search(f"<{name}>(.*?)</{name}>", answer.body.decode(), re.S) for name in ("Code", "Message"))
    code, message = (found[1] if found else None for found in texts)
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        message = message and message.replace(entity, letter)
    return answer.status, code, message


def test_the_model_has_11_operations():
    assert len(MODEL.operation_names) == 11


def test_the_list_is_sorted_and_names_only_what_the_model_has():
    assert UNSUPPORTED == sorted(set(UNSUPPORTED))
    for line in UNSUPPORTED:
        operation, _, member = line.partition(".")
        assert operation in MODEL.operation_names
        assert not member or member in MODEL.operation_model(operation).input_shape.members


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_an_operation_is_served_or_listed(wire, operation):
    unknown = error(send(wire, operation, {}))[1] == "InvalidAction"
    assert unknown == (operation in UNSUPPORTED)


@pytest.mark.parametrize("line", [line for line in UNSUPPORTED if "." in line])
def test_a_listed_member_is_refused_by_name(wire, line):
    operation, member = line.split(".")
    value = {
        "MinimumSessionTokenSize": {"MinimumSessionTokenSize": "4096"},
        "ProviderId": {"ProviderId": "www.amazon.com"},
        "ProvidedContexts": {
            "ProvidedContexts.member.1.ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter",
            "ProvidedContexts.member.1.ContextAssertion": "assertion",
        },
    }[member]
    message = f"{member} is not supported by this version of Keyward."
    answer = send(wire, operation, {**VALID[operation], **value})
    assert error(answer) == (400, "InvalidParameterValue", message)


def lower(name):
    return name[0].lower() + name[1:]


def failures(name, shape):
    """Values that break one constraint of a text or number: value, and what is said of it."""
    bounds = {**shape.metadata, **AS_ANSWERED.get(name, {})}
    least, most, pattern = bounds.get("min"), bounds.get("max"), bounds.get("pattern")
    if shape.type_name == "integer":
        if least:
            yield str(least - 1), f"Member must have value greater than or equal to {least}"
        yield str(most + 1), f"Member must have value less than or equal to {most}"
        return
    if pattern == "[\\d]*":
        fill, bad = "1", "x" * 6
    else:
        fill, bad = "a", "a" * (least or 1) + "\u2028€"
    if least and least > 1:
        yield fill * (least - 1), f"Member must have length greater than or equal to {least}"
    if most:
        yield fill * (most + 1), f"Member must have length less than or equal to {most}"
    if pattern and "\\p{" not in pattern and "uD7FF" not in pattern:
        yield bad, f"Member must satisfy regular expression pattern: {pattern}"
    elif pattern and "\\p{" in pattern:
        yield "a!" * (least or 1), f"Member must satisfy regular expression pattern: {pattern}"


def shown(path, shape, value):
    """What a message says between `Value` and `at`: nothing of secrets, where AWS repeats some of them."""
    if shape.metadata.get("sensitive") or SHOWN[f"sts:{path}"] in ("masked", "secret"):
        return ""
    return " null" if value is None else f" '{value}'"


def cases():
    """Every constraint of every member, in and below the request: parameters, and the text."""
    for operation in OPERATIONS:
        shape = MODEL.operation_model(operation).input_shape
        for name in shape.required_members if shape else []:
            null = shown(f"{operation}.{name}", shape.members[name], None)
            text = f"Value{null} at '{lower(name)}' failed to satisfy constraint: Member must not be null"
            yield operation, {name: None}, text
        for name, member in shape.members.items() if shape else []:
            if member.type_name in ("string", "integer"):
                for value, text in failures(name, member):
                    told = shown(f"{operation}.{name}", member, value)
                    yield operation, {name: value}, f"Value{told} at '{lower(name)}' failed to satisfy constraint: {text}"
            elif member.member.type_name == "structure":
                yield from below(operation, name, member)


def below(operation, name, member):
    first = f"{name}.member.1"
    inside = member.member.members
    fill = {"Key": "k", "Value": "v", "arn": f"arn:aws:iam::{ACCOUNT}:policy/p"}
    fill |= {"ProviderArn": "arn:aws:iam::aws:contextProvider/x", "ContextAssertion": "assertion"}
    whole = {f"{first}.{each}": fill[each] for each in inside}
    for each, shape in inside.items():
        path = f"{lower(name)}.1.member.{lower(each)}"
        for value, text in failures(each, shape):
            told = shown(f"{operation}.{name}.{each}", shape, value)
            yield operation, {**whole, f"{first}.{each}": value}, f"Value{told} at '{path}' failed to satisfy constraint: {text}"
        if each in member.member.required_members:
            null = shown(f"{operation}.{name}.{each}", shape, None)
            text = f"Value{null} at '{path}' failed to satisfy constraint: Member must not be null"
            yield operation, {**whole, f"{first}.{each}": None}, text
    if "max" in member.metadata:
        most = member.metadata["max"]
        many = {f"{name}.member.{n}.{each}": fill[each] for n in range(1, most + 2) for each in inside}
        text = f"Value at '{lower(name)}' failed to satisfy constraint: Member must have length less than or equal to {most}"
        yield operation, many, text


CASES = list(cases())


@pytest.mark.parametrize(
    "operation,changed,text", CASES, ids=[f"{case[0]}-{n}-{list(case[1])[0]}" for n, case in enumerate(CASES)]
)
def test_a_member_that_breaks_the_model_is_told_with_its_value(wire, operation, changed, text):
    parameters = {name: value for name, value in {**VALID[operation], **changed}.items() if value is not None}
    message = f"1 validation error detected: {text}"
    assert error(send(wire, operation, parameters)) == (400, "ValidationError", message)


def test_keys_that_pass_along_are_told_as_a_list(wire):
    parameters = {**VALID["AssumeRole"], "TransitiveTagKeys.member.1": "a", "TransitiveTagKeys.member.2": "b!"}
    message = (
        "1 validation error detected: Value '[a, b!]' at 'transitiveTagKeys' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have "
        "length greater than or equal to 1, Member must satisfy regular expression pattern: "
        "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+]"
    )
    assert error(send(wire, "AssumeRole", parameters)) == (400, "ValidationError", message)


def test_a_session_name_is_told_as_it_was_sent(wire):
    parameters = {"RoleArn": ROLE, "RoleSessionName": "Session1:2"}
    message = (
        "1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [\\w+=,.@-]*"
    )
    assert error(send(wire, "AssumeRole", parameters)) == (400, "ValidationError", message)


def test_a_source_identity_has_up_to_256_characters(wire):
    parameters = {**VALID["AssumeRole"], "SourceIdentity": "a" * 256}
    assert error(send(wire, "AssumeRole", parameters))[1] == "AccessDenied"


def test_a_session_policy_is_bounded_by_the_model_but_for_assume_role(wire):
    long = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}'.ljust(2049)
    assert error(send(wire, "AssumeRole", {**VALID["AssumeRole"], "Policy": long}))[1:] == (
        "PackedPolicyTooLarge",
        "Packed policy consumes 101% of allotted space, please use smaller policy.",
    )
