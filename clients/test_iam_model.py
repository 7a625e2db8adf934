"""The service model of IAM inside botocore as judge: what is served, and the shape of answers."""

import xml.etree.ElementTree as ElementTree

import botocore.session
import pytest

from calls import CALLS, World
from keyward import ROOT
from wire import Wire

MODEL = botocore.session.get_session().get_service_model("iam")
UNSUPPORTED = [
    line.removeprefix("iam:").strip()
    for line in (ROOT / "unsupported.txt").read_text().splitlines()
    if line.startswith("iam:")
]
NAMESPACE = "{https://iam.amazonaws.com/doc/2010-05-08/}"
# Where AWS's real answers differ from its model.
AS_ANSWERED = {"PermissionsBoundaryAttachmentType": "Policy", "PolicySourceType": "IAM Policy"}
SUCCEEDING = [name for name in CALLS["iam"] if "-" not in name]


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


@pytest.fixture(scope="module")
def world(server):
    return World(server, "model")


def test_the_list_is_sorted_and_names_only_what_the_model_has():
    assert UNSUPPORTED == sorted(set(UNSUPPORTED))
    assert set(UNSUPPORTED) <= set(MODEL.operation_names)


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_an_operation_is_served_or_listed(wire, operation):
    answer = wire.query("iam", {"Action": operation, "Version": MODEL.api_version})
    unknown = b"<Code>InvalidAction</Code>" in answer.body
    assert unknown == (operation in UNSUPPORTED)
    assert answer.status < 500


@pytest.mark.parametrize("operation", SUCCEEDING)
def test_an_answer_has_the_shape_of_the_model(world, operation):
    bodies = []

    def keep(http_response, **_):
        bodies.append(http_response.content)

    world.iam.meta.events.register("after-call.iam", keep)
    try:
        CALLS["iam"][operation](world)
    finally:
        world.iam.meta.events.unregister("after-call.iam", keep)
    wanted = f"{NAMESPACE}{operation}Response"
    # The call is the last of its name; a report is asked for until it is there.
    answer = [root for root in map(ElementTree.fromstring, bodies) if root.tag == wanted][-1]
    shape = MODEL.operation_model(operation).output_shape
    names = [child.tag.removeprefix(NAMESPACE) for child in answer]
    assert names == (["ResponseMetadata"] if shape is None else [f"{operation}Result", "ResponseMetadata"])
    if shape is not None:
        check(answer[0], shape, operation)


def check(element, shape, path):
    """Holds an element against its shape: names, order of lists, what is required, enumerations."""
    if shape.type_name == "structure":
        found = [child.tag.removeprefix(NAMESPACE) for child in element]
        assert len(found) == len(set(found)), path
        assert set(found) <= set(shape.members), (path, set(found) - set(shape.members))
        # The account's root user has no name and no path, there as here.
        assert set(shape.required_members) <= set(found), (path, set(shape.required_members) - set(found))
        for child in element:
            name = child.tag.removeprefix(NAMESPACE)
            check(child, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for child in element:
            assert child.tag == f"{NAMESPACE}member", path
            check(child, shape.member, f"{path}[]")
    elif shape.type_name == "map":
        for entry in element:
            assert [child.tag for child in entry] == [f"{NAMESPACE}key", f"{NAMESPACE}value"], path
            keys = getattr(shape.key, "enum", None)
            assert not keys or entry[0].text in keys, (path, entry[0].text)
    elif shape.type_name == "boolean":
        assert element.text in ("true", "false"), path
    else:
        enum = getattr(shape, "enum", None)
        as_answered = AS_ANSWERED.get(shape.name) == element.text
        assert not enum or as_answered or element.text in enum, (path, element.text)
