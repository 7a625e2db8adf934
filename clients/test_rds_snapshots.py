"""DB snapshots as their clients see them, with an agent that the tests play: boto3 with its waiters, and the AWS CLI."""

import json
import subprocess
import threading
import uuid

import pytest
from botocore.exceptions import WaiterError

from calls_rds import TAGS
from errors import refused
from keyward import ACCOUNT, REGION, binary, clean_environment
from rds_fixtures import rds, server, storage, user, world
from test_cli import AWS

ARN = f"arn:aws:rds:{REGION}:{ACCOUNT}:snapshot:"


def wait(rds, name, waiter):
    rds.get_waiter(waiter).wait(DBSnapshotIdentifier=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})


def begin(world, **members):
    """The name of a snapshot that is being created, and of its instance."""
    name, instance = "snapshot-" + uuid.uuid4().hex, world.instance(**members)
    world.rds.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=instance)
    return name, instance


def test_waiters_wait_for_a_snapshot(storage, rds, world):
    name, _ = begin(world)
    threading.Timer(0.3, storage.copied).start()
    wait(rds, name, "db_snapshot_available")
    wait(rds, name, "db_snapshot_completed")
    (shown,) = rds.describe_db_snapshots(DBSnapshotIdentifier=ARN + name)["DBSnapshots"]
    assert (shown["Status"], shown["PercentProgress"]) == ("available", 100)
    rds.delete_db_snapshot(DBSnapshotIdentifier=name)
    wait(rds, name, "db_snapshot_deleted")
    with refused("DBSnapshotNotFound", f"DBSnapshot {name} not found.", 404):
        rds.describe_db_snapshots(DBSnapshotIdentifier=name)


def test_a_waiter_ends_when_a_snapshot_fails(storage, rds, world):
    name, _ = begin(world)
    storage.copied("FAILED")
    with pytest.raises(WaiterError, match="failed"):
        wait(rds, name, "db_snapshot_available")
    rds.delete_db_snapshot(DBSnapshotIdentifier=name)


def test_data_outlasts_the_key_by_a_copy_under_another(server, storage, rds, world):
    kms = server.client("kms")
    old, new = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    name, instance = begin(world, StorageEncrypted=True, KmsKeyId=old)
    storage.copied()
    made = rds.copy_db_snapshot(SourceDBSnapshotIdentifier=name, TargetDBSnapshotIdentifier="under-new", KmsKeyId=new)
    assert made["DBSnapshot"]["KmsKeyId"] == new
    (wanted,) = [one for one in storage.poll() if "Origin" in one]
    assert wanted["Origin"]["Reseal"] is True
    # The agent is given both data keys, to seal every block again.
    keys = [storage.open(volume)[1]["Plaintext"] for volume in (wanted["VolumeId"], wanted["Origin"]["VolumeId"])]
    assert keys[0] != keys[1]
    storage.copied()
    kms.disable_key(KeyId=old)
    text = f"The specified KMS key [{old}] does not exist, is not enabled or you do not have permissions to access it."
    with refused("KMSKeyNotAccessibleFault", f"{text} [error=DisabledException] {old} is disabled."):
        rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="lost", DBSnapshotIdentifier=name)
    made = rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="kept", DBSnapshotIdentifier="under-new")
    restored = made["DBInstance"]["DbiResourceId"]
    assert storage.wanted(restored)["Origin"] == {"VolumeId": wanted["VolumeId"], "Reseal": False}
    assert storage.open(restored)[1]["Plaintext"] == keys[0]
    storage.report(restored)
    assert "Origin" not in storage.wanted(restored)
    # Everything ends, also what is under the disabled key.
    for snapshot in (name, "under-new"):
        rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot)
    for one in (instance, "kept"):
        rds.delete_db_instance(DBInstanceIdentifier=one, SkipFinalSnapshot=True)
    kms.enable_key(KeyId=old)
    assert [kms.list_grants(KeyId=key)["Grants"] for key in (old, new)] == [[], []]


def test_key_impact_names_snapshots(server, storage, world):
    key = server.client("kms").create_key()["KeyMetadata"]["KeyId"]
    name, _ = begin(world, StorageEncrypted=True, KmsKeyId=key)
    storage.copied()
    access, secret = server.root_credentials()
    environment = {**clean_environment(), "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
    command = [binary(), "key", "impact", key, "--endpoint-url", server.url, "--region", REGION]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout


def test_a_condition_key_of_tags_of_snapshots(server, storage, user, world):
    name = world.snapshot(Tags=TAGS)
    client = server.client("rds", credentials=user.credentials)
    for value in ("blue", "red"):
        user.allow("rds:*", name="rds", Condition={"StringEquals": {"rds:snapshot-tag/team": value}})
        if value == "red":
            client.describe_db_snapshots(DBSnapshotIdentifier=name)
        else:
            with refused("AccessDenied", status=403):
                client.describe_db_snapshots(DBSnapshotIdentifier=name)


def test_the_command_line(server, storage, world):
    key, secret = server.root_credentials()
    environment = {
        **clean_environment(),
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_PAGER": "",
    }

    def aws(*arguments):
        command = [AWS, "rds", *arguments, "--endpoint-url", server.url, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    name = world.instance()
    aws("create-db-snapshot", "--db-instance-identifier", name, "--db-snapshot-identifier", "cli", "--tags", "Key=a,Value=b")
    storage.copied()
    aws("wait", "db-snapshot-available", "--db-snapshot-identifier", "cli")
    listed = aws("describe-db-snapshots", "--db-instance-identifier", name, "--query", "DBSnapshots[].DBSnapshotIdentifier")
    assert listed == ["cli"]
    aws("copy-db-snapshot", "--source-db-snapshot-identifier", "cli", "--target-db-snapshot-identifier", "cli-2", "--copy-tags")
    storage.copied()
    restored = aws(
        "restore-db-instance-from-db-snapshot", "--db-snapshot-identifier", "cli-2",
        "--db-instance-identifier", "cli-restored", "--no-multi-az",
    )  # fmt: skip
    assert restored["DBInstance"]["TagList"] == [{"Key": "a", "Value": "b"}]
    storage.report(restored["DBInstance"]["DbiResourceId"])
    events = aws("describe-events", "--source-type", "db-snapshot", "--query", "Events[].Message")
    assert {"Creating manual snapshot", "Manual snapshot created"} <= set(events)
    for one in ("cli", "cli-2"):
        aws("delete-db-snapshot", "--db-snapshot-identifier", one)
    aws("wait", "db-snapshot-deleted", "--db-snapshot-identifier", "cli")
    aws("delete-db-instance", "--db-instance-identifier", "cli-restored", "--final-db-snapshot-identifier", "cli-last")
    storage.copied()
    listed = aws("describe-db-snapshots", "--query", "DBSnapshots[?Status==`available`].DBSnapshotIdentifier")
    assert "cli-last" in listed
