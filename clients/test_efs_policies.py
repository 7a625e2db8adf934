"""Policies of file systems, as resource policies of calls to EFS."""

import json
import uuid

from calls_efs import forget, make
from conftest import policy
from efs_fixtures import efs, file_system, server, storage, user
from errors import refused
from keyward import ACCOUNT, REGION

LOCKED_OUT = (
    "This policy would prevent future FileSystemPolicy updates. Retry the request with the "
    "BypassPolicyLockoutSafetyCheck parameter to apply this policy."
)


def statement(effect, *actions, principal="*", **more):
    return {"Effect": effect, "Principal": {"AWS": principal}, "Action": list(actions), **more}


def test_a_policy_is_put_shown_and_deleted(server, storage, efs, file_system, user):
    absent = "The file system has no such policy."
    with refused("PolicyNotFound", absent, 404):
        efs.describe_file_system_policy(FileSystemId=file_system)
    text = policy(statement("Allow", "elasticfilesystem:ClientMount", principal=user.arn))
    put = efs.put_file_system_policy(FileSystemId=file_system, Policy=text)
    assert (put["FileSystemId"], json.loads(put["Policy"])) == (file_system, json.loads(text))
    shown = efs.describe_file_system_policy(FileSystemId=file_system)
    assert (shown["FileSystemId"], shown["Policy"]) == (file_system, put["Policy"])
    # Whoever is deleted is shown by the unique id that the policy meant.
    iam = server.client("iam")
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials[0])
    iam.delete_user(UserName=user.name)
    shown = json.loads(efs.describe_file_system_policy(FileSystemId=file_system)["Policy"])
    assert shown["Statement"][0]["Principal"] == {"AWS": user.id}
    deleted = efs.delete_file_system_policy(FileSystemId=file_system)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 200
    efs.delete_file_system_policy(FileSystemId=file_system)
    with refused("PolicyNotFound", absent, 404):
        efs.describe_file_system_policy(FileSystemId=file_system)
    # It ends with the file system.
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(statement("Allow", "elasticfilesystem:ClientMount")))
    efs.delete_file_system(FileSystemId=file_system)
    forget(storage, file_system)
    with refused("FileSystemNotFound", status=404):
        efs.describe_file_system_policy(FileSystemId=file_system)


def test_what_is_no_policy(server, efs, file_system):
    for text, message in [
        ("{", "Syntax errors in policy."),
        (policy({"Effect": "Allow", "Action": "elasticfilesystem:ClientMount"}), None),
        (policy(statement("Allow", "ClientMount")), "Syntax errors in policy."),
        (policy(statement("Allow", "elasticfilesystem:ClientMount", principal=f"arn:aws:iam::{ACCOUNT}:user/nobody")), None),
    ]:
        with refused("InvalidPolicyException", message):
            efs.put_file_system_policy(FileSystemId=file_system, Policy=text)
    with refused("ValidationException"):
        efs.put_file_system_policy(FileSystemId=file_system, Policy=" " * 20001)
    allow = statement("Allow", "elasticfilesystem:ClientMount", Sid="x" * 19000)
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(allow))
    fresh = make(server)
    with refused("IncorrectFileSystemLifeCycleState", status=409):
        efs.put_file_system_policy(FileSystemId=fresh, Policy=policy(allow))


def test_a_policy_that_locks_its_author_out_needs_to_be_meant(efs, file_system):
    # The usual one: nothing without TLS, which this client does not have.
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    text = policy(statement("Deny", "*", Condition=insecure))
    with refused("InvalidPolicyException", LOCKED_OUT):
        efs.put_file_system_policy(FileSystemId=file_system, Policy=text)
    with refused("PolicyNotFound", status=404):
        efs.describe_file_system_policy(FileSystemId=file_system)
    efs.put_file_system_policy(FileSystemId=file_system, Policy=text, BypassPolicyLockoutSafetyCheck=True)
    with refused("AccessDeniedException", status=403):
        efs.delete_file_system_policy(FileSystemId=file_system)
    with refused("AccessDeniedException", status=403):
        efs.describe_file_systems(FileSystemId=file_system)


def test_it_lets_in_whom_no_identity_policy_does_and_denies_whom_one_allows(server, efs, file_system, user):
    mine = server.client("efs", credentials=user.credentials)
    text = f"User: {user.arn} is not authorized to perform: elasticfilesystem:{{}} on the specified resource"
    with refused("AccessDeniedException", text.format("DescribeFileSystems"), 403):
        mine.describe_file_systems(FileSystemId=file_system)
    arn = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{file_system}"
    allow = statement("Allow", "elasticfilesystem:Describe*", principal=user.arn, Resource=arn)
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(allow))
    assert mine.describe_file_systems(FileSystemId=file_system)["FileSystems"]
    # That is this file system's alone.
    with refused("AccessDeniedException", text.format("DescribeFileSystems"), 403):
        mine.describe_file_systems()
    with refused("AccessDeniedException", text.format("UpdateFileSystem"), 403):
        mine.update_file_system(FileSystemId=file_system, ThroughputMode="elastic")
    user.allow("elasticfilesystem:*")
    mine.update_file_system(FileSystemId=file_system, ThroughputMode="elastic")
    tagged = {"StringEquals": {"aws:ResourceTag/team": "red"}}
    deny = statement("Deny", "elasticfilesystem:TagResource", principal=user.arn, Condition=tagged)
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(allow, deny))
    tags = [{"Key": "team", "Value": "red"}]
    mine.tag_resource(ResourceId=file_system, Tags=tags)
    with refused("AccessDeniedException", text.format("TagResource"), 403):
        mine.tag_resource(ResourceId=file_system, Tags=tags)


def test_a_statement_for_another_resource_says_nothing(server, efs, file_system, user):
    mine = server.client("efs", credentials=user.credentials)
    other = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-00000000"
    allow = statement("Allow", "elasticfilesystem:*", principal=user.arn, Resource=other)
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(allow))
    with refused("AccessDeniedException", status=403):
        mine.describe_file_system_policy(FileSystemId=file_system)


def test_protection_from_replications_is_kept(server, storage, efs, file_system):
    protection = lambda: efs.describe_file_systems(FileSystemId=file_system)["FileSystems"][0]["FileSystemProtection"]  # noqa: E731
    assert protection() == {"ReplicationOverwriteProtection": "ENABLED"}
    off = efs.update_file_system_protection(FileSystemId=file_system, ReplicationOverwriteProtection="DISABLED")
    assert off["ReplicationOverwriteProtection"] == "DISABLED"
    assert protection() == {"ReplicationOverwriteProtection": "DISABLED"}
    text = "ReplicationOverwriteProtection can be set to ENABLED or DISABLED."
    with refused("BadRequest", text):
        efs.update_file_system_protection(FileSystemId=file_system, ReplicationOverwriteProtection="REPLICATING")
    with refused("FileSystemNotFound", status=404):
        efs.update_file_system_protection(FileSystemId="fs-01234567", ReplicationOverwriteProtection="ENABLED")
