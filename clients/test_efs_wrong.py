"""Calls of CreateFileSystem that cannot succeed: AWS's errors, and nothing half made remains: no grant, no volume,
no file system."""

import contextlib
import subprocess
import uuid

import pytest

from calls_efs import make, wait
from conftest import DELEGATION, policy
from efs_fixtures import efs, kms, storage, user
from errors import refused
from keyward import ACCOUNT, REGION, Server, binary, clean_environment
from test_accounts import OTHER, credentials_in

NEEDED = ["kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("wrong") / "data"
    for arguments in [["init"], ["account", "create", "--account-id", OTHER, "--name", "Second"]]:
        subprocess.run([binary(), *arguments, "--data-dir", data], check=True, capture_output=True, env=clean_environment())
    server = Server(data)
    server.other = credentials_in(data / f"credentials-{OTHER}")
    yield server
    server.kill()


@pytest.fixture
def nothing_remains(server, storage):
    """A block that leaves no volume, no file system and no grant on the keys."""

    @contextlib.contextmanager
    def check(*keys, kms=None):
        kms = kms or server.client("kms")
        efs = server.client("efs")
        state = lambda: (  # noqa: E731
            storage.call("PollVolumes", WaitSeconds=0)[1]["Volumes"],
            [one["FileSystemId"] for one in efs.describe_file_systems()["FileSystems"]],
            [kms.list_grants(KeyId=key)["Grants"] for key in keys],
        )
        before = state()
        yield
        assert state() == before

    return check


def create(efs, key=None, **more):
    given = {"KmsKeyId": key} if key else {}
    return efs.create_file_system(CreationToken=uuid.uuid4().hex, Encrypted=True, **given, **more)


@pytest.mark.parametrize("lacking", NEEDED)
def test_a_caller_whom_kms_denies_a_call_has_no_file_system(server, storage, kms, user, nothing_remains, lacking):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    user.allow("elasticfilesystem:*", *(action for action in NEEDED if action != lacking))
    text = (
        f"User: {user.arn} is not authorized to perform: {lacking} on resource: {key} because no "
        f"identity-based policy allows the {lacking} action"
    )
    with nothing_remains(key), refused("AccessDeniedException", text, 403):
        create(server.client("efs", credentials=user.credentials), key)
    user.allow("elasticfilesystem:*", *NEEDED)
    create(server.client("efs", credentials=user.credentials), key)


def test_who_may_use_the_key_but_not_create_file_systems_does_nothing_with_it(server, storage, kms, user, nothing_remains):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    user.allow("kms:*")
    text = f"User: {user.arn} is not authorized to perform: elasticfilesystem:CreateFileSystem on the specified resource"
    with nothing_remains(key), refused("AccessDeniedException", text, 403):
        create(server.client("efs", credentials=user.credentials), key)


def test_a_key_must_be_usable_and_of_the_region(server, storage, efs, kms, nothing_remains):
    key = kms.create_key()["KeyMetadata"]
    kms.disable_key(KeyId=key["KeyId"])
    with nothing_remains(key["Arn"]), refused("BadRequest", f"{key['Arn']} is disabled. [error=DisabledException]"):
        create(efs, key["KeyId"])
    kms.enable_key(KeyId=key["KeyId"])
    kms.schedule_key_deletion(KeyId=key["KeyId"])
    text = f"{key['Arn']} is pending deletion. [error=KMSInvalidStateException]"
    with nothing_remains(key["Arn"]), refused("BadRequest", text):
        create(efs, key["KeyId"])
    elsewhere = server.client("kms", region="eu-west-1")
    there = elsewhere.create_key()["KeyMetadata"]["Arn"]
    text = "Invalid arn eu-west-1 [error=NotFoundException]"
    with nothing_remains(there, kms=elsewhere), refused("BadRequest", text):
        create(efs, there)
    absent = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{uuid.uuid4()}"
    text = f"Key '{absent}' does not exist [error=NotFoundException]"
    with nothing_remains(), refused("BadRequest", text):
        create(efs, absent)


def test_a_key_of_another_account_needs_both_sides(server, storage, user, nothing_remains):
    theirs = server.client("kms", credentials=server.other)
    mine = server.client("efs", credentials=user.credentials)
    user.allow("elasticfilesystem:*", "kms:*")
    delegation = {**DELEGATION, "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}
    key = theirs.create_key(Policy=policy(delegation))["KeyMetadata"]["Arn"]
    with nothing_remains(key, kms=theirs), refused("AccessDeniedException", status=403):
        create(mine, key)
    let = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": NEEDED, "Resource": "*"}
    theirs.put_key_policy(KeyId=key, Policy=policy(delegation, let))
    made = create(mine, key)
    assert made["KmsKeyId"] == key
    (grant,) = theirs.list_grants(KeyId=key)["Grants"]
    context = {"aws:elasticfilesystem:filesystem:id": made["FileSystemId"]}
    assert grant["Constraints"] == {"EncryptionContextEquals": context}
    user.allow("elasticfilesystem:*")
    with nothing_remains(key, kms=theirs), refused("AccessDeniedException", status=403):
        create(mine, key)


def test_without_an_agent_there_is_no_grant(server, storage, kms, nothing_remains):
    efs = server.client("efs", region="us-west-2")
    there = server.client("kms", region="us-west-2")
    key = there.create_key()["KeyMetadata"]["Arn"]
    with nothing_remains(key, kms=there), refused("InternalServerError", status=500):
        create(efs, key)
    assert efs.describe_file_systems()["FileSystems"] == []


def test_a_token_that_was_used_makes_no_second_grant(storage, efs, kms, nothing_remains):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    token = uuid.uuid4().hex
    efs.create_file_system(CreationToken=token, Encrypted=True, KmsKeyId=key)
    with nothing_remains(key), refused("FileSystemAlreadyExists", status=409):
        efs.create_file_system(CreationToken=token, Encrypted=True, KmsKeyId=key)


def test_the_grant_of_one_file_system_opens_no_other(server, storage, kms):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    one, other = [make(server, Encrypted=True, KmsKeyId=key) for _ in range(2)]
    for made in [one, other]:
        wait(storage, made)
    of_one = {"EncryptionContextEquals": {"aws:elasticfilesystem:filesystem:id": one}}
    (grant,) = [grant for grant in kms.list_grants(KeyId=key)["Grants"] if grant["Constraints"] == of_one]
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    status, told = storage.call("OpenVolume", VolumeId=one)
    assert (status, told["__type"]) == (400, "AccessDeniedException")
    assert storage.call("OpenVolume", VolumeId=other)[0] == 200
