"""The article's file system, from end to end: roles and key policy by the AWS CLI, an agent on this machine, files
written by `keyward mount` and by the NFS 4.1 client of a real kernel, the disk searched, and the key turned off."""

import os

import pytest

from callers import credentials_of
from conftest import policy
from keyward import ACCOUNT, REGION, eventually
from storage import contains, files_of
from test_article import FULL_ACCESS, ROOT, Cli, efs_policy
from test_events import trail
from test_file_systems_nfs import SUBNET, fails, mount, server, storage, uml
from volumes import require, run, write

ROLE = "example-role"
TEXT = b"the quarterly figures, which nobody may read " * 100
PRINCIPAL = f"elasticfilesystem.{REGION}.amazonaws.com"
CONTEXT = "aws:elasticfilesystem:filesystem:id"


def session(admin, url):
    """The CLI as a session of the article's role, and the role's ARN."""
    trust = policy({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"})
    made = admin("iam", "create-role", "--role-name", ROLE, "--assume-role-policy-document", trust)
    role = made["Role"]["Arn"]
    access = {"Sid": "EFSAccess", "Effect": "Allow", "Action": ["elasticfilesystem:*"], "Resource": "*"}
    admin(
        "iam", "put-role-policy", "--role-name", ROLE, "--policy-name", "access",
        "--policy-document", policy(FULL_ACCESS, access),
    )
    may = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    admin("iam", "create-user", "--user-name", "alice")
    admin("iam", "put-user-policy", "--user-name", "alice", "--policy-name", "p", "--policy-document", may)
    key = admin("iam", "create-access-key", "--user-name", "alice")["AccessKey"]
    alice = Cli(url, (key["AccessKeyId"], key["SecretAccessKey"]), REGION)
    answer = alice("sts", "assume-role", "--role-arn", role, "--role-session-name", "story")
    return Cli(url, credentials_of(answer), REGION), role


def test_from_roles_and_policies_to_files_on_disk_and_on_clients(uml, server, storage):
    require()
    admin = Cli(server.url, server.root_credentials(), REGION)
    aws, role = session(admin, server.url)
    key = admin("kms", "create-key", "--description", "my-kms-key")["KeyMetadata"]["Arn"]
    admin(
        "kms", "put-key-policy", "--key-id", key, "--policy", policy(*efs_policy(role)),
        "--bypass-policy-lockout-safety-check",
    )
    created = aws(
        "efs", "create-file-system", "--creation-token", "my-demo-efs", "--performance-mode", "generalPurpose",
        "--encrypted", "--throughput-mode", "bursting", "--kms-key-id", key,
    )
    file_system = created["FileSystemId"]
    assert (created["Encrypted"], created["KmsKeyId"]) == (True, key)

    def state():
        shown = aws("efs", "describe-file-systems")["FileSystems"]
        return next((one["LifeCycleState"] for one in shown if one["FileSystemId"] == file_system), None)

    eventually(lambda: state() == "available", seconds=60)

    # The service's grant, and its event: the article's, field by field.
    (grant,) = admin("kms", "list-grants", "--key-id", key)["Grants"]
    assert grant.pop("CreationDate")
    assert grant == {
        "KeyId": key,
        "GrantId": grant["GrantId"],
        "Name": "",
        "GranteePrincipal": PRINCIPAL,
        "RetiringPrincipal": PRINCIPAL,
        "IssuingAccount": ROOT,
        "Operations": ["Encrypt", "Decrypt", "RetireGrant"],
        "Constraints": {"EncryptionContextEquals": {CONTEXT: file_system}},
    }
    (event,) = [event for event in trail(server) if event["eventName"] == "CreateGrant"]
    assert event["sourceIPAddress"] == event["userAgent"] == "elasticfilesystem.amazonaws.com"
    assert event["userIdentity"]["invokedBy"] == "elasticfilesystem.amazonaws.com"
    assert event["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/story"
    assert event["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == role
    assert event["requestParameters"] == {
        "constraints": {"encryptionContextEquals": {CONTEXT: file_system}},
        "keyId": key,
        "granteePrincipal": PRINCIPAL,
        "operations": ["Encrypt", "Decrypt", "RetireGrant"],
        "retiringPrincipal": PRINCIPAL,
    }
    assert event["responseElements"] == {"grantId": grant["GrantId"], "keyId": key}

    # Files, written on the agent's machine and by a client elsewhere.
    target = aws(
        "efs", "create-mount-target", "--file-system-id", file_system, "--subnet-id", SUBNET,
        "--ip-address", uml.host,
    )["MountTargetId"]

    def target_state():
        shown = aws("efs", "describe-mount-targets", "--file-system-id", file_system)["MountTargets"]
        return shown[0]["LifeCycleState"] if shown else None

    eventually(lambda: target_state() == "available", seconds=60)
    path = storage.mount(file_system)
    at = mount(uml, "shared", "vers=4.1")
    write(path / "figures", TEXT)
    uml.check(f"cat {at}/figures > {at}/copied; sync")
    assert (path / "copied").read_bytes() == TEXT
    os.sync()
    assert [file for file in files_of(storage.folder) if contains(file, TEXT[:45])] == []
    # What is searched for would be found.
    assert contains(path / "figures", TEXT[:45])

    # Without the key nobody reads or writes, here or there.
    with open(path / "figures", "rb", buffering=0) as open_file:
        admin("kms", "disable-key", "--key-id", key)
        with pytest.raises(OSError):
            eventually(lambda: os.pread(open_file.fileno(), 9, 0) != TEXT[:9], seconds=5)
    eventually(lambda: fails(uml, f"cat {at}/figures"), seconds=5)
    assert fails(uml, f"touch {at}/new")
    with pytest.raises(OSError):
        (path / "new").write_bytes(b"not in the clear")
    eventually(lambda: state() == "error")
    assert [file for file in files_of(storage.folder) if contains(file, b"not in the clear")] == []

    # With it, everything goes on by itself.
    admin("kms", "enable-key", "--key-id", key)
    eventually(lambda: state() == "available", seconds=60)
    eventually((path / "figures").exists, seconds=30)
    assert (path / "figures").read_bytes() == TEXT
    eventually(lambda: uml.run(f"cmp {at}/figures {at}/copied && echo same").output == "same", seconds=60)
    uml.check(f"echo after >> {at}/after; sync; umount {at}", seconds=90)
    aws("efs", "delete-mount-target", "--mount-target-id", target)
    eventually(lambda: target_state() is None, seconds=30)
    device = storage.keeper(file_system)["device"]
    own = storage.state / "mounts" / file_system
    storage.unmount(path)
    run("umount", own)
    run("e2fsck", "-f", "-n", device)
    run("mount", device, own)

    # A stopped agent leaves nothing readable, and the next one has everything.
    assert storage.stop() == 0
    assert device not in open("/proc/self/mounts").read()
    storage.start()
    eventually(lambda: state() == "available", seconds=60)
    path = storage.mount(file_system)
    assert (path / "after").read_bytes() == b"after\n"
    assert (path / "figures").read_bytes() == TEXT
    storage.unmount(path)

    # The end of the file system is that of the grant, and of everything on disk.
    aws("efs", "delete-file-system", "--file-system-id", file_system)
    assert admin("kms", "list-grants", "--key-id", key)["Grants"] == []
    eventually(lambda: state() is None, seconds=60)
    assert [file.name for file in files_of(storage.state) if file_system in file.name] == []
