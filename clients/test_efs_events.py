"""One golden audit event for every operation of EFS, as `test_events.py` has them for the other services; and for what
clients of file systems do."""

import re

import pytest
from botocore.exceptions import ClientError

from calls_efs import ALLOW, CALLS, World, agent, identity, mount
from conftest import policy
from keyward import Server, eventually
from test_efs_model import MODEL, UNSUPPORTED
from test_events import GOLDEN, event_of, held, masked, trail

# The ids of EFS, in the order in which they are looked for.
MASKS = [
    ("token", r"\b[0-9a-f]{32}\b"),
    ("file system", r"\bfs-[0-9a-f]{17}\b"),
    ("access point", r"\bfsap-[0-9a-f]{17}\b"),
    ("mount target", r"\bfsmt-[0-9a-f]{17}\b"),
    ("interface", r"\beni-[0-9a-f]{17}\b"),
    ("address", r"\b127\.0\.0\.(?!1\b)\d+\b"),
]
# What an event is called that is no operation's: of a client that was let in, one that was asked about again, and one
# that was not let in.
CLIENTS = ["NewClientConnection", "UpdateClientConnection", "NewClientConnection-denied"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("efs-events") / "data")
    yield World(server, agent(server))
    server.kill()


def is_golden(event, name):
    answered = event["responseElements"] or {}
    if "creationTime" in answered:
        # It may be that of the event, or not.
        answered["creationTime"] = "<creation>"
    text = masked(event)
    for kind, pattern in MASKS:
        seen = {}
        text = re.sub(pattern, lambda found: f"<{kind} {seen.setdefault(found[0], len(seen) + 1)}>", text)
    held(text, GOLDEN / "efs" / f"{name}.json")


@pytest.mark.parametrize("name", CALLS)
def test_the_event_is_golden(world, name):
    try:
        answer = CALLS[name](world)
        assert "-" not in name, "it should have been refused"
    except ClientError as error:
        assert "-" in name, error
        answer = error.response
    event = event_of(world.server, answer["ResponseMetadata"]["RequestId"])
    assert event["eventName"] == name.split("-")[0]
    is_golden(event, name)


def of_file_system(world, name, file_system):
    """The event of that name about a file system."""

    def is_it(event):
        return event["eventName"] == name and event["requestParameters"]["fileSystemId"] == file_system

    return eventually(lambda: next(filter(is_it, trail(world.server)), None))


@pytest.mark.parametrize("name", CLIENTS)
def test_the_event_of_a_client_is_golden(world, name):
    file_system, target = world.file_system(), None
    if name == "NewClientConnection-denied":
        statement = {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
        world.maker.put_file_system_policy(FileSystemId=file_system, Policy=policy(statement))
    else:
        target = {"MountTargetId": world.target(file_system)}
    members = {"ClientAddress": "192.0.2.1", **(target or {})}
    if name == "UpdateClientConnection":
        members["Again"] = True
    if name == "NewClientConnection":
        members["Identity"] = identity(file_system, world.server.root_credentials())
    mount(world.storage, file_system, **members)
    is_golden(of_file_system(world, name.split("-")[0], file_system), name)


@pytest.mark.parametrize("name", ["CreateGrant", "GenerateDataKeyWithoutPlaintext"])
def test_the_event_of_a_call_that_efs_makes_for_its_caller_is_golden(world, name):
    key = world.server.client("kms").create_key()["KeyMetadata"]["Arn"]
    file_system = world.fresh(Encrypted=True, KmsKeyId=key)

    def is_its(event):
        parameters = event["requestParameters"] or {}
        return event["eventName"] == name and parameters.get("keyId") == key

    event = eventually(lambda: next(filter(is_its, trail(world.server)), None))
    assert event["userIdentity"]["invokedBy"] == "elasticfilesystem.amazonaws.com"
    assert file_system in str(event["requestParameters"])
    is_golden(event, f"{name}-for-caller")


def test_every_operation_that_is_served_has_a_golden_event_and_no_other():
    served = set(MODEL.operation_names) - set(UNSUPPORTED)
    assert served == {name for name in CALLS if "-" not in name}
    files = {path.stem for path in (GOLDEN / "efs").glob("*.json")}
    forwarded = {"CreateGrant-for-caller", "GenerateDataKeyWithoutPlaintext-for-caller"}
    assert files == set(CALLS) | set(CLIENTS) | forwarded
