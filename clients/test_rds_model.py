"""The service model of RDS inside botocore as judge: what is served, and the shape of answers."""

import re
import xml.etree.ElementTree as ElementTree

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from calls_rds import CALLS, World, databases, needed
from errors import refused
from keyward import REGION, ROOT, Server

MODEL = botocore.session.get_session().get_service_model("rds")
LISTED = [
    line.removeprefix("rds:").strip()
    for line in (ROOT / "unsupported.txt").read_text().splitlines()
    if line.startswith("rds:")
]
# Operations; and of others a member, or a value of one.
UNSUPPORTED = [line for line in LISTED if "." not in line]
MEMBERS = [line for line in LISTED if "." in line]
NAMESPACE = "{http://rds.amazonaws.com/doc/2014-10-31/}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("rds") / "data")
    world = World(server, databases(server))
    key, secret = server.root_credentials()
    given = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": REGION}
    world.rds = boto3.session.Session().client("rds", endpoint_url=server.url, **given)
    yield world
    server.kill()


@pytest.fixture(scope="module")
def snapshot(world):
    """One for all of them: an account has only so many instances."""
    return world.snapshot()


def test_an_operation_is_served_or_listed():
    text = (ROOT / "apis/rds/src/lib.rs").read_text().split("pub const OPERATIONS")[1]
    served = re.findall(r"::(\w+)>+\(\),", text)
    assert served == sorted(served)
    assert set(served) | set(UNSUPPORTED) == set(MODEL.operation_names)
    assert not set(served) & set(UNSUPPORTED)
    listed = re.findall(r'^    "(\w+)",$', (ROOT / "apis/rds/src/unsupported.rs").read_text(), re.MULTILINE)
    assert listed == UNSUPPORTED


def test_the_list_is_sorted_and_names_what_the_model_has():
    assert LISTED == sorted(set(LISTED))
    for line in MEMBERS:
        operation, _, rest = line.partition(".")
        assert rest.partition("=")[0] in MODEL.operation_model(operation).input_shape.members, line


def test_the_names_of_items_are_the_models():
    """What lists in requests call their items."""
    found = set()

    def look(shape, seen=()):
        if shape.name in seen:
            return
        seen = (*seen, shape.name)
        if shape.type_name == "structure":
            for member in shape.members.values():
                look(member, seen)
        elif shape.type_name == "list":
            found.add(shape.member.serialization.get("name", "member"))
            look(shape.member, seen)

    served = set(MODEL.operation_names) - set(UNSUPPORTED)
    for name in served:
        look(MODEL.operation_model(name).input_shape)
    text = (ROOT / "apis/rds/src/lib.rs").read_text()
    ours = re.findall(r'"(\w+)"', re.search(r"items: &\[(.*?)\]", text, re.DOTALL)[1])
    assert sorted({*ours, "member"}) == sorted(found)


def test_what_is_listed_is_told_so(world):
    with refused("UnsupportedOperationException", "CreateDBCluster is not supported by this version of Keyward."):
        world.rds.create_db_cluster(DBClusterIdentifier="a", Engine="aurora-postgresql")


def example(shape, value):
    """A value of a shape, that one if there is one."""
    kind = shape.type_name
    if kind == "boolean":
        return value != "false"
    if kind == "integer":
        return 7
    if kind == "list":
        return [example(shape.member, "")]
    if kind == "structure":
        return {name: example(member, "") for name, member in shape.members.items()}
    return value or (shape.enum[-1] if shape.enum else "x1")


@pytest.mark.parametrize("listed", MEMBERS)
def test_a_member_or_value_that_is_not_supported_is_refused(world, snapshot, listed):
    path, _, value = listed.partition("=")
    operation, name = path.split(".")
    shape = MODEL.operation_model(operation).input_shape.members[name]
    given = {
        "CreateDBInstance": needed,
        "CopyDBSnapshot": lambda: {
            "SourceDBSnapshotIdentifier": snapshot,
            "TargetDBSnapshotIdentifier": "copy",
        },
        "RestoreDBInstanceFromDBSnapshot": lambda: {
            "DBInstanceIdentifier": "restored",
            "DBSnapshotIdentifier": snapshot,
        },
        "DeleteDBInstance": lambda: {"DBInstanceIdentifier": world.instance()},
        "StartDBInstance": lambda: {"DBInstanceIdentifier": world.stopped()},
    }
    members = given.get(operation, lambda: {"DBInstanceIdentifier": world.instance()})()
    members[name] = example(shape, value)
    if name == "DBCapacityReservationIdentifier":
        members[name] = "abc"
    if name == "AwsBackupRecoveryPointArn":
        members[name] = "arn:aws:backup:us-east-1:000000000000:recovery-point:abc"
    with pytest.raises(ClientError) as caught:
        getattr(world.rds, xform_name(operation))(**members)
    error = caught.value.response["Error"]
    assert error["Code"] in ("InvalidParameterCombination", "InvalidParameterValue")
    assert "this version of keyward" in error["Message"].lower(), error


def check(element, shape, path):
    """Holds an element against its shape: names of members and items, and the text of values."""
    children = {}
    for child in element:
        children.setdefault(child.tag.removeprefix(NAMESPACE), []).append(child)
    if shape.type_name == "structure":
        for name, found in children.items():
            member = shape.members.get(name)
            assert member is not None, f"{path}.{name}"
            assert len(found) == 1, f"{path}.{name}"
            check(found[0], member, f"{path}.{name}")
    elif shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        assert set(children) <= {item}, path
        for child in element:
            check(child, shape.member, f"{path}[]")
    else:
        text = element.text or ""
        patterns = {"boolean": "true|false", "integer": r"-?\d+", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}
        assert not children and re.fullmatch(patterns.get(shape.type_name, "(?s).*"), text), path
        enum = getattr(shape, "enum", None)
        assert not enum or text in enum, path


@pytest.mark.parametrize("name", [name for name in CALLS if "-" not in name])
def test_an_answer_has_the_shape_of_the_model(world, name):
    """Every operation that is served, driven by botocore with the checks of its own model."""
    bodies = {}

    def raw(http_response, model, **_):
        bodies[model.name] = http_response.content

    world.rds.meta.events.register("after-call.rds", raw)
    CALLS[name](world)
    operation = MODEL.operation_model(name)
    root = ElementTree.fromstring(bodies[name])
    assert root.tag == f"{NAMESPACE}{name}Response"
    result = root.find(f"{NAMESPACE}{name}Result")
    if operation.output_shape:
        check(result, operation.output_shape, name)
    else:
        assert result is None
