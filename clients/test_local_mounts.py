"""`keyward mount` and `keyward unmount`: file systems of an agent, mounted on its own machine."""

import os
import subprocess
import uuid

import pytest

from conftest import policy
from keyward import eventually
from storage import TEXT, Storage, arn, create, efs, kms, shared, storage
from volumes import require, write


def test_a_directory_stays_for_the_grace_while_the_server_is_away(own_server, tmp_path):
    require()
    storage = Storage(own_server, tmp_path, "--grace", "3s")
    try:
        file_system = create(own_server.client("efs"), Encrypted=False)
        path = storage.mount(file_system)
        write(path / "file", TEXT)
        own_server.kill()
        assert (path / "file").read_bytes() == TEXT
        other = tmp_path / "other"
        other.mkdir()
        told = storage.run("mount", file_system, other, "--state-dir", storage.state, expect=1).stderr
        assert f"keyward: the server, which decides who may mount {file_system}, has not answered: " in told
        assert "Connection refused" in told and "Try again when it can be reached from this machine" in told
        eventually(lambda: list(path.iterdir()) == [], seconds=60)
        assert "the grace is over: it is not mounted there until the server answers" in storage.log()
        own_server.start()
        eventually((path / "file").exists, seconds=60)
        assert (path / "file").read_bytes() == TEXT
    finally:
        storage.end()


def test_nobody_but_root_chooses_where_a_file_system_is_mounted(storage, shared):
    file_system, _ = shared
    home, victim = storage.folder / "home", storage.folder / "victim"
    target = home / "data" / "shared"
    target.mkdir(parents=True)
    victim.mkdir()
    os.chown(home, 1000, 1000)
    refused = storage.run("mount", file_system, target, "--state-dir", storage.state, expect=1).stderr
    assert f"somebody other than root can write to `{home}`" in refused
    os.chown(home, 0, 0)
    storage.mount(file_system, name="home/data/shared")
    # Whoever gets the directory afterwards moves it away, and puts a link in its place.
    os.chown(home, 1000, 1000)
    (home / "data").rename(home / "moved")
    (home / "data").mkdir()
    target.symlink_to(victim)
    eventually(lambda: f"cannot be mounted on {target} again" in storage.log(), seconds=30)
    assert list(victim.iterdir()) == []
    assert not os.path.ismount(victim)


def test_mount_and_unmount_say_what_is_wrong(storage, efs, shared):
    file_system, file = shared
    fails = lambda *words: storage.run(*words, "--state-dir", storage.state, expect=1).stderr  # noqa: E731
    other = storage.folder / "other"
    said = fails("mount", file_system, other)
    assert said == f"keyward: {other} does not exist: create it with `mkdir -p {other}`\n"
    plain = storage.folder / "plain"
    plain.write_text("a file")
    said = fails("mount", file_system, plain)
    assert said == (
        f"keyward: {plain} is a file, and a file system is mounted on a directory: name another path, or move the file away\n"
    )
    other.mkdir()
    unknown = "fs-0123456789abcdef0"
    assert fails("mount", unknown, other) == (
        f"keyward: no file system {unknown} is stored on this machine, by {storage.id}: `keyward agent list {unknown}` says which "
        f"agent stores it, and `keyward agent assign {unknown} {storage.id}` has this one store it. "
        "`aws efs describe-file-systems` lists the file systems there are. If it was deleted, a backup of it can still be opened as "
        "a volume, with `keyward volume receive` and `keyward volume rekey --file-system`\n"
    )
    again = fails("mount", file_system, file.parent)
    assert again == (
        f"keyward: {file_system} is mounted on {file.parent} already: to mount something else there, or in another way, "
        f"`keyward unmount {file.parent}` first\n"
    )
    assert f"something is mounted on `/proc` already (`findmnt /proc` says what): unmount it first" in fails("mount", file_system, "/proc")
    assert f"no volume of this agent is mounted on {other}" in fails("unmount", other)
    with open(file, "rb"):
        # It names who uses it.
        told = fails("unmount", file.parent)
        assert f"`{file.parent}` is in use by {os.getpid()} (" in told
        assert "End what uses it, or have it leave the directory, then try again." in told
        assert f"`fuser -vm {file.parent}` and `lsof {file.parent}` list what uses it" in told
    below = file.parent / "below"
    below.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "below", below], check=True)
    assert fails("unmount", file.parent) == (
        f"keyward: {file.parent} is in use: something else is mounted on {below}, which is below it. "
        "Unmount that first, then try again\n"
    )
    subprocess.run(["umount", below], check=True)
    storage.unmount(file.parent)
    assert not file.exists()
    storage.kill()
    assert "no agent can be asked at " in fails("mount", file_system, other)


def test_the_file_system_policy_decides_about_mounts_on_the_same_machine(storage, efs, shared):
    file_system, file = shared
    deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "elasticfilesystem:Client*"}
    put = lambda *statements: efs.put_file_system_policy(  # noqa: E731
        FileSystemId=file_system, Policy=policy(*statements), BypassPolicyLockoutSafetyCheck=True
    )
    put(deny)
    eventually(lambda: not file.exists())
    with pytest.raises(OSError, match="Read-only file system"):
        file.with_name("plaintext").write_bytes(b"")
    other = storage.folder / "other"
    other.mkdir()
    fails = lambda: storage.run("mount", file_system, other, "--state-dir", storage.state, expect=1).stderr  # noqa: E731
    assert "AccessDeniedException: " in fails()
    efs.delete_file_system_policy(FileSystemId=file_system)
    eventually(file.exists)
    assert file.read_bytes() == TEXT
    actions = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    put({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": actions})
    eventually(lambda: "elasticfilesystem:ClientRootAccess is not allowed" in fails())
    put({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": [actions[0], "elasticfilesystem:ClientRootAccess"]})
    eventually(lambda: not file.exists())
    done = storage.run("mount", file_system, other, "--state-dir", storage.state)
    assert done.stdout == f"{file_system} is mounted on {other}, read-only.\n"
    assert (other / "file").read_bytes() == TEXT


def test_an_access_point_is_mounted_unless_it_has_a_user(storage, efs, shared):
    file_system, file = shared
    file.with_name("team").mkdir()
    point = lambda **more: efs.create_access_point(  # noqa: E731
        ClientToken=uuid.uuid4().hex, FileSystemId=file_system, **more
    )["AccessPointId"]
    team = point(RootDirectory={"Path": "/team"})
    path = storage.mount(file_system, "--access-point", team, name="team")
    write(path / "plan", TEXT)
    assert (file.parent / "team" / "plan").read_bytes() == TEXT
    missing = point(RootDirectory={"Path": "/nowhere"})
    user = point(RootDirectory={"Path": "/team"}, PosixUser={"Uid": 1000, "Gid": 1000})
    other = storage.folder / "other"
    other.mkdir()
    for access_point, why in [
        (missing, "there is no directory `nowhere` on the volume"),
        (user, "the access point has a POSIX user"),
        ("fsap-0123456789abcdef0", "NotFoundException: "),
    ]:
        done = storage.run(
            "mount", file_system, other, "--access-point", access_point, "--state-dir", storage.state, expect=1
        )
        assert why in done.stderr, done.stderr


def test_the_missing_directory_of_an_access_point_is_created_as_it_says(storage, efs, shared, tmp_path_factory):
    file_system, file = shared
    outside = tmp_path_factory.mktemp("outside")
    file.with_name("link").symlink_to(outside)
    creation = {"OwnerUid": 1000, "OwnerGid": 1001, "Permissions": "2750"}

    def point(path):
        return efs.create_access_point(
            ClientToken=uuid.uuid4().hex, FileSystemId=file_system,
            RootDirectory={"Path": path, "CreationInfo": creation},
        )["AccessPointId"]

    path = storage.mount(file_system, "--access-point", point("/teams/one"), name="one")
    for made in (file.parent / "teams", file.parent / "teams" / "one", path):
        found = made.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1000, 1001, 0o2750)
    write(path / "plan", TEXT)
    # What exists stays as it is.
    os.chmod(file.parent / "teams", 0o700)
    storage.mount(file_system, "--access-point", point("/teams/two"), "--read-only", name="two")
    assert (file.parent / "teams").stat().st_mode & 0o7777 == 0o700
    assert (file.parent / "teams" / "two").stat().st_uid == 1000
    # No link is followed, and nothing is created elsewhere.
    other = storage.folder / "other"
    other.mkdir()
    words = ["--access-point", point("/link/new"), "--state-dir", storage.state]
    done = storage.run("mount", file_system, other, *words, expect=1)
    assert "`/link/new` is not a directory" in done.stderr
    assert list(outside.iterdir()) == []


def test_a_directory_that_is_not_empty_is_said_to_be_hidden(storage, shared):
    file_system, file = shared
    full, empty = storage.folder / "full", storage.folder / "empty"
    full.mkdir()
    empty.mkdir()
    (full / "before").write_bytes(b"")
    mount = lambda path: storage.run("mount", file_system, path, "--state-dir", storage.state)  # noqa: E731
    note = f"note: {full} was not empty: what is in it is hidden until `keyward unmount {full}`\n"
    assert mount(full).stderr == note
    assert mount(empty).stderr == ""
    assert sorted(path.name for path in full.iterdir()) == ["file", "lost+found"]
    storage.unmount(full)
    assert [path.name for path in full.iterdir()] == ["before"]
