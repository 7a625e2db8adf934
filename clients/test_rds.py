"""Amazon RDS as its clients see it, with an agent that the tests play: boto3 with its waiters, and the AWS CLI."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import threading
import time

import pytest
from botocore.exceptions import ClientError, WaiterError

from calls_efs import agent
from calls_rds import PASSWORD, SUBNET, TAGS, Databases, needed
from callers import Account
from conftest import policy
from errors import refused
from keyward import ACCOUNT, REGION, Server, binary, clean_environment, eventually
from rds_fixtures import rds, server, storage, user, world
from test_agents import Agent
from test_cli import AWS
from test_events import event_of

ARN = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:"
LOST = "inaccessible-encryption-credentials-recoverable"


def status(rds, name):
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return found["DBInstanceStatus"]


def soon(call):
    """Does something while a waiter waits."""
    timer = threading.Timer(0.3, call)
    timer.start()
    return timer


def wait(rds, name, waiter):
    rds.get_waiter(waiter).wait(DBInstanceIdentifier=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})


def test_the_life_of_an_encrypted_instance(server, storage, rds):
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    asked = needed(StorageEncrypted=True, KmsKeyId=key, DBName="app", Tags=TAGS)
    made = rds.create_db_instance(**asked)["DBInstance"]
    name, found = made["DBInstanceIdentifier"], made["DbiResourceId"]
    assert (made["DBInstanceStatus"], made["KmsKeyId"], made["StorageEncrypted"]) == ("creating", key, True)
    assert (made["StorageEncryptionType"], made["TagList"]) == ("sse-kms", TAGS)
    assert "Endpoint" not in made
    opened = storage.open(found)
    assert opened[0] == 200 and len(base64.b64decode(opened[1]["Plaintext"])) == 32
    storage.report(found, "STARTING")
    soon(lambda: storage.report(found))
    wait(rds, name, "db_instance_available")
    (shown,) = rds.describe_db_instances(DBInstanceIdentifier=ARN + name)["DBInstances"]
    assert shown["Endpoint"]["Port"] == 5432
    assert shown["CACertificateIdentifier"] == f"rds-ca-{storage.id}"
    (certificate,) = rds.describe_certificates(CertificateIdentifier=shown["CACertificateIdentifier"])["Certificates"]
    assert certificate["ValidFrom"] < certificate["ValidTill"]
    # The key goes and comes back.
    kms.disable_key(KeyId=key)
    assert storage.open(found)[0] == 400
    storage.report(found, "STOPPED")
    assert status(rds, name) == LOST
    text = f"The specified KMS key [{key}] does not exist, is not enabled or you do not have permissions to access it."
    with refused("KMSKeyNotAccessibleFault", f"{text} [error=DisabledException] {key} is disabled."):
        rds.start_db_instance(DBInstanceIdentifier=name)
    kms.enable_key(KeyId=key)
    assert status(rds, name) == LOST
    assert rds.start_db_instance(DBInstanceIdentifier=name)["DBInstance"]["DBInstanceStatus"] == "starting"
    storage.report(found)
    assert status(rds, name) == "available"
    messages = [event["Message"] for event in rds.describe_events(SourceType="db-instance", SourceIdentifier=name)["Events"]]
    assert messages[0] == "DB instance created" and messages[-1] == "DB instance started"
    # The end.
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    assert kms.list_grants(KeyId=key)["Grants"] == []
    soon(lambda: storage.report(found, None, "GONE"))
    wait(rds, name, "db_instance_deleted")
    with refused("DBInstanceNotFound", f"DBInstance {name} not found.", 404):
        rds.describe_db_instances(DBInstanceIdentifier=name)


def test_a_waiter_ends_when_an_instance_fails(storage, rds, world):
    name, found = world.fresh()
    storage.report(found, None, "FAILED", Message="no room")
    with pytest.raises(WaiterError, match="failed"):
        wait(rds, name, "db_instance_available")
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def test_postgresql_would_take_the_master_password(storage, world):
    """The verifier is the password's, by an implementation of SCRAM that is not ours."""
    _, found = world.fresh()
    mechanism, rest, keys = storage.wanted(found)["Database"]["PasswordVerifier"].split("$")
    iterations, salt = rest.split(":")
    assert (mechanism, iterations) == ("SCRAM-SHA-256", "4096")
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(salt), 4096)
    client = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    stored, server_key = keys.split(":")
    assert base64.b64decode(stored) == hashlib.sha256(client).digest()
    assert base64.b64decode(server_key) == hmac.new(salted, b"Server Key", hashlib.sha256).digest()


def test_passwords_are_in_no_file_of_the_server(server, storage, world):
    secret = "hidden-" + "x" * 20
    name = world.instance(MasterUserPassword=secret)
    world.rds.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword=secret + "2")
    with refused("InvalidParameterValue"):
        world.rds.create_db_instance(**needed(MasterUserPassword=secret + "/"))
    trail = server.data_dir / "audit" / "trail-00000001.jsonl"
    eventually(lambda: f'"dBInstanceIdentifier":"{name}"' in trail.read_text())
    text = trail.read_text()
    assert '"masterUserPassword":"****"' in text
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        assert secret.encode() not in path.read_bytes(), path


def test_without_postgresql_nothing_is_created(tmp_path):
    server = Server(tmp_path / "data")
    try:
        Agent(server)
        text = (
            f"No agent of account {ACCOUNT} in {REGION} has PostgreSQL. Install PostgreSQL on a machine (on Debian, the "
            "package postgresql), and start `keyward agent run` there; if there is no agent yet, `keyward agent token` "
            "makes the token that it registers with."
        )
        rds = server.client("rds")
        with refused("InternalFailure", text, 500):
            rds.create_db_instance(**needed(StorageEncrypted=True))
        assert rds.describe_db_instances()["DBInstances"] == []
        assert not any(alias.get("TargetKeyId") for alias in server.client("kms").list_aliases()["Aliases"])
    finally:
        server.kill()


def test_an_organization_denies_what_is_not_encrypted(tmp_path):
    server = Server(tmp_path / "data")
    try:
        client = server.client("organizations")
        client.create_organization(FeatureSet="ALL")
        root = client.list_roots()["Roots"][0]["Id"]
        client.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
        made = client.create_account(Email="m@example.com", AccountName="m")["CreateAccountStatus"]
        made = client.describe_create_account_status(CreateAccountRequestId=made["Id"])["CreateAccountStatus"]
        account = made["AccountId"]
        plain = {
            "Effect": "Deny",
            "Action": ["rds:CreateDBInstance", "rds:CreateDBCluster"],
            "Resource": "*",
            "Condition": {"Bool": {"rds:StorageEncrypted": "false"}},
        }
        deny = client.create_policy(Content=policy(plain), Description="", Name="n", Type="SERVICE_CONTROL_POLICY")
        client.attach_policy(PolicyId=deny["Policy"]["PolicySummary"]["Id"], TargetId=account)
        role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
        admin = Account(server).session(role, "admin")
        allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        credentials = Account(server, admin, account).user("all", allowed)
        Databases(agent(server, credentials))
        rds = server.client("rds", credentials=credentials)
        asked = needed()
        arn = f"arn:aws:rds:{REGION}:{account}:db:{asked['DBInstanceIdentifier']}"
        text = (
            f"User: arn:aws:iam::{account}:user/all is not authorized to perform: rds:CreateDBInstance on resource: {arn} "
            "with an explicit deny in a service control policy"
        )
        with pytest.raises(ClientError) as caught:
            rds.create_db_instance(**asked)
        error = caught.value.response["Error"]
        assert (error["Code"], error["Message"][: len(text)]) == ("AccessDenied", text)
        made = rds.create_db_instance(**asked, StorageEncrypted=True)["DBInstance"]
        assert made["StorageEncrypted"] is True
    finally:
        server.kill()


@pytest.mark.parametrize(
    "key,operator,good,bad",
    [
        ("rds:BackupTarget", "StringEquals", "region", "outposts"),
        ("rds:DatabaseClass", "StringEquals", "db.t3.micro", "db.m5.large"),
        ("rds:DatabaseEngine", "StringEquals", "postgres", "mysql"),
        ("rds:DatabaseName", "StringEquals", "app", "other"),
        ("rds:ManageMasterUserPassword", "Bool", "false", "true"),
        ("rds:MultiAz", "Bool", "false", "true"),
        ("rds:Piops", "NumericLessThan", "1", "0"),
        ("rds:StorageEncrypted", "Bool", "true", "false"),
        ("rds:StorageSize", "NumericLessThanEquals", "20", "19"),
        ("rds:Vpc", "Bool", "true", "false"),
        ("rds:req-tag/team", "StringEquals", "red", "blue"),
    ],
)
def test_a_condition_key_of_a_new_instance(server, storage, user, key, operator, good, bad):
    for value, expected in [(bad, False), (good, True)]:
        # What is beside the instance is allowed without a condition.
        user.allow("rds:*", name="rds", Condition={operator: {key: value}})
        user.allow("rds:AddTagsToResource", "kms:*", name="rest")
        client = server.client("rds", credentials=user.credentials)
        asked = needed(DBName="app", StorageEncrypted=True, Tags=TAGS)
        try:
            client.create_db_instance(**asked)
            done = True
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
            done = False
        assert done == expected, value


def test_a_condition_key_of_tags(server, storage, user, world):
    name = world.instance(Tags=TAGS)
    group = world.group()
    arn = f"arn:aws:rds:{REGION}:{ACCOUNT}:subgrp:{group}"
    world.rds.add_tags_to_resource(ResourceName=arn, Tags=TAGS)
    client = server.client("rds", credentials=user.credentials)
    calls = {
        "rds:db-tag/team": lambda: client.describe_db_instances(DBInstanceIdentifier=name),
        "rds:subgrp-tag/team": lambda: client.describe_db_subnet_groups(DBSubnetGroupName=group),
    }
    for key, call in calls.items():
        user.allow("rds:*", name="rds", Condition={"StringEquals": {key: "blue"}})
        with refused("AccessDenied", status=403):
            call()
        user.allow("rds:*", name="rds", Condition={"StringEquals": {key: "red"}})
        call()


def test_the_command_line(server, storage, tmp_path):
    key, secret = server.root_credentials()
    environment = {
        **clean_environment(),
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_PAGER": "",
    }
    # In us-east-1, version 1 of the CLI calls RDS by a name of its own unless it is told otherwise on its line.
    end = ["--endpoint-url", server.url, "--output", "json"]

    def aws(*arguments):
        command = [AWS, "rds", *arguments, *end]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    aws("create-db-subnet-group", "--db-subnet-group-name", "cli", "--db-subnet-group-description", "d", "--subnet-ids", SUBNET)
    made = aws(
        "create-db-instance", "--db-instance-identifier", "cli", "--db-instance-class", "db.t3.micro",
        "--engine", "postgres", "--engine-version", "15", "--allocated-storage", "20",
        "--master-username", "master", "--master-user-password", PASSWORD, "--storage-encrypted",
        "--db-subnet-group-name", "cli", "--tags", "Key=team,Value=red", "--no-multi-az",
        "--backup-retention-period", "0",
    )  # fmt: skip
    assert made["DBInstance"]["StorageEncrypted"] is True
    found = made["DBInstance"]["DbiResourceId"]
    storage.report(found)
    aws("wait", "db-instance-available", "--db-instance-identifier", "cli")
    listed = aws("describe-db-instances", "--filters", "Name=dbi-resource-id,Values=" + found)
    assert [one["DBInstanceIdentifier"] for one in listed["DBInstances"]] == ["cli"]
    aws("modify-db-instance", "--db-instance-identifier", "cli", "--allocated-storage", "40", "--apply-immediately")
    assert storage.wanted(found)["SizeInBytes"] == 40 << 30
    aws("stop-db-instance", "--db-instance-identifier", "cli")
    storage.report(found, "STOPPED")
    aws("start-db-instance", "--db-instance-identifier", "cli")
    storage.report(found)
    aws("reboot-db-instance", "--db-instance-identifier", "cli")
    storage.report(found)
    tags = aws("list-tags-for-resource", "--resource-name", ARN + "cli")
    assert tags["TagList"] == TAGS
    versions = aws("describe-db-engine-versions", "--engine", "postgres", "--query", "DBEngineVersions[].EngineVersion")
    assert versions == ["13.22", "15.14"]
    aws("delete-db-instance", "--db-instance-identifier", "cli", "--skip-final-snapshot")
    storage.report(found, None, "GONE")
    aws("wait", "db-instance-deleted", "--db-instance-identifier", "cli")
    aws("delete-db-subnet-group", "--db-subnet-group-name", "cli")


def test_a_poll_waits_until_something_is_wanted_of_a_database(storage, world, rds):
    name, found = world.fresh()
    storage.report(found)
    _, known = storage.agent.call("PollVolumes", Databases=[{"Engine": "postgres", "EngineVersion": "15.14"}])
    timer = threading.Timer(0.5, lambda: rds.stop_db_instance(DBInstanceIdentifier=name))
    timer.start()
    began = time.monotonic()
    members = {"Databases": [{"Engine": "postgres", "EngineVersion": "15.14"}], "WaitSeconds": 20}
    _, heard = storage.agent.call("PollVolumes", Known=known["Known"], **members)
    assert heard["Known"] != known["Known"] and time.monotonic() - began < 10
    (volume,) = [one for one in heard["Volumes"] if one["VolumeId"] == found]
    assert volume["Database"]["Running"] is False
    storage.poll()


@pytest.mark.parametrize(
    "members,text",
    [
        ({"Databases": [{"Engine": "postgres", "EngineVersion": str(n)} for n in range(17)]}, "at most 16|less than or equal to 16"),
        ({"Databases": [{"Engine": "a b", "EngineVersion": "1"}]}, "regular expression"),
        ({"Databases": [{"Engine": "postgres"}]}, "must not be null"),
        ({"DatabaseAuthority": "-----BEGIN CERTIFICATE-----" + "x" * 4096}, "less than or equal to 4096"),
        ({"DatabaseAuthority": "no certificate"}, "regular expression"),
    ],
)
def test_what_an_agent_says_of_itself_has_limits(storage, members, text):
    status, answer = storage.agent.call("PollVolumes", **members)
    assert status == 400 and re.search(text, answer["message"]), answer


def test_a_denial_is_explained(server, storage, user, world):
    name = world.instance(Tags=TAGS)
    user.allow("rds:*", name="rds", Condition={"StringEquals": {"rds:db-tag/team": "red"}})
    user.allow("rds:*", name="no", effect="Deny", Condition={"Bool": {"rds:StorageEncrypted": "false"}})
    client = server.client("rds", credentials=user.credentials)

    def explained(*arguments):
        place = ("--data-dir", server.data_dir, "--endpoint-url", server.url)
        command = [binary(), "policy", "explain", *place, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        assert done.returncode in (0, 3), done.stderr
        return done.returncode, done.stdout

    asked = ("--principal", user.arn, "--action", "rds:StopDBInstance", "--resource", ARN + name)
    assert explained(*asked)[0] == 3
    with pytest.raises(ClientError) as caught:
        client.stop_db_instance(DBInstanceIdentifier=name)
    metadata = caught.value.response["ResponseMetadata"]
    event_of(server, metadata["RequestId"])
    code, text = explained("--request-id", metadata["RequestId"])
    assert code == 3 and "rds:StorageEncrypted" in text, text
    user.allow("rds:*", name="no", effect="Deny", Condition={"Bool": {"rds:StorageEncrypted": "true"}})
    assert explained(*asked)[0] == 0
    client.stop_db_instance(DBInstanceIdentifier=name)
