"""As amazon-efs-utils mounts: TLS, with the certificate that it makes for a mount, against a server and its agent."""

import os
import subprocess

import pytest

import efs_certificate
import nfs
from conftest import User, policy
from keyward import Server, eventually
from storage import arn, create, efs, iam, kms, storage
from uml import Uml

if nfs.missing() and os.environ.get("CI") != "true":
    pytest.skip(nfs.missing(), allow_module_level=True)

SUBNET = "subnet-0000000a"
CONFIGURATION = """
[network.subnets.subnet-0000000a]
availability_zone = "us-east-1a"
cidr = "{network}"
"""


@pytest.fixture(scope="module")
def uml():
    with Uml() as booted:
        yield booted


@pytest.fixture
def own_server(tmp_path, uml):
    """A server whose subnet is the guest's network."""
    config = tmp_path / "keyward.toml"
    config.write_text(CONFIGURATION.format(network=uml.host.rsplit(".", 1)[0] + ".0/24"))
    server = Server(tmp_path / "data", "--config", config)
    yield server
    server.kill()


def target_state(efs, target):
    (found,) = efs.describe_mount_targets(MountTargetId=target)["MountTargets"]
    return found["LifeCycleState"]


@pytest.fixture
def served(storage, efs, arn, uml):
    """An encrypted file system, and its mount target on the guest's network."""
    file_system = create(efs, Encrypted=True, KmsKeyId=arn)
    made = efs.create_mount_target(
        FileSystemId=file_system, SubnetId=SUBNET, IpAddress=uml.host
    )
    target = made["MountTargetId"]
    eventually(lambda: target_state(efs, target) == "available", seconds=60)
    yield file_system, target
    uml.run("umount -f -l /mnt/* 2>/dev/null; pkill stunnel4; true", seconds=60)


def mount(uml, options="vers=4.1", folder="m", **more):
    done = uml.mount(folder, options, **more)
    assert done.status == 0, done
    return f"/mnt/{folder}"


def test_a_deleted_mount_target_is_not_listened_on(storage, efs, served, uml):
    _, target = served
    at = mount(uml)
    uml.check(f"touch {at}/file; umount {at}")
    efs.delete_mount_target(MountTargetId=target)

    def is_gone():
        try:
            return target_state(efs, target) is None
        except efs.exceptions.MountTargetNotFound:
            return True

    eventually(is_gone, seconds=30)
    listening = subprocess.run(["ss", "-H", "-l", "-t", "-n"], capture_output=True, text=True).stdout
    assert f"{uml.host}:2049" not in listening


class TestIam:
    """As `mount -t efs -o tls,iam` mounts."""

    def test_the_policy_decides_about_whoever_signed(self, own_server, storage, efs, iam, served, uml, tmp_path):
        file_system, _ = served
        user = User(own_server, iam)
        reads = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": ["elasticfilesystem:ClientMount"]}
        secure = {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}
        efs.put_file_system_policy(FileSystemId=file_system, Policy=policy({**reads, **secure, "Resource": "*"}))
        denied = uml.mount("anonymous", "vers=4.1", seconds=60)
        assert denied.status != 0 and "access denied by server" in denied.output, denied

        certificate = efs_certificate.make(tmp_path, file_system, credentials=(*user.credentials, None))
        options = nfs.tunnel(uml, tmp_path, 20101, certificate)
        at = mount(uml, options, server="127.0.0.1")
        assert "Read-only file system" in uml.run(f"touch {at}/file").output
        reads["Action"] += ["elasticfilesystem:ClientWrite", "elasticfilesystem:ClientRootAccess"]
        efs.put_file_system_policy(FileSystemId=file_system, Policy=policy({**reads, **secure, "Resource": "*"}))
        # The connection ends, and the next one may write.
        eventually(lambda: uml.run(f"touch {at}/file", seconds=60).status == 0, seconds=60)

        # A signature by another key pair, or by an access key that is not good any more, is nobody's.
        iam.update_access_key(UserName=user.name, AccessKeyId=user.credentials[0], Status="Inactive")
        other = efs_certificate.make(tmp_path, file_system, credentials=(*user.credentials, None))
        refused = uml.mount("refused", nfs.tunnel(uml, tmp_path, 20102, other), server="127.0.0.1", seconds=60)
        assert refused.status != 0 and "access denied by server" in refused.output, refused

    def test_an_access_point_is_enforced(self, own_server, storage, efs, served, uml, tmp_path):
        file_system, _ = served
        made = efs.create_access_point(
            FileSystemId=file_system,
            PosixUser={"Uid": 4000, "Gid": 4001, "SecondaryGids": [4002]},
            RootDirectory={"Path": "/of/point", "CreationInfo": {"OwnerUid": 4000, "OwnerGid": 4001, "Permissions": "0750"}},
        )
        point = made["AccessPointId"]
        eventually(lambda: efs.describe_access_points(AccessPointId=point)["AccessPoints"][0]["LifeCycleState"] == "available")
        certificate = efs_certificate.make(tmp_path, file_system, access_point=point)
        at = mount(uml, nfs.tunnel(uml, tmp_path, 20103, certificate), server="127.0.0.1")
        uml.check(f"touch {at}/file; sync")
        here = storage.mount(file_system)
        found = (here / "of/point/file").stat()
        assert (found.st_uid, found.st_gid) == (4000, 4001)
        found = (here / "of/point").stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (4000, 4001, 0o750)
        storage.unmount(here)
