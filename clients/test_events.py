"""One golden audit event for every operation: what the trail says, word for word.

The goldens stand in `golden/events/SERVICE/NAME.json`; what differs from run to run is masked.
`UPDATE_EXPECT=1` rewrites them, and the review judges. An operation that is served and has no
call here fails the last test: add its line to the table, rewrite, and read what came.
"""

import json
import os
import pathlib
import re
import types

import botocore.session
import pytest
from botocore.exceptions import ClientError

from conftest import DELEGATION, policy
from keyward import eventually
from wire import Wire

GOLDEN = pathlib.Path(__file__).parent / "golden/events"
CONTEXT = {"tenant": "blue"}
ALLOW = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})


@pytest.fixture(scope="module")
def world(server, kms, iam):
    """Clients, and makers of what the calls need."""

    def key():
        return kms.create_key()["KeyMetadata"]["KeyId"]

    def encrypted(key):
        made = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)
        return made["CiphertextBlob"]

    def named(key, alias):
        kms.create_alias(AliasName=alias, TargetKeyId=key)
        return alias

    def pending(key):
        kms.schedule_key_deletion(KeyId=key)
        return key

    def tagged(key):
        kms.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "red"}])
        return key

    return types.SimpleNamespace(
        server=server, kms=kms, iam=iam, sts=server.client("sts"),
        key=key, encrypted=encrypted, named=named, pending=pending, tagged=tagged,
    )


def as_user(world, service, name):
    """A client of a new user of that name whom nothing allows anything."""
    world.iam.create_user(UserName=name)
    made = world.iam.create_access_key(UserName=name)["AccessKey"]
    credentials = (made["AccessKeyId"], made["SecretAccessKey"])
    return world.server.client(service, credentials=credentials)


def two_keys(world):
    key, other = world.key(), world.key()
    return {
        "CiphertextBlob": world.encrypted(key),
        "SourceKeyId": key,
        "SourceEncryptionContext": CONTEXT,
        "DestinationKeyId": other,
        "DestinationEncryptionContext": {"tenant": "green"},
    }


def deleted_policy(world):
    world.iam.create_user(UserName="golden-7")
    world.iam.put_user_policy(UserName="golden-7", PolicyName="p", PolicyDocument=ALLOW)
    return world.iam.delete_user_policy(UserName="golden-7", PolicyName="p")


def deleted_access_key(world):
    world.iam.create_user(UserName="golden-4")
    made = world.iam.create_access_key(UserName="golden-4")["AccessKey"]
    return world.iam.delete_access_key(UserName="golden-4", AccessKeyId=made["AccessKeyId"])


def with_user(world, name, call):
    world.iam.create_user(UserName=name)
    return call(world.iam, name)


def disabled(world):
    key = world.key()
    world.kms.disable_key(KeyId=key)
    return key


# For each golden one call that makes its event; a name with a dash is a call that fails.
CALLS = {
    "kms": {
        "CancelKeyDeletion": lambda w: w.kms.cancel_key_deletion(KeyId=w.pending(w.key())),
        "CreateAlias": lambda w: w.kms.create_alias(AliasName="alias/golden-1", TargetKeyId=w.key()),
        "CreateKey": lambda w: w.kms.create_key(
            Description="golden", Policy=policy(DELEGATION), Tags=[{"TagKey": "team", "TagValue": "red"}]
        ),
        "Decrypt": lambda w: w.kms.decrypt(CiphertextBlob=w.encrypted(w.key()), EncryptionContext=CONTEXT),
        "Decrypt-denied": lambda w: as_user(w, "kms", "golden-denied").decrypt(
            CiphertextBlob=w.encrypted(key := w.key()), KeyId=key, EncryptionContext=CONTEXT
        ),
        "Decrypt-invalid": lambda w: w.kms.decrypt(CiphertextBlob=w.encrypted(w.key())),
        "DeleteAlias": lambda w: w.kms.delete_alias(AliasName=w.named(w.key(), "alias/golden-2")),
        "DescribeKey": lambda w: w.kms.describe_key(KeyId=w.named(w.key(), "alias/golden-3")),
        "DisableKey": lambda w: w.kms.disable_key(KeyId=w.key()),
        "DisableKeyRotation": lambda w: w.kms.disable_key_rotation(KeyId=w.key()),
        "EnableKey": lambda w: w.kms.enable_key(KeyId=disabled(w)),
        "EnableKeyRotation": lambda w: w.kms.enable_key_rotation(KeyId=w.key(), RotationPeriodInDays=180),
        "Encrypt": lambda w: w.kms.encrypt(KeyId=w.key(), Plaintext=b"x", EncryptionContext=CONTEXT),
        "Encrypt-disabled": lambda w: w.kms.encrypt(KeyId=disabled(w), Plaintext=b"x"),
        "Encrypt-dry-run": lambda w: w.kms.encrypt(KeyId=w.key(), Plaintext=b"x", DryRun=True),
        "Encrypt-malformed": lambda w: w.kms.encrypt(KeyId=w.key(), Plaintext=b""),
        "Encrypt-not-found": lambda w: w.kms.encrypt(KeyId="alias/nothing", Plaintext=b"x"),
        "GenerateDataKey": lambda w: w.kms.generate_data_key(
            KeyId=w.key(), KeySpec="AES_256", EncryptionContext=CONTEXT
        ),
        "GenerateDataKeyWithoutPlaintext": lambda w: w.kms.generate_data_key_without_plaintext(
            KeyId=w.key(), NumberOfBytes=64, EncryptionContext=CONTEXT
        ),
        "GenerateRandom": lambda w: w.kms.generate_random(NumberOfBytes=32),
        "GetKeyLastUsage": lambda w: w.kms.get_key_last_usage(KeyId=w.key()),
        "GetKeyPolicy": lambda w: w.kms.get_key_policy(KeyId=w.key(), PolicyName="default"),
        "GetKeyRotationStatus": lambda w: w.kms.get_key_rotation_status(KeyId=w.key()),
        "ListAliases": lambda w: w.kms.list_aliases(KeyId=w.key(), Limit=5),
        "ListKeyPolicies": lambda w: w.kms.list_key_policies(KeyId=w.key(), Limit=5),
        "ListKeyRotations": lambda w: w.kms.list_key_rotations(
            KeyId=w.key(), IncludeKeyMaterial="ALL_KEY_MATERIAL", Limit=5
        ),
        "ListKeys": lambda w: w.kms.list_keys(Limit=5),
        "ListResourceTags": lambda w: w.kms.list_resource_tags(KeyId=w.tagged(w.key()), Limit=5),
        "PutKeyPolicy": lambda w: w.kms.put_key_policy(
            KeyId=w.key(), Policy=policy(DELEGATION), BypassPolicyLockoutSafetyCheck=True
        ),
        "ReEncrypt": lambda w: w.kms.re_encrypt(**two_keys(w)),
        "RotateKeyOnDemand": lambda w: w.kms.rotate_key_on_demand(KeyId=w.key()),
        "ScheduleKeyDeletion": lambda w: w.kms.schedule_key_deletion(KeyId=w.key(), PendingWindowInDays=7),
        "TagResource": lambda w: w.kms.tag_resource(
            KeyId=w.key(), Tags=[{"TagKey": "team", "TagValue": "red"}]
        ),
        "UntagResource": lambda w: w.kms.untag_resource(KeyId=w.tagged(w.key()), TagKeys=["team"]),
        "UpdateAlias": lambda w: w.kms.update_alias(
            AliasName=w.named(w.key(), "alias/golden-4"), TargetKeyId=w.key()
        ),
        "UpdateKeyDescription": lambda w: w.kms.update_key_description(KeyId=w.key(), Description="new"),
    },
    "iam": {
        "CreateAccessKey": lambda w: with_user(
            w, "golden-1", lambda iam, name: iam.create_access_key(UserName=name)
        ),
        "CreateUser": lambda w: w.iam.create_user(UserName="golden-2", Path="/team/"),
        "CreateUser-denied": lambda w: as_user(w, "iam", "golden-3").create_user(UserName="other"),
        "DeleteAccessKey": deleted_access_key,
        "DeleteUser": lambda w: with_user(w, "golden-5", lambda iam, name: iam.delete_user(UserName=name)),
        "DeleteUser-not-found": lambda w: w.iam.delete_user(UserName="nobody"),
        "DeleteUserPolicy": deleted_policy,
        "PutUserPolicy": lambda w: with_user(
            w, "golden-6",
            lambda iam, name: iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALLOW),
        ),
    },
    "sts": {"GetCallerIdentity": lambda w: w.sts.get_caller_identity()},
}
ROWS = [(service, name) for service, calls in CALLS.items() for name in calls]


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
    names = served(server, service)
    assert names and names <= set(CALLS[service]), names - set(CALLS[service])


def test_there_is_no_golden_event_without_its_call():
    files = {path.relative_to(GOLDEN).with_suffix("").as_posix() for path in GOLDEN.rglob("*.json")}
    assert files == {f"{service}/{name}" for service, name in ROWS} | {"kms/RotateKey"}
