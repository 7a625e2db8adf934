"""`keyward key impact`: what would become unreadable without a key, and who has used it."""

import json
import re
import subprocess
import uuid

import pytest

from calls_efs import agent, report
from keyward import ACCOUNT, REGION, Server, binary, clean_environment, eventually, user_arn
from wire import Wire

OPERATION = "DescribeKeyImpact"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("impact") / "data")
    server.agent = agent(server)
    yield server
    server.kill()


@pytest.fixture
def kms(server):
    return server.client("kms")


@pytest.fixture
def key(kms):
    return kms.create_key()["KeyMetadata"]["Arn"]


def run(*words, **environment):
    command = [binary(), "key", "impact", *words]
    return subprocess.run(command, capture_output=True, text=True, env={**clean_environment(), **environment})


def impact(server, *words):
    done = run("--data-dir", server.data_dir, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_json(server, *words):
    return json.loads(impact(server, "--output", "json", *words))


def file_system(server, key, name=None):
    tags = [{"Key": "Name", "Value": name}] if name else []
    made = server.client("efs").create_file_system(CreationToken=uuid.uuid4().hex, Encrypted=True, KmsKeyId=key, Tags=tags)
    return made["FileSystemArn"]


def test_a_key_that_nothing_needs(server, key):
    said = impact(server, key)
    nothing = rf"No resource of the account is encrypted under {key}\.\nNobody has used it in the last 30 days, since \d{{4}}-\d\d-\d\dT[\d:]+Z\.\n"
    assert re.match(nothing, said), said


def test_file_systems_and_users_of_the_key_are_listed(server, kms, key):
    other = kms.create_key()["KeyMetadata"]["Arn"]
    file_system(server, other)
    made = sorted([file_system(server, key, "home"), file_system(server, key)])
    name = f"impact-{uuid.uuid4().hex}"
    iam = server.client("iam")
    iam.create_user(UserName=name)
    allow = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    iam.put_user_policy(
        UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow})
    )
    made_key = iam.create_access_key(UserName=name)["AccessKey"]
    theirs = server.client("kms", credentials=(made_key["AccessKeyId"], made_key["SecretAccessKey"]))
    for _ in range(3):
        theirs.encrypt(KeyId=key, Plaintext=b"a")
    theirs.describe_key(KeyId=key)
    kms.create_alias(AliasName="alias/impact", TargetKeyId=key)
    users = lambda: {user["Principal"]: user for user in as_json(server, "alias/impact")["Users"]}  # noqa: E731
    eventually(lambda: users().get(user_arn(name), {}).get("Uses") == 3)
    found = as_json(server, "alias/impact")
    assert found["KeyId"] == key
    assert [(one["Arn"], one["Type"]) for one in found["Resources"]] == [(arn, "AWS::EFS::FileSystem") for arn in made]
    assert {one.get("Name") for one in found["Resources"]} == {"home", None}
    assert users()[user_arn(name)]["Operations"] == ["Encrypt"]
    # Root has created the file systems, for which EFS asked KMS.
    root = users()[ROOT]
    assert (root["Operations"], root["Via"]) == (
        ["GenerateDataKeyWithoutPlaintext"],
        ["elasticfilesystem.amazonaws.com"],
    )
    said = impact(server, key)
    assert said.startswith(f"2 resources would become unreadable without {key}:\n  {made[0]}"), said
    assert " (home)\n" in said
    assert re.search(rf"  {user_arn(name)}\n      3 times, last at [\dTZ:-]+: Encrypt\n", said), said
    assert re.search(rf"  {ROOT}\n      2 times, last at .*\n      through elasticfilesystem\.amazonaws\.com\n", said), said


def test_backups_become_unreadable_too(server, key):
    arn = file_system(server, key)
    (one,) = as_json(server, key)["Resources"]
    assert "NewestBackup" not in one
    assert "newest of" not in impact(server, key)
    file_system_id = arn.rsplit("/", 1)[1]
    backup = {"Tried": 1764547200, "Time": 1764547200, "Generation": 7}
    report(server.agent, file_system_id, "READY", Backup=backup)
    (one,) = as_json(server, key)["Resources"]
    assert one["NewestBackup"] == {"Time": "2025-12-01T00:00:00Z", "Generation": 7}
    said = impact(server, key)
    assert f"  {arn}\n      and its backups, the newest of 2025-12-01T00:00:00Z\n" in said
    assert "\nNotes:\n" in said and "It knows nothing of backups of file systems that were deleted" in said


def test_resources_come_in_pages(server, key):
    made = sorted(file_system(server, key) for _ in range(5))
    call = lambda **members: ask(server, {"KeyId": key, **members})  # noqa: E731
    first = call(Limit=2)
    assert [one["Arn"] for one in first["Resources"]] == made[:2]
    assert (first["Truncated"], first["NextMarker"]) == (True, made[1])
    second = call(Limit=2, Marker=first["NextMarker"])
    assert [one["Arn"] for one in second["Resources"]] == made[2:4]
    # Who has used it is told once.
    assert "Users" in first and "Users" not in second
    last = call(Limit=2, Marker=second["NextMarker"])
    assert [one["Arn"] for one in last["Resources"]] == made[4:]
    assert last["Truncated"] is False and "NextMarker" not in last


def ask(server, members):
    """Asks the operation itself."""
    answer = Wire(server).json("keyward", f"Keyward_20261101.{OPERATION}", members)
    return answer.json


def test_what_is_not_possible_is_refused(server, key):
    assert ask(server, {"KeyId": key, "Days": 401})["__type"] == "ValidationException"
    assert ask(server, {"KeyId": key, "Limit": 101})["__type"] == "ValidationException"
    done = run("--data-dir", server.data_dir, "--days", "0", key)
    assert done.returncode == 2 and "0 is not in 1..=400" in done.stderr, done.stderr


def test_it_needs_a_permission_of_its_own(server, key):
    name = f"impact-{uuid.uuid4().hex}"
    iam = server.client("iam")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    environment = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
    }
    done = run(key, **environment)
    assert done.returncode == 1
    assert f"User: {user_arn(name)} is not authorized to perform: keyward:DescribeKeyImpact on resource: " in done.stderr
