"""The service model of EFS inside botocore as judge: routes, what is served, and the shape of answers."""

import json
import re

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from calls_efs import CALLS, World, agent
from keyward import REGION, ROOT, Server
from test_model import check

MODEL = botocore.session.get_session().get_service_model("efs")
LISTED = [
    line.removeprefix("elasticfilesystem:").strip()
    for line in (ROOT / "unsupported.txt").read_text().splitlines()
    if line.startswith("elasticfilesystem:")
]
# Operations; and of others a member, or a value of one.
UNSUPPORTED = [line for line in LISTED if "." not in line]
MEMBERS = [line for line in LISTED if "." in line]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("efs") / "data")
    world = World(server, agent(server))
    key, secret = server.root_credentials()
    given = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": REGION}
    world.efs = boto3.session.Session().client("efs", endpoint_url=server.url, **given)
    yield world
    server.kill()


def routes():
    """Operation, method, path, parameters of the query and status, as the crate has them."""
    text = (ROOT / "apis/efs/src/routes.rs").read_text()
    for block in text.split("Route {")[1:]:
        field = lambda name: re.search(rf'{name}: "?([^",]+)', block)[1]  # noqa: E731
        parameters = re.findall(r'QueryMember::\w+\("(\w+)"', block)
        yield field("operation"), field("method"), field("path"), parameters, int(field("status"))


def test_the_routes_are_the_models():
    theirs = []
    for name in sorted(MODEL.operation_names):
        operation = MODEL.operation_model(name)
        http = operation.http
        members = operation.input_shape.members if operation.input_shape else {}
        query = [
            shape.serialization["name"]
            for shape in members.values()
            if shape.serialization.get("location") == "querystring"
        ]
        theirs.append((name, http["method"], http["requestUri"], query, http.get("responseCode", 200)))
    assert list(routes()) == theirs


def test_an_operation_is_served_or_listed():
    text = "".join(p.read_text() for p in (ROOT / "apis/efs/src").glob("*.rs"))
    served = set(re.findall(r"const NAME: &'static str = \"(\w+)\"", text))
    served |= set(re.findall(r"impl OnFileSystem for (\w+)", text))
    assert UNSUPPORTED == sorted(set(UNSUPPORTED))
    assert served | set(UNSUPPORTED) == set(MODEL.operation_names)
    assert not served & set(UNSUPPORTED)


def test_the_list_is_sorted():
    assert LISTED == sorted(set(LISTED))


@pytest.mark.parametrize("listed", MEMBERS)
def test_a_member_or_value_that_is_not_supported_is_refused(world, listed):
    path, _, value = listed.partition("=")
    operation, *names = path.split(".")
    shape = MODEL.operation_model(operation).input_shape
    for name in names:
        shape = shape.members[name]
    assert shape.type_name != "string" or not value or value in shape.enum
    value = {"true": True, "": "2001:db8::1"}.get(value, value)
    for name in reversed(names):
        value = {name: value}
    needed = {
        "CreateFileSystem": {"CreationToken": listed},
        "CreateMountTarget": {"FileSystemId": "fs-01234567", "SubnetId": "subnet-01234567"},
        "PutBackupPolicy": {"FileSystemId": "fs-01234567"},
    }
    call = getattr(world.efs, xform_name(operation))
    with pytest.raises(ClientError) as caught:
        call(**needed.get(operation, {}), **value)
    assert caught.value.response["Error"]["Code"] == "BadRequest"


@pytest.mark.parametrize("name", [name for name in CALLS if "-" not in name])
def test_an_answer_has_the_shape_of_the_model(world, name):
    """Every operation that is served, driven by botocore with the checks of its own model."""
    bodies = {}

    def raw(http_response, model, **_):
        if http_response.content:
            bodies[model.name] = json.loads(http_response.content)

    world.efs.meta.events.register("after-call.efs", raw)
    status = CALLS[name](world)["ResponseMetadata"]["HTTPStatusCode"]
    operation = MODEL.operation_model(name)
    assert status == operation.http.get("responseCode", 200)
    if operation.output_shape:
        check_numbers(bodies[name], operation.output_shape, name)
    else:
        assert name not in bodies


def check_numbers(body, shape, path):
    """As `check`, for a model that has longs and doubles too, and names what it requires."""
    if shape.type_name == "structure":
        assert set(shape.required_members) <= set(body), path
        for name, value in body.items():
            assert name in shape.members, f"{path}.{name}"
            check_numbers(value, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for value in body:
            check_numbers(value, shape.member, f"{path}[]")
    elif shape.type_name == "long":
        assert isinstance(body, int), path
    elif shape.type_name == "double":
        assert isinstance(body, float), path
    else:
        check(body, shape, path)
