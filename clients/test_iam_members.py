"""Every member of every operation of IAM that is served, held against the service model inside
botocore: how long it may be, what it may be made of, and what AWS says if it is not."""

import botocore.serialize
import botocore.session
import pytest

from errors import at_least, at_most, from_value, matching, to_value
from keyward import ROOT
from wire import Wire

MODEL = botocore.session.get_session().get_service_model("iam")
SERIALIZER = botocore.serialize.create_serializer("query", include_validation=False)
LISTED = (ROOT / "unsupported.txt").read_text().splitlines()
SERVED = [name for name in MODEL.operation_names if f"iam:{name}" not in LISTED]

# A text of each shape that no operation finds anything wrong with before it looks for what it names.
VALID = {
    "ActionNameType": "kms:Encrypt",
    "OpenIDConnectProviderUrlType": "https://issuer.example",
    "ResourceNameType": "arn:aws:iam::111122223333:root",
    "accessKeyIdType": "AKIA" + "A" * 16,
    "arnType": "arn:aws:iam::111122223333:policy/none",
    "pathPrefixType": "/x/",
    "pathType": "/x/",
    "policyDocumentType": "{}",
    "policyPathType": "/x/",
    "policyVersionIdType": "v1",
    "thumbprintType": "a" * 40,
}
NAME = "contain only alphanumeric characters and/or the following: +=,.@_-"
PATH = "begin and end with / and contain only alphanumeric characters and/or / characters."
PREFIX = "begin with the / character and contain only alphanumeric characters and/or / characters."
ALIAS = (
    "be a minimum length of 3 characters and maximum length of 63 characters, contain only digits, lowercase "
    "letters, and hyphens (-), but cannot begin or end with a hyphen."
)
# What IAM checks itself, after the model: a text that breaks the rule, and the rule as it is told.
RULES = {
    "accountAliasType": ("-abc", ALIAS),
    "arnType": ("x" * 20, None),
    "customSuffixType": ("a b", NAME),
    "existingUserNameType": ("a b", NAME),
    "groupNameType": ("a/b", NAME),
    "instanceProfileNameType": ("a b", NAME),
    "pathPrefixType": ("x", PREFIX),
    "pathType": ("/x", PATH),
    "policyDocumentType": ("\u0100", "contain only printable ASCII characters."),
    "policyNameType": ("a*b", NAME),
    "policyPathType": ("/x", PATH),
    "roleNameType": ("a:b", NAME),
    "serverCertificateNameType": ("a b", NAME),
    "userNameType": ("aéb", NAME),
}
# What the model's own patterns refuse.
BROKEN = {
    "AttachmentName": "a b",
    "accessKeyIdType": "AKIA" + "-" * 16,
    "markerType": "a\u0100",
    "policyVersionIdType": "v0",
    "roleDescriptionType": "\u2014",
    "tagKeyType": "a*b",
    "tagValueType": "a*b",
}


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


def valid(shape):
    """The least that the model takes."""
    if shape.type_name == "structure":
        return {name: valid(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [valid(shape.member)]
    enum = getattr(shape, "enum", None)
    return VALID.get(shape.name, enum[0] if enum else "x" * max(5, shape.metadata.get("min") or 0))


def leaves(shape, build, path=""):
    """Every member that holds one value: its shape, how a request is built around a value, its path
    in messages, and whether it is the element of a list."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            inner = f"{path}{name[0].lower()}{name[1:]}"

            def around(value, name=name):
                return build({**valid(shape), name: value})

            yield from leaves(member, around, inner + "." if member.type_name == "structure" else inner)
    elif shape.type_name == "list" and shape.member.type_name == "structure":
        yield from leaves(shape.member, lambda value: build([value]), f"{path}.1.member.")
    elif shape.type_name == "list":
        yield shape.member, lambda value: build([value]), path, True
    elif shape.type_name != "map":
        yield shape, build, path, False


def told(path, *constraints, of_each=None):
    rule = f"Member must satisfy constraint: [{', '.join(of_each)}]" if of_each else constraints[0]
    return f"1 validation error detected: Value at '{path}' failed to satisfy constraint: {rule}"


def long_text(shape, length):
    """So many characters that break no other rule."""
    if shape.name in ("pathType", "policyPathType", "pathPrefixType"):
        return "/" + "x" * (length - 2) + "/"
    start = VALID.get(shape.name, "")
    return start + "x" * (length - len(start)) if shape.name != "thumbprintType" else "a" * length


def cases(shape, path, of_each):
    """Values that a member must not have, each with the message that refuses it."""
    limits, member = shape.metadata, path.rsplit(".", 1)[-1]
    least, most, pattern = (limits.get(name) for name in ("min", "max", "pattern"))
    if shape.type_name == "integer":
        yield least - 1, told(path, from_value(least))
        yield most + 1, told(path, to_value(most))
        return
    if shape.type_name != "string":
        return
    each = None
    if of_each:
        each = [at_most(most)] if most else []
        each += [at_least(least)] if least else []
        each += [matching(pattern)] if pattern else []
        # AWS says so of these lists alone.
        each += ["Member must not be null"] if member == "tagKeys" else []
    if most:
        yield long_text(shape, most + 1), told(path, at_most(most), of_each=each)
    if least and least > 1:
        yield "abc"[: least - 1] if least < 4 else "a" * (least - 1), told(path, at_least(least), of_each=each)
    if not of_each and shape.name in RULES and not served_otherwise(shape, member):
        bad, rule = RULES[shape.name]
        rule = PREFIX if member == "pathPrefix" else rule
        text = f"The specified value for {member} is invalid. It must {rule}"
        yield bad, text if rule else "Invalid ARN:  Could not be parsed!"
    elif shape.name in BROKEN:
        yield BROKEN[shape.name], told(path, matching(pattern), of_each=each)


def served_otherwise(shape, member):
    """ARNs of other things than managed policies are read by the operation itself."""
    return shape.name == "arnType" and member not in ("policyArn", "permissionsBoundary")


@pytest.mark.parametrize("operation", SERVED)
def test_a_member_outside_the_models_limits_is_refused_as_aws_refuses_it(wire, operation):
    model = MODEL.operation_model(operation)
    if model.input_shape is None:
        return
    for shape, build, path, of_each in leaves(model.input_shape, lambda value: value):
        if path.startswith("policyExclusionList") and shape.name == "arnType":
            continue
        for value, message in cases(shape, path, of_each):
            body = SERIALIZER.serialize_to_request(build(value), model)["body"]
            answer = wire.query("iam", body)
            expect = f"<Code>ValidationError</Code><Message>{escaped(message)}</Message>"
            assert expect in answer.body.decode(), (operation, path, str(value)[:40], answer.body.decode())
            assert answer.status == 400


def escaped(text):
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        text = text.replace(letter, entity)
    return text


def test_constraints_of_the_model_go_before_rules_of_iam(wire):
    """All that the model refuses is told at once; what IAM checks itself is told after that, one by
    one."""
    asked = {"Action": "CreateUser", "Version": MODEL.api_version, "UserName": "a b", "Path": "x" * 513}
    answer = wire.query("iam", asked).body.decode()
    assert escaped(told("path", at_most(512))) in answer
    answer = wire.query("iam", {**asked, "Path": "x"}).body.decode()
    assert f"<Message>The specified value for path is invalid. It must {PATH}</Message>" in answer
    answer = wire.query("iam", {**asked, "Path": "/x/"}).body.decode()
    assert f"<Message>The specified value for userName is invalid. It must {NAME}</Message>" in answer
