"""Encrypted file systems over NFS, end to end: EFS and KMS by boto3, an agent, and the NFS client of a real kernel."""

import os
import subprocess

import pytest

import nfs
from conftest import policy
from keyward import Server, eventually
from storage import Storage, available, contains, create, files_of, state
from uml import Uml
from volumes import require

if nfs.missing() and os.environ.get("CI") != "true":
    pytest.skip(nfs.missing(), allow_module_level=True)

TEXT = "the quarterly figures, which nobody may read"
SUBNET = "subnet-0a1b2c3d"


@pytest.fixture(scope="module")
def uml():
    with Uml() as booted:
        yield booted


@pytest.fixture
def server(tmp_path, uml):
    """A server that has mount targets on the guest's network."""
    config = tmp_path / "keyward.toml"
    network = uml.host.rsplit(".", 1)[0]
    config.write_text(
        f'[network.subnets.{SUBNET}]\navailability_zone = "us-east-1a"\ncidr = "{network}.0/24"\n'
        f'[network.security_groups.sg-0a1b2c3d]\ningress = ["192.0.2.0/24"]\n'
    )
    server = Server(tmp_path / "data", "--config", config)
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.fixture
def storage(server, tmp_path, uml):
    require()
    storage = Storage(server, tmp_path)
    yield storage
    uml.run("umount -f -l /mnt/* 2>/dev/null; true")
    storage.end()


@pytest.fixture
def efs(server):
    return server.client("efs")


@pytest.fixture
def kms(server):
    return server.client("kms")


@pytest.fixture
def arn(kms):
    return kms.create_key()["KeyMetadata"]["Arn"]


def target_state(efs, target):
    try:
        (found,) = efs.describe_mount_targets(MountTargetId=target)["MountTargets"]
    except efs.exceptions.MountTargetNotFound:
        return None
    return found["LifeCycleState"]


def served(efs, file_system, address, **more):
    """A mount target, when it is served."""
    made = efs.create_mount_target(FileSystemId=file_system, SubnetId=SUBNET, IpAddress=address, **more)
    target = made["MountTargetId"]
    eventually(lambda: target_state(efs, target) == "available", seconds=30)
    return target


def mount(uml, folder, options="vers=4.1"):
    done = uml.mount(folder, options)
    assert done.status == 0, done
    return f"/mnt/{folder}"


def fails(uml, script):
    """Whether a script fails, and does so by an I/O error."""
    done = uml.run(script)
    return done.status != 0 and "Input/output error" in done.output


def test_a_mounted_client_reads_nothing_while_the_key_is_off_and_goes_on_when_it_is_back(
    uml, storage, efs, kms, arn
):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn)
    target = served(efs, file_system, uml.host)
    at = mount(uml, "shared")
    uml.check(f"cd {at}; echo '{TEXT}' > file; sync; mkdir folder")
    assert [file for file in files_of(storage.folder) if contains(file, TEXT.encode())] == []
    kms.disable_key(KeyId=arn)
    eventually(lambda: fails(uml, f"cat {at}/file"), seconds=10)
    assert fails(uml, f"touch {at}/new")
    eventually(lambda: state(efs, file_system) == "error")
    kms.enable_key(KeyId=arn)
    available(efs, file_system)
    eventually(lambda: uml.run(f"cat {at}/file").output == TEXT, seconds=60)
    uml.check(f"echo more >> {at}/file; sync; umount {at}", seconds=90)
    efs.delete_mount_target(MountTargetId=target)
    eventually(lambda: target_state(efs, target) is None, seconds=30)
    assert uml.run(f"timeout 5 bash -c 'exec 3<>/dev/tcp/{uml.host}/2049'").status != 0
    efs.delete_file_system(FileSystemId=file_system)
    eventually(lambda: state(efs, file_system) is None, seconds=30)
    assert kms.list_grants(KeyId=arn)["Grants"] == []


def test_a_file_system_policy_decides_about_clients_that_come_and_that_are_there(uml, storage, efs):
    file_system = create(efs)
    served(efs, file_system, uml.host)
    at = mount(uml, "shared")
    uml.check(f"echo '{TEXT}' > {at}/file; sync")
    actions = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess"]
    read = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": actions}
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(read))
    eventually(lambda: "Read-only file system" in uml.run(f"touch {at}/new").output, seconds=60)
    assert uml.check(f"cat {at}/file", seconds=60) == TEXT
    uml.check(f"umount -f -l {at}")
    deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "*"}
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(deny), BypassPolicyLockoutSafetyCheck=True)
    eventually(lambda: "access denied by server" in uml.mount("denied", "vers=4.1,retry=0").output, seconds=60)


def test_a_security_group_keeps_clients_out(uml, storage, efs):
    file_system = create(efs)
    served(efs, file_system, uml.host, SecurityGroups=["sg-0a1b2c3d"])
    assert uml.mount("out", "vers=4.1,retry=0,timeo=10,retrans=1").status != 0
    assert "an NFS client is refused by its address" in storage.log()


def test_clients_go_on_after_the_agent_was_killed(uml, storage, efs, arn):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn)
    served(efs, file_system, uml.host)
    at = mount(uml, "shared")
    uml.check(f"echo '{TEXT}' > {at}/file; sync")
    storage.kill()
    storage.start()
    available(efs, file_system)
    assert uml.check(f"cat {at}/file; echo more >> {at}/file; sync", seconds=120) == TEXT
    uml.check(f"umount {at}", seconds=60)
    assert storage.stop() == 0
    servers = subprocess.run(["pgrep", "-f", f"ganesha.*{storage.state}"], capture_output=True, text=True)
    assert servers.stdout == ""


def test_an_address_that_this_machine_has_not_is_an_error(uml, storage, efs):
    file_system = create(efs)
    address = uml.host.rsplit(".", 1)[0] + ".200"
    made = efs.create_mount_target(FileSystemId=file_system, SubnetId=SUBNET, IpAddress=address)
    eventually(lambda: target_state(efs, made["MountTargetId"]) == "error", seconds=30)
    assert f"cannot listen on {address}:2049 for the mount target" in storage.log()
    assert state(efs, file_system) == "available"
