"""`keyward policy explain` of what is decided about file systems: clients that were not let in, calls to EFS, and the
calls of KMS that EFS makes for whoever creates a file system."""

import json
import subprocess
import uuid

import pytest

from calls_efs import ALLOW, TAGS, identity, make, mount, wait
from conftest import policy
from efs_fixtures import efs, server, storage, user
from errors import refused
from keyward import ACCOUNT, REGION, binary, clean_environment, eventually
from test_events import trail

MOUNT = "elasticfilesystem:ClientMount"


@pytest.fixture
def file_system(server, storage):
    made = make(server, Tags=TAGS)
    wait(storage, made)
    return made


@pytest.fixture
def explain(server):
    """`keyward policy explain` as the account's root user: exit status and output."""

    def run(*arguments):
        place = ("--data-dir", server.data_dir, "--endpoint-url", server.url)
        command = [binary(), "policy", "explain", *place, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        return done.returncode, done.stdout if done.returncode in (0, 3) else done.stderr

    return run


def arn(file_system):
    return f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{file_system}"


def request_of(server, file_system):
    """The id of the last request about a client of a file system."""

    def found():
        events = [event for event in trail(server) if event["eventName"] == "NewClientConnection"]
        events = [event for event in events if event["requestParameters"]["fileSystemId"] == file_system]
        return events and events[-1]["requestID"]

    return eventually(found)


def test_why_a_client_without_credentials_was_not_let_in(server, storage, efs, file_system, explain):
    secure = {**ALLOW, "Sid": "OnlyTls", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(secure))
    assert mount(storage, file_system)[0] == 400
    request = request_of(server, file_system)
    status, told = explain("--request-id", request)
    assert status == 3
    assert told.startswith(f"DENIED: {MOUNT} on {arn(file_system)}\n  for anonymous\n"), told
    assert "no statement of the file system policy allows it" in told
    assert f"keyPolicy: the file system policy of {file_system}" in told
    assert '"OnlyTls"' in told and "aws:SecureTransport" in told
    assert "Since then" not in told
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(ALLOW))
    status, told = explain("--request-id", request)
    assert status == 0 and "The policy of the resource has been changed since then." in told, told


def test_why_a_user_was_not_let_in_and_what_would_let_it(server, storage, efs, file_system, user, explain):
    root = {**ALLOW, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(root))
    told = identity(file_system, user.credentials)
    assert mount(storage, file_system, Identity=told)[0] == 400
    status, told = explain("--request-id", request_of(server, file_system))
    assert status == 3 and told.startswith(f"DENIED: {MOUNT} on {arn(file_system)}\n  for {user.arn}\n"), told
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy({**root, "Action": "elasticfilesystem:Describe*"}))
    ask = ("--principal", user.arn, "--action", MOUNT, "--resource", arn(file_system))
    status, told = explain(*ask)
    assert status == 3
    assert "the file system policy or an identity policy of the caller must allow this, and none does." in told
    assert "What would allow it:" in told
    user.allow(MOUNT, resource=arn(file_system))
    status, told = explain(*ask)
    assert status == 0, told


def test_without_a_policy_the_default_is_the_reason(efs, file_system, explain):
    status, told = explain("--principal", "anonymous", "--action", MOUNT, "--resource", arn(file_system))
    assert status == 0
    assert f"keyPolicy: AWS's default, since {file_system} has no policy" in told, told


def test_tags_of_a_file_system_count(file_system, user, explain):
    ask = ("--principal", user.arn, "--action", "elasticfilesystem:DeleteFileSystem", "--resource", arn(file_system))
    for value, expected in [("blue", 3), ("red", 0)]:
        user.allow("elasticfilesystem:*", Condition={"StringEquals": {"aws:ResourceTag/team": value}})
        status, told = explain(*ask)
        assert status == expected, told


def test_a_case_about_a_file_system_is_decided_alike_without_a_server(efs, file_system, user, explain, tmp_path):
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(ALLOW))
    lines = []
    for principal, action, expect in [
        (user.arn, MOUNT, "Allow"),
        ("anonymous", MOUNT, "Allow"),
        ("anonymous", "elasticfilesystem:ClientWrite", "ImplicitDeny"),
    ]:
        _, case = explain("--principal", principal, "--action", action, "--resource", arn(file_system), "--output", "case")
        lines.append(json.dumps(json.loads(case) | {"expect": expect}))
    (tmp_path / "case.jsonl").write_text("\n".join(lines) + "\n")
    done = subprocess.run([binary(), "policy", "test", tmp_path / "case.jsonl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lacking", ["kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"])
def test_each_refusal_along_the_calls_of_a_creation_is_explained(server, storage, user, explain, lacking):
    key = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    needed = ["kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"]
    user.allow("elasticfilesystem:CreateFileSystem", *(action for action in needed if action != lacking))
    efs = server.client("efs", credentials=user.credentials)
    with refused("AccessDeniedException", status=403):
        efs.create_file_system(CreationToken=uuid.uuid4().hex, Encrypted=True, KmsKeyId=key)
    status, told = explain("--last-denied", "--principal", user.arn)
    assert status == 3
    assert told.startswith(f"DENIED: {lacking} on {key}\n  for {user.arn}\n"), told
    assert "What would allow it:" in told
    user.allow("elasticfilesystem:CreateFileSystem", *needed)
    status, _ = explain("--last-denied", "--principal", user.arn)
    assert status == 0


def test_a_refusal_of_efs_itself_is_explained(server, storage, user, explain):
    efs = server.client("efs", credentials=user.credentials)
    user.allow("elasticfilesystem:CreateFileSystem", Condition={"Bool": {"elasticfilesystem:Encrypted": "true"}})
    with refused("AccessDeniedException", status=403):
        efs.create_file_system(CreationToken=uuid.uuid4().hex)
    status, told = explain("--last-denied", "--principal", user.arn)
    assert status == 3
    assert told.startswith(f"DENIED: elasticfilesystem:CreateFileSystem on arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:*"), told
    assert "elasticfilesystem:Encrypted" in told
