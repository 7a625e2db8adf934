"""What the tests of EFS need of a storage agent, and of a client that mounts, both played by the tests."""

import datetime
import hashlib
import hmac
import json
import urllib.parse
import uuid

from conftest import policy
from keyward import REGION
from test_agents import TARGET, Agent, register
from wire import Wire

DEFAULT_SUBNET = "subnet-00000000000000001"
DEFAULT_VPC = "vpc-00000000000000001"
DEFAULT_GROUP = "sg-00000000000000001"


def agent(server, credentials=None):
    """An agent of the account of the server's root user, or of whoever has these credentials."""
    if credentials is None:
        return Agent(server)
    made = Wire(server, credentials=credentials).json("keyward", TARGET + "CreateAgentToken", {"AgentName": "a"})
    return Agent(server, token=json.loads(made.body)["Token"])


def wanted(storage, file_system):
    """What is wanted of a volume."""
    _, known = storage.call("PollVolumes", WaitSeconds=0)
    (volume,) = [one for one in known["Volumes"] if one["VolumeId"] == file_system]
    return volume


def report(storage, file_system, state, **more):
    generation = wanted(storage, file_system)["Generation"]
    told = {"VolumeId": file_system, "Generation": generation, "State": state, **more}
    status, answer = storage.call("ReportVolumes", Volumes=[told])
    assert (status, answer) == (200, {"Stale": []})


def wait(storage, file_system):
    """Makes a file system available."""
    report(storage, file_system, "READY")


def forget(storage, file_system):
    """Has a deleted file system be gone."""
    report(storage, file_system, "GONE")


def make(server, **members):
    """The id of a new file system."""
    made = server.client("efs").create_file_system(CreationToken=uuid.uuid4().hex, **members)
    return made["FileSystemId"]


def serve(storage, file_system, state="READY"):
    """Has the agent serve the mount targets that it is told of, and no others."""
    targets = wanted(storage, file_system)["Targets"]
    served = [{"MountTargetId": target["MountTargetId"], "State": state} for target in targets]
    report(storage, file_system, "READY", Targets=served)
    return targets


def identity(file_system, credentials, at=None, host=None, region=REGION, key_hash="ab" * 20):
    """What the certificate of `mount.efs -o tls,iam` says: the access key's signature of the client's public
    key, for a file system. Signed by the steps that efs-utils publishes: there is no empty line after the headers."""
    key, secret, *token = credentials
    at = at or datetime.datetime.now(datetime.timezone.utc)
    stamp, date = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
    scope = f"{date}/{region}/elasticfilesystem/aws4_request"
    query = {
        "Action": "Connect",
        "PublicKeyHash": key_hash,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": "86400",
        "X-Amz-SignedHeaders": "host",
    }
    if token:
        query["X-Amz-Security-Token"] = token[0]
    query = "&".join(f"{name}={urllib.parse.quote_plus(value)}" for name, value in sorted(query.items()))
    nothing = hashlib.sha256(b"").hexdigest()
    request = f"GET\n/\n{query}\nhost:{host or file_system}\nhost\n{nothing}"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing = f"AWS4{secret}".encode()
    for part in [date, region, "elasticfilesystem", "aws4_request", to_sign]:
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    told = {"AccessKeyId": key, "DateTime": stamp, "Signature": signing.hex(), "PublicKeyHash": key_hash}
    return {**told, "SessionToken": token[0]} if token else told


def mount(storage, file_system, **members):
    """Asks, as the agent, whether a client may mount: status and body. Without anything else, it is one on the
    agent's own machine, without TLS and without credentials."""
    members = {"SecureTransport": False, "ClientAddress": "127.0.0.1", **members}
    return storage.call("AuthorizeMount", VolumeId=file_system, **members)


TAGS = [{"Key": "team", "Value": "red"}]
ALLOW = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "elasticfilesystem:ClientMount"}


class World:
    """What a call needs: `maker` makes it, and `efs` makes the call. Every file system has this policy, if one is
    given."""

    def __init__(self, server, storage, credentials=None, maker=None, own_policy=None):
        self.server, self.storage, self.policy = server, storage, own_policy
        self.maker = server.client("efs", credentials=maker)
        self.efs = server.client("efs", credentials=credentials) if credentials else self.maker

    def fresh(self, **members):
        """A file system that is not there yet."""
        return self.maker.create_file_system(CreationToken=uuid.uuid4().hex, **members)["FileSystemId"]

    def file_system(self, **members):
        made = self.fresh(**members)
        wait(self.storage, made)
        if self.policy:
            self.maker.put_file_system_policy(
                FileSystemId=made, Policy=self.policy, BypassPolicyLockoutSafetyCheck=True
            )
        return made

    def with_policy(self):
        made = self.file_system()
        if not self.policy:
            self.maker.put_file_system_policy(FileSystemId=made, Policy=policy(ALLOW))
        return made

    def with_backups(self):
        made = self.file_system()
        self.maker.put_backup_policy(FileSystemId=made, BackupPolicy={"Status": "DISABLED"})
        return made

    def target(self, file_system=None):
        made = self.maker.create_mount_target(FileSystemId=file_system or self.file_system(), SubnetId=DEFAULT_SUBNET)
        return made["MountTargetId"]

    def with_target(self):
        made = self.file_system()
        self.target(made)
        return made

    def point(self):
        made = self.maker.create_access_point(ClientToken=uuid.uuid4().hex, FileSystemId=self.file_system())
        return made["AccessPointId"]


# For each operation that is served a call of it; a name with a dash is a call that fails.
CALLS = {
    "CreateAccessPoint": lambda w: w.efs.create_access_point(
        ClientToken=uuid.uuid4().hex,
        Tags=TAGS,
        FileSystemId=w.file_system(),
        PosixUser={"Uid": 1000, "Gid": 1001, "SecondaryGids": [7]},
        RootDirectory={
            "Path": "/people/ada",
            "CreationInfo": {"OwnerUid": 1000, "OwnerGid": 1001, "Permissions": "0750"},
        },
    ),
    "CreateFileSystem": lambda w: w.efs.create_file_system(
        CreationToken=uuid.uuid4().hex,
        Encrypted=True,
        ThroughputMode="provisioned",
        ProvisionedThroughputInMibps=2.5,
        Tags=TAGS,
    ),
    "CreateFileSystem-key-not-found": lambda w: w.efs.create_file_system(
        CreationToken=uuid.uuid4().hex, Encrypted=True, KmsKeyId="alias/nothing"
    ),
    "CreateMountTarget": lambda w: w.efs.create_mount_target(
        FileSystemId=w.file_system(), SubnetId=DEFAULT_SUBNET, SecurityGroups=[DEFAULT_GROUP]
    ),
    "CreateMountTarget-not-available": lambda w: w.efs.create_mount_target(
        FileSystemId=w.fresh(), SubnetId=DEFAULT_SUBNET
    ),
    "CreateTags": lambda w: w.efs.create_tags(FileSystemId=w.file_system(), Tags=TAGS),
    "DeleteAccessPoint": lambda w: w.efs.delete_access_point(AccessPointId=w.point()),
    "DeleteFileSystem": lambda w: w.efs.delete_file_system(FileSystemId=w.file_system()),
    "DeleteFileSystem-in-use": lambda w: w.efs.delete_file_system(FileSystemId=w.with_target()),
    "DeleteFileSystemPolicy": lambda w: w.efs.delete_file_system_policy(FileSystemId=w.with_policy()),
    "DeleteMountTarget": lambda w: w.efs.delete_mount_target(MountTargetId=w.target()),
    "DeleteTags": lambda w: w.efs.delete_tags(FileSystemId=w.file_system(Tags=TAGS), TagKeys=["team"]),
    "DescribeAccessPoints": lambda w: w.efs.describe_access_points(AccessPointId=w.point()),
    "DescribeAccountPreferences": lambda w: w.efs.describe_account_preferences(),
    "DescribeBackupPolicy": lambda w: w.efs.describe_backup_policy(FileSystemId=w.with_backups()),
    "DescribeFileSystemPolicy": lambda w: w.efs.describe_file_system_policy(FileSystemId=w.with_policy()),
    "DescribeFileSystems": lambda w: w.efs.describe_file_systems(FileSystemId=w.file_system()),
    "DescribeFileSystems-not-found": lambda w: w.efs.describe_file_systems(FileSystemId="fs-01234567"),
    "DescribeLifecycleConfiguration": lambda w: w.efs.describe_lifecycle_configuration(
        FileSystemId=w.file_system()
    ),
    "DescribeMountTargetSecurityGroups": lambda w: w.efs.describe_mount_target_security_groups(
        MountTargetId=w.target()
    ),
    "DescribeMountTargets": lambda w: w.efs.describe_mount_targets(MountTargetId=w.target()),
    "DescribeReplicationConfigurations": lambda w: w.efs.describe_replication_configurations(),
    "DescribeTags": lambda w: w.efs.describe_tags(FileSystemId=w.file_system(Tags=TAGS)),
    "ListTagsForResource": lambda w: w.efs.list_tags_for_resource(ResourceId=w.file_system(Tags=TAGS)),
    "ModifyMountTargetSecurityGroups": lambda w: w.efs.modify_mount_target_security_groups(
        MountTargetId=w.target(), SecurityGroups=[DEFAULT_GROUP]
    ),
    "PutAccountPreferences": lambda w: w.efs.put_account_preferences(ResourceIdType="LONG_ID"),
    "PutBackupPolicy": lambda w: w.efs.put_backup_policy(
        FileSystemId=w.file_system(), BackupPolicy={"Status": "DISABLED"}
    ),
    "PutFileSystemPolicy": lambda w: w.efs.put_file_system_policy(
        FileSystemId=w.file_system(), Policy=policy(ALLOW), BypassPolicyLockoutSafetyCheck=True
    ),
    "PutFileSystemPolicy-malformed": lambda w: w.efs.put_file_system_policy(
        FileSystemId=w.file_system(), Policy="{}"
    ),
    "PutLifecycleConfiguration": lambda w: w.efs.put_lifecycle_configuration(
        FileSystemId=w.file_system(), LifecyclePolicies=[{"TransitionToIA": "AFTER_30_DAYS"}]
    ),
    "TagResource": lambda w: w.efs.tag_resource(ResourceId=w.file_system(), Tags=TAGS),
    "UntagResource": lambda w: w.efs.untag_resource(ResourceId=w.file_system(Tags=TAGS), TagKeys=["team"]),
    "UpdateFileSystem": lambda w: w.efs.update_file_system(FileSystemId=w.file_system(), ThroughputMode="elastic"),
    "UpdateFileSystemProtection": lambda w: w.efs.update_file_system_protection(
        FileSystemId=w.file_system(), ReplicationOverwriteProtection="DISABLED"
    ),
}
