"""One golden audit event for every operation: what the trail says, word for word.

The calls stand in `calls.py`, the goldens in `golden/events/SERVICE/NAME.json`; what differs from
run to run is masked. `UPDATE_EXPECT=1` rewrites them, and the review judges. An operation that is
served and has no call fails the last test: add its line to the table, rewrite, and read what came.
"""

import json
import os
import pathlib
import re

import botocore.session
import pytest
from botocore.exceptions import ClientError

from calls import CALLS, ROWS, World
from keyward import eventually
from wire import Wire

GOLDEN = pathlib.Path(__file__).parent / "golden/events"


@pytest.fixture(scope="module")
def world(server):
    return World(server, "golden")


def trail(server):
    for segment in sorted((server.data_dir / "audit").glob("trail-*.jsonl")):
        for line in segment.read_text().splitlines():
            if line.startswith('{"eventVersion"'):
                yield json.loads(line)


def event_of(server, request_id):
    """The event of a request: a change's is copied to the trail after the answer."""
    return eventually(lambda: next((e for e in trail(server) if e.get("requestID") == request_id), None))


# What differs from run to run, in the order in which it is looked for.
MASKS = [
    ("milliseconds", r"\b\d{16}\b"),
    ("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d [AP]M"),
    ("uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("material", r"\b[0-9a-f]{64}\b"),
    ("hex", r"\b[0-9a-f]{32}\b"),
    ("unique id", r"\bA[A-Z]{3}[A-Z2-7]{16,17}\b"),
    ("user agent", r"Boto3/[^\"]*"),
]


def masked(event):
    """The event as text, with each value that differs replaced by its kind and a number."""
    text = json.dumps(event, indent=2, ensure_ascii=False)
    for kind, pattern in MASKS:
        seen = {}
        text = re.sub(pattern, lambda found: f"<{kind} {seen.setdefault(found[0], len(seen) + 1)}>", text)
    return text + "\n"


def held(found, golden):
    """The event is the golden one, which `UPDATE_EXPECT=1` rewrites."""
    if os.environ.get("UPDATE_EXPECT"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("service,name", ROWS, ids=[f"{service}.{name}" for service, name in ROWS])
def test_the_event_is_golden(world, service, name):
    try:
        answer = CALLS[service][name](world)
        assert "-" not in name, "it should have been refused"
    except ClientError as error:
        assert "-" in name, error
        answer = error.response
    event = event_of(world.server, answer["ResponseMetadata"]["RequestId"])
    assert event["eventName"] == name.split("-")[0]
    held(masked(event), GOLDEN / service / f"{name}.json")


def test_a_rotation_on_demand_is_also_an_event_of_the_service(world):
    key = world.key()
    world.kms.rotate_key_on_demand(KeyId=key)
    arn = world.kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]

    def of_key(event):
        return event["eventName"] == "RotateKey" and event["serviceEventDetails"]["keyId"] == arn

    event = eventually(lambda: next(filter(of_key, trail(world.server)), None))
    held(masked(event), GOLDEN / "kms/RotateKey.json")


def served(server, service):
    """The operations of AWS's model that are not refused as unknown."""
    model = botocore.session.get_session().get_service_model(service)
    wire, names = Wire(server), set()
    for name in model.operation_names:
        if service == "kms":
            refused = wire.kms(name, b"{}").body.count(b"UnsupportedOperationException")
        else:
            answer = wire.query(service, {"Action": name, "Version": model.api_version})
            refused = answer.body.count(b"<Code>InvalidAction</Code>")
        if not refused:
            names.add(name)
    return names


@pytest.mark.parametrize("service", CALLS)
def test_every_operation_that_is_served_has_a_golden_event(server, service):
    names, called = served(server, service), {name.split("-")[0] for name in CALLS[service]}
    assert names and names <= called, names - called


def test_there_is_no_golden_event_without_its_call():
    found = [path for service in CALLS for path in (GOLDEN / service).glob("*.json")]
    files = {path.relative_to(GOLDEN).with_suffix("").as_posix() for path in found}
    assert files == {f"{service}/{name}" for service, name in ROWS} | {"kms/RotateKey"}
