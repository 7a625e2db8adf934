"""One golden audit event for every operation of RDS, as `test_events.py` has them for the other services."""

import re
import uuid

import pytest
from botocore.exceptions import ClientError

from calls_rds import CALLS, World, databases, needed
from keyward import Server, eventually
from test_events import GOLDEN, event_of, held, masked, trail
from test_rds_model import MODEL, UNSUPPORTED

# What differs from run to run, in the order in which it is looked for.
MASKS = [
    ("resource", r"\bdb-[A-Z2-7]{26}\b"),
    ("volume", r"\bvol-[0-9a-f]{17}\b"),
    ("snapshot", r"\bsnap-[0-9a-f]{17}\b"),
    ("agent", r"\bagent-[0-9a-f]{17}\b"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("rds-events") / "data")
    yield World(server, databases(server))
    server.kill()


def is_golden(event, name):
    text = masked(event)
    for kind, pattern in MASKS:
        seen = {}
        text = re.sub(pattern, lambda found: f"<{kind} {seen.setdefault(found[0], len(seen) + 1)}>", text)
    held(text, GOLDEN / "rds" / f"{name}.json")


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


@pytest.mark.parametrize("name", ["CreateGrant-for-caller", "CreateGrant-by-rds", "GenerateDataKeyWithoutPlaintext-by-rds"])
def test_the_event_of_a_call_that_rds_makes_is_golden(world, name):
    key = world.server.client("kms").create_key()["KeyMetadata"]["Arn"]
    _, found = world.fresh(StorageEncrypted=True, KmsKeyId=key)
    by_itself = name.endswith("-by-rds")

    def is_its(event):
        parameters = event["requestParameters"] or {}
        return (
            event["eventName"] == name.split("-")[0]
            and parameters.get("keyId") == key
            and (event["userIdentity"]["type"] == "AWSService") == by_itself
        )

    event = eventually(lambda: next(filter(is_its, trail(world.server)), None))
    assert event["userIdentity"]["invokedBy"] == "rds.amazonaws.com"
    assert found in str(event["requestParameters"])
    is_golden(event, name)


def test_the_events_of_calls_for_a_snapshot_are_golden(world):
    """RDS makes the grants of a snapshot, and has its data key wrapped anew, without the caller's rights."""
    key = world.server.client("kms").create_key()["KeyMetadata"]["Arn"]
    name = world.instance(StorageEncrypted=True, KmsKeyId=key)
    snapshot = "snapshot-" + uuid.uuid4().hex
    world.rds.create_db_snapshot(DBSnapshotIdentifier=snapshot, DBInstanceIdentifier=name)
    (made,) = world.storage.copied()

    def are_its():
        of_kms = [event for event in trail(world.server) if event["eventSource"] == "kms.amazonaws.com"]
        found = [event for event in of_kms if made["VolumeId"] in str(event["requestParameters"])]
        return found if {event["eventName"] for event in found} >= {"CreateGrant", "ReEncrypt"} else None

    found = eventually(are_its)
    for event in found:
        assert event["userIdentity"] == {"type": "AWSService", "invokedBy": "rds.amazonaws.com"}
    (wrapped,) = [event for event in found if event["eventName"] == "ReEncrypt"]
    is_golden(wrapped, "ReEncrypt-by-rds")
    granted = [event for event in found if event["eventName"] == "CreateGrant"]
    (to_rds,) = [event for event in granted if "ReEncryptFrom" in event["requestParameters"]["operations"]]
    is_golden(to_rds, "CreateGrant-for-snapshot")
    assert len(granted) == 2


def test_every_operation_that_is_served_has_a_golden_event_and_no_other():
    served = set(MODEL.operation_names) - set(UNSUPPORTED)
    assert served == {name for name in CALLS if "-" not in name}
    files = {path.stem for path in (GOLDEN / "rds").glob("*.json")}
    ours = {"CreateGrant-for-caller", "CreateGrant-by-rds", "GenerateDataKeyWithoutPlaintext-by-rds"}
    ours |= {"CreateGrant-for-snapshot", "ReEncrypt-by-rds"}
    assert files == set(CALLS) | ours
