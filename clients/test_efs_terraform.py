"""The calls that Terraform's resources of EFS make, in their order, with the waits of its provider: create, read back,
change, delete until it is gone. The agent is played by the test."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from calls_efs import DEFAULT_GROUP, DEFAULT_SUBNET, agent, forget, serve, wait
from conftest import policy
from errors import refused
from keyward import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("terraform") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def storage(server):
    return agent(server)


@pytest.fixture(scope="module")
def efs(server, storage):
    return server.client("efs")


@pytest.fixture
def file_system(server, storage, efs):
    """`aws_efs_file_system`, created and destroyed as the provider does it."""
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    made = efs.create_file_system(
        CreationToken=f"terraform-{uuid.uuid4().hex[:26]}",
        Encrypted=True,
        KmsKeyId=key,
        PerformanceMode="generalPurpose",
        ThroughputMode="bursting",
        Tags=[{"Key": "Name", "Value": "data"}],
    )
    found = made["FileSystemId"]
    assert state(efs, found) == "creating"
    wait(storage, found)
    assert state(efs, found) == "available"
    yield found
    efs.delete_file_system(FileSystemId=found)
    assert state(efs, found) == "deleting"
    forget(storage, found)
    with refused("FileSystemNotFound", status=404):
        state(efs, found)
    assert kms.list_grants(KeyId=key)["Grants"] == []


def state(efs, file_system):
    """One step of the provider's wait."""
    (found,) = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
    return found["LifeCycleState"]


def test_aws_efs_file_system(efs, file_system):
    policies = [{"TransitionToIA": "AFTER_30_DAYS"}, {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"}]
    efs.put_lifecycle_configuration(FileSystemId=file_system, LifecyclePolicies=policies)
    efs.update_file_system_protection(FileSystemId=file_system, ReplicationOverwriteProtection="DISABLED")
    # Read.
    (found,) = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
    assert found["Tags"] == [{"Key": "Name", "Value": "data"}] and found["Name"] == "data"
    assert found["FileSystemProtection"] == {"ReplicationOverwriteProtection": "DISABLED"}
    assert (found["Encrypted"], found["ThroughputMode"], found["NumberOfMountTargets"]) == (True, "bursting", 0)
    assert efs.describe_lifecycle_configuration(FileSystemId=file_system)["LifecyclePolicies"] == policies
    # Update: another throughput, no lifecycle policies, other tags.
    efs.update_file_system(FileSystemId=file_system, ThroughputMode="provisioned", ProvisionedThroughputInMibps=16)
    assert state(efs, file_system) == "available"
    efs.put_lifecycle_configuration(FileSystemId=file_system, LifecyclePolicies=[])
    efs.untag_resource(ResourceId=file_system, TagKeys=["Name"])
    efs.tag_resource(ResourceId=file_system, Tags=[{"Key": "env", "Value": "prod"}])
    (found,) = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
    assert (found["Tags"], found["ProvisionedThroughputInMibps"]) == ([{"Key": "env", "Value": "prod"}], 16)
    assert efs.describe_lifecycle_configuration(FileSystemId=file_system)["LifecyclePolicies"] == []


def test_aws_efs_access_point(efs, file_system):
    made = efs.create_access_point(
        ClientToken=f"terraform-{uuid.uuid4().hex[:26]}",
        FileSystemId=file_system,
        PosixUser={"Uid": 1001, "Gid": 1001},
        RootDirectory={"Path": "/data", "CreationInfo": {"OwnerUid": 1001, "OwnerGid": 1001, "Permissions": "755"}},
        Tags=[{"Key": "Name", "Value": "data"}],
    )
    point = made["AccessPointId"]
    (found,) = efs.describe_access_points(AccessPointId=point)["AccessPoints"]
    assert found["LifeCycleState"] == "available"
    assert found["RootDirectory"]["CreationInfo"]["Permissions"] == "755"
    efs.tag_resource(ResourceId=found["AccessPointId"], Tags=[{"Key": "env", "Value": "prod"}])
    efs.delete_access_point(AccessPointId=point)
    with refused("AccessPointNotFound", status=404):
        efs.describe_access_points(AccessPointId=point)


def test_aws_efs_mount_target(storage, efs, file_system):
    made = efs.create_mount_target(FileSystemId=file_system, SubnetId=DEFAULT_SUBNET, SecurityGroups=[DEFAULT_GROUP])
    target = made["MountTargetId"]
    described = lambda: efs.describe_mount_targets(MountTargetId=target)["MountTargets"][0]  # noqa: E731
    assert described()["LifeCycleState"] == "creating"
    serve(storage, file_system)
    # Read, with what the resource exports.
    found = described()
    assert found["LifeCycleState"] == "available"
    exported = ["AvailabilityZoneId", "AvailabilityZoneName", "FileSystemId", "IpAddress", "NetworkInterfaceId"]
    assert all(found[name] for name in [*exported, "OwnerId", "SubnetId", "VpcId"])
    groups = efs.describe_mount_target_security_groups(MountTargetId=target)["SecurityGroups"]
    assert groups == [DEFAULT_GROUP]
    efs.modify_mount_target_security_groups(MountTargetId=target, SecurityGroups=groups)
    # It is destroyed before the file system, which waits for it.
    with refused("FileSystemInUse", status=409):
        efs.delete_file_system(FileSystemId=file_system)
    efs.delete_mount_target(MountTargetId=target)
    assert described()["LifeCycleState"] == "deleting"
    serve(storage, file_system)
    with refused("MountTargetNotFound", status=404):
        described()


def test_aws_efs_backup_policy(efs, file_system):
    no_place = "Automatic backups cannot be enabled: the agent that stores the file system has no place for them. Start it with `keyward agent run --backup-to`."
    with refused("BadRequest", no_place):
        efs.put_backup_policy(FileSystemId=file_system, BackupPolicy={"Status": "ENABLED"})
    efs.put_backup_policy(FileSystemId=file_system, BackupPolicy={"Status": "DISABLED"})
    # Read, and what destroys it: to disable it again.
    assert efs.describe_backup_policy(FileSystemId=file_system)["BackupPolicy"]["Status"] == "DISABLED"
    efs.put_backup_policy(FileSystemId=file_system, BackupPolicy={"Status": "DISABLED"})


def test_aws_efs_file_system_policy(efs, file_system):
    statement = {
        "Sid": "ExampleStatement01",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }
    text = policy(statement)
    efs.put_file_system_policy(FileSystemId=file_system, Policy=text, BypassPolicyLockoutSafetyCheck=False)
    found = efs.describe_file_system_policy(FileSystemId=file_system)
    assert json.loads(found["Policy"]) == json.loads(text)
    efs.delete_file_system_policy(FileSystemId=file_system)
    with refused("PolicyNotFound", status=404):
        efs.describe_file_system_policy(FileSystemId=file_system)


def test_a_creation_that_is_made_again_finds_what_it_made(efs, file_system):
    (found,) = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
    with pytest.raises(ClientError) as caught:
        efs.create_file_system(CreationToken=found["CreationToken"])
    assert caught.value.response["FileSystemId"] == file_system
