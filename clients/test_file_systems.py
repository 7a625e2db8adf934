"""Encrypted file systems end to end: EFS and KMS by boto3, an agent on this machine, and real files on a real disk."""

import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from conftest import DELEGATION, policy
from keyward import Server, binary, eventually
from storage import (
    TEXT, Storage, arn, available, contains, create, efs, kms, shared, state, storage, take_away,
)
from test_agents import Agent, keyward
from volumes import is_cut_off, require, run, write

@pytest.mark.parametrize("way", ["disable", "schedule", "revoke", "deny"])
def test_whatever_takes_the_key_away_cuts_off_at_once(kms, efs, storage, arn, shared, way):
    file_system, file = shared
    if way == "disable":
        kms.disable_key(KeyId=arn)
        reason = f"DisabledException: {arn} is disabled."
    elif way == "schedule":
        kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
        reason = f"KMSInvalidStateException: {arn} is pending deletion."
    elif way == "revoke":
        (grant,) = kms.list_grants(KeyId=arn)["Grants"]
        kms.revoke_grant(KeyId=arn, GrantId=grant["GrantId"])
        reason = "AccessDeniedException: "
    else:
        deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
        kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=policy(DELEGATION, deny))
        reason = "AccessDeniedException: "
    # Far sooner than the process asks by itself, which is once a minute.
    eventually(lambda: is_cut_off(file), seconds=5)
    eventually(lambda: state(efs, file_system) == "error")
    process = storage.keeper(file_system)
    assert process["phase"] == "cut-off"
    assert process["reason"].startswith(reason), process["reason"]
    # No new opening succeeds either.
    storage.stop()
    storage.start()
    eventually(lambda: state(efs, file_system) == "error")
    assert not file.exists()


def test_a_key_policy_that_allows_again_brings_everything_back(kms, efs, storage, arn, shared):
    file_system, file = shared
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=policy(DELEGATION, deny))
    eventually(lambda: is_cut_off(file), seconds=5)
    with pytest.raises(OSError, match="Read-only file system"):
        file.with_name("plaintext").write_bytes(b"")
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=policy(DELEGATION))
    eventually(file.exists)
    assert file.read_bytes() == TEXT
    available(efs, file_system)


def test_an_unencrypted_file_system_is_stored_mounted_and_deleted(efs, storage):
    file_system = create(efs)
    path = storage.mount(file_system, "--read-only", name="read")
    other = storage.mount(file_system, name="write")
    write(other / "file", TEXT)
    assert (path / "file").read_bytes() == TEXT
    with pytest.raises(OSError, match="Read-only file system"):
        (path / "file").write_bytes(b"")
    assert storage.keeper(file_system) is None
    storage.kill()
    storage.start()
    assert (path / "file").read_bytes() == TEXT
    assert storage.stop() == 0
    assert not (path / "file").exists()
    storage.start()
    eventually((other / "file").exists)
    assert (other / "file").read_bytes() == TEXT
    efs.delete_file_system(FileSystemId=file_system)
    eventually(lambda: state(efs, file_system) is None, seconds=30)
    assert not storage.image(file_system).exists()
    assert str(storage.folder) not in open("/proc/self/mountinfo").read()


@pytest.mark.parametrize("encrypted", [True, False])
def test_what_is_deleted_gives_its_space_back(efs, storage, encrypted):
    file_system = create(efs, Encrypted=encrypted)
    path = storage.mount(file_system)
    taken = lambda: os.stat(storage.image(file_system)).st_blocks * 512  # noqa: E731
    write(path / "large", os.urandom(48 << 20))
    run("sync", "-f", path)
    full = taken()
    (path / "large").unlink()
    assert full > 48 << 20

    def is_less():
        # An encrypted volume gives space back when its journal is brought home, which takes some writing.
        write(path / "small", os.urandom(4 << 20))
        run("sync", "-f", path)
        return taken() < full - (32 << 20)

    eventually(is_less, seconds=60)


def test_a_killed_agent_leaves_volumes_in_use_and_the_next_one_takes_them_over(efs, storage, shared):
    file_system, file = shared
    process = storage.keeper(file_system)["pid"]
    with open(file, "r+b", buffering=0) as open_file:
        storage.kill()
        assert open_file.read(9) == TEXT[:9]
        storage.start()
        available(efs, file_system)
        open_file.write(b"other")
        os.fsync(open_file.fileno())
    assert storage.keeper(file_system)["pid"] == process
    assert file.read_bytes()[9:14] == b"other"


def test_a_volume_in_use_stays_attached_when_the_agent_ends(efs, storage, shared):
    file_system, file = shared
    with open(file, "rb", buffering=0) as open_file:
        assert storage.stop() == 0
        assert open_file.read(9) == TEXT[:9]
    assert "is in use" in storage.log()
    storage.start()
    assert file.read_bytes() == TEXT
    available(efs, file_system)


def test_a_killed_process_of_a_volume_is_cleaned_up_and_started_again(efs, storage, shared):
    file_system, file = shared
    before = storage.keeper(file_system)["pid"]
    os.kill(before, signal.SIGKILL)

    def is_back():
        process = storage.keeper(file_system) or {}
        return process.get("phase") == "attached" and process["pid"] != before

    eventually(is_back, seconds=30)
    eventually(lambda: not is_cut_off(file), seconds=30)
    assert file.read_bytes() == TEXT
    write(file, b"written after it")


def test_what_a_killed_process_left_is_cut_off_while_the_key_is_off(efs, kms, storage, arn, shared):
    file_system, file = shared
    with open(file, "rb", buffering=0) as open_file:
        kms.disable_key(KeyId=arn)
        os.kill(storage.keeper(file_system)["pid"], signal.SIGKILL)
        eventually(lambda: is_cut_off(file), seconds=30)
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(open_file.fileno(), 9, 0)
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    kms.enable_key(KeyId=arn)
    available(efs, file_system)
    eventually(lambda: not is_cut_off(file), seconds=30)
    assert file.read_bytes() == TEXT


def is_process(pid):
    return os.path.exists(f"/proc/{pid}")


@contextlib.contextmanager
def stopped(pid):
    """A process that hangs; what is left of it goes on afterwards."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_what_a_process_keeps_that_hangs_is_cut_off_while_the_key_is_off(efs, kms, storage, arn, shared):
    file_system, file = shared
    pid = storage.keeper(file_system)["pid"]
    own = storage.state / "mounts" / file_system / "file"
    with stopped(pid), open(file, "rb", buffering=0) as open_file:
        kms.disable_key(KeyId=arn)
        eventually(lambda: is_cut_off(file) and is_cut_off(own), seconds=120)
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(open_file.fileno(), 9, 0)
        # Its keys are in nobody's memory any more.
        eventually(lambda: not is_process(pid), seconds=30)
    assert "the volume's process has not answered for 30 seconds" in storage.log()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    kms.enable_key(KeyId=arn)
    available(efs, file_system)
    eventually(lambda: not is_cut_off(file), seconds=30)
    assert file.read_bytes() == TEXT


def test_what_a_process_keeps_that_hangs_is_cut_off_while_the_server_is_away(own_server, tmp_path):
    require()
    storage = Storage(own_server, tmp_path, "--recheck=2s")
    try:
        efs = own_server.client("efs")
        file_system = create(efs, Encrypted=True)
        file = storage.mount(file_system) / "file"
        write(file, TEXT)
        own_server.kill()
        pid = storage.keeper(file_system)["pid"]
        with stopped(pid):
            eventually(lambda: is_cut_off(file), seconds=120)
            eventually(lambda: not is_process(pid), seconds=30)
        own_server.restart()
        eventually(lambda: not is_cut_off(file), seconds=60)
        assert file.read_bytes() == TEXT
    finally:
        storage.end()


def test_what_root_has_unmounted_lazily_is_cut_off_all_the_same(efs, kms, storage, arn, shared):
    """The file that the volume's process serves is out of sight, and the loop device names another path then."""
    file_system, file = shared
    [served] = storage.state.glob("keepers/*/place/device")
    run("umount", "-l", served)
    assert file.read_bytes() == TEXT
    kms.disable_key(KeyId=arn)
    eventually(lambda: is_cut_off(file), seconds=30)
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    kms.enable_key(KeyId=arn)
    available(efs, file_system)
    eventually(lambda: not is_cut_off(file), seconds=30)
    assert file.read_bytes() == TEXT


def test_a_file_system_that_root_unmounts_is_an_error_until_its_volume_is_detached(efs, storage, shared):
    file_system, file = shared
    storage.unmount(file.parent)
    own = storage.state / "mounts" / file_system
    run("umount", "-l", own)
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    assert f"the file system is no longer mounted on {own}: somebody has unmounted it" in storage.log()
    storage.run("volume", "detach", storage.image(file_system), "--state-dir", storage.state / "keepers")
    available(efs, file_system)
    assert (own / "file").read_bytes() == TEXT


def test_an_image_that_is_renamed_while_it_is_mounted_is_still_taken_out_of_use(efs, storage):
    file_system = create(efs)
    available(efs, file_system)
    own = storage.state / "mounts" / file_system / "file"
    write(own, TEXT)
    storage.image(file_system).rename(storage.folder / "renamed")
    with open(own, "rb", buffering=0) as open_file:
        efs.delete_file_system(FileSystemId=file_system)
        eventually(lambda: not own.exists(), seconds=30)
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(open_file.fileno(), 9, 0)


def test_what_a_killed_process_left_is_cut_off_while_the_server_is_away(own_server, storage, shared):
    file_system, file = shared
    own_server.kill()
    os.kill(storage.keeper(file_system)["pid"], signal.SIGKILL)
    eventually(lambda: is_cut_off(file), seconds=30)


def test_an_agent_cuts_off_what_was_left_before_it_has_reached_the_server(own_server, storage, shared):
    file_system, file = shared
    storage.kill()
    os.kill(storage.keeper(file_system)["pid"], signal.SIGKILL)
    own_server.kill()
    assert file.read_bytes() == TEXT
    own = storage.state / "mounts" / file_system / "file"
    assert own.read_bytes() == TEXT
    storage.begin()
    eventually(lambda: is_cut_off(file) and is_cut_off(own), seconds=30)


def test_what_was_flushed_is_there_however_often_everything_is_killed(own_server, efs, storage, shared):
    file_system, file = shared
    written, stop = [], threading.Event()

    def write_on():
        """Appends lines for as long as nothing stops it, and notes down those that are on the volume."""
        number = 0
        while not stop.is_set():
            number += 1
            try:
                with open(file.with_name("notes"), "a") as notes:
                    notes.write(f"{number}\n")
                    notes.flush()
                    os.fsync(notes.fileno())
            except OSError:
                stop.wait(0.05)
            else:
                written.append(number)

    def goes_on():
        before = len(written)
        eventually(lambda: len(written) > before + 5, seconds=60)

    victims = ["volume", "agent", "server"] * int(os.environ.get("KEYWARD_KILLS", "4"))
    random.Random(7).shuffle(victims)
    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for victim in victims:
            goes_on()
            if victim == "volume":
                os.kill(storage.keeper(file_system)["pid"], signal.SIGKILL)
            elif victim == "agent":
                storage.kill()
                storage.start()
            else:
                own_server.restart()
        goes_on()
    finally:
        stop.set()
        writer.join()
    lines = file.with_name("notes").read_text().split()
    assert {str(number) for number in written} <= set(lines)
    assert file.read_bytes() == TEXT
    device = storage.keeper(file_system)["device"]
    own = storage.state / "mounts" / file_system
    storage.unmount(file.parent)
    run("umount", own)
    run("e2fsck", "-f", "-n", device)
    run("mount", device, own)


def away(storage, names):
    """Moves files of the agent's volumes away, and answers what brings them back."""
    volumes, other = storage.state / "volumes", storage.folder / "away"
    other.mkdir()
    for name in names:
        (volumes / name).rename(other / name)

    def back():
        for name in names:
            (other / name).rename(volumes / name)

    return back


def test_whoever_can_write_to_the_disk_cannot_make_an_encrypted_file_system_a_plain_one(efs, storage, shared):
    file_system, file = shared
    storage.unmount(file.parent)
    assert storage.stop() == 0
    image = storage.image(file_system)
    note = image.with_suffix(".json")
    original, said = image.rename(storage.folder / "original"), note.read_text()
    run("truncate", "-s", "64M", image)
    run("mkfs.ext4", "-q", "-b", "4096", image)
    note.write_text(said.replace('"encrypted":true', '"encrypted":false'))
    assert note.read_text() != said
    storage.start()
    eventually(lambda: state(efs, file_system) == "error")
    done = storage.run("mount", file_system, file.parent, "--state-dir", storage.state, expect=1)
    assert "it was not written by this agent, or was changed since" in done.stderr
    assert run("losetup", "-j", image) == ""
    # With both back, it is as it was.
    assert storage.stop() == 0
    original.rename(image)
    note.write_text(said)
    storage.start()
    available(efs, file_system)
    storage.mount(file_system)
    assert file.read_bytes() == TEXT


def test_an_agent_does_not_run_without_its_volumes(own_server, efs, storage, shared):
    file_system, file = shared
    storage.unmount(file.parent)
    assert storage.stop() == 0
    volumes, disk = storage.state / "volumes", storage.folder / "disk"
    volumes.rename(disk)
    done = storage.run("agent", "run", "--state-dir", storage.state, "--data-dir", own_server.data_dir, expect=1)
    where = f"{storage.state}, and {volumes}/agent is missing. Perhaps its disk is not mounted"
    assert f"agent {storage.id} has registered with {where}" in done.stderr
    volumes.rmdir()
    disk.rename(volumes)
    storage.start()
    own = storage.state / "mounts" / file_system / "file"
    eventually(own.exists, seconds=30)
    assert own.read_bytes() == TEXT
    available(efs, file_system)


@pytest.mark.parametrize("encrypted", [True, False])
def test_what_was_available_is_never_created_again(efs, storage, arn, encrypted):
    file_system = create(efs, **({"Encrypted": True, "KmsKeyId": arn} if encrypted else {"Encrypted": False}))
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    storage.unmount(path)
    assert storage.stop() == 0
    back = away(storage, [f"{file_system}.img", f"{file_system}.json"])
    storage.start()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    assert "is not created again" in storage.log()
    assert not storage.image(file_system).exists()
    assert storage.stop() == 0
    back()
    # As if an older backup of what is noted down had been brought back: it was being made then.
    note = storage.state / "volumes" / f"{file_system}.json"
    made = note.read_text()
    storage.note_as_the_agent(note, made.partition("\n")[0].replace('"made"', '"making"'))
    storage.start()
    eventually(lambda: storage.log().count("is not created again") == 2, seconds=30)
    assert storage.image(file_system).exists()
    assert storage.stop() == 0
    note.write_text(made)
    storage.start()
    available(efs, file_system)
    assert (storage.mount(file_system) / "file").read_bytes() == TEXT


def test_volumes_stay_while_the_server_is_away(own_server, efs, storage, shared):
    file_system, file = shared
    own_server.kill()
    eventually(lambda: "cannot get the list of volumes from the server" in storage.log())
    # The process of the volume asks in vain all the time.
    until = time.monotonic() + float(os.environ.get("KEYWARD_AWAY_SECONDS", "3"))
    while time.monotonic() < until:
        write(file, b"written meanwhile")
        assert file.read_bytes() == b"written meanwhile"
        time.sleep(0.1)
    storage.kill()
    assert file.read_bytes() == b"written meanwhile"
    own_server.start()
    storage.start()
    assert file.read_bytes() == b"written meanwhile"
    available(own_server.client("efs"), file_system)


def test_a_second_agent_cannot_use_the_same_state_directory(storage):
    arguments = ["agent", "run", "--state-dir", storage.state, "--endpoint-url", storage.server.url]
    done = storage.run(*arguments, expect=1)
    assert f"another agent runs with {storage.state}: stop it first, or use another --state-dir" in done.stderr


def test_an_agent_needs_root(tmp_path):
    # The program is passed on as an open file: other users may not reach the directory that it is in.
    start = "import os, sys; os.setuid(65534); os.execve(int(sys.argv[1]), sys.argv[2:], os.environ)"
    words = ["keyward", "agent", "run", "--state-dir", tmp_path / "agent", "--endpoint-url", "http://127.0.0.1:1"]
    with open(binary(), "rb") as program:
        number = program.fileno()
        done = subprocess.run(
            [sys.executable, "-c", start, str(number), *words], pass_fds=[number], capture_output=True, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "keyward: an agent mounts file systems, which needs root: run it with sudo\n"
    assert not (tmp_path / "agent").exists()


def test_an_agent_that_is_removed_cuts_its_volumes_off_and_ends(own_server, storage, shared):
    file_system, file = shared
    keyward(own_server, "remove", storage.id)
    assert storage.process.wait(timeout=60) == 1
    assert is_cut_off(file)
    assert storage.keeper(file_system) is None
    assert f"agent {storage.id} has been removed" in (storage.folder / "agent.log").read_text()
    assert storage.image(file_system).exists()
    secret = json.loads((storage.state / "credentials.json").read_text())["secret_access_key"]
    assert secret not in storage.log()
    assert os.stat(storage.state / "credentials.json").st_mode & 0o777 == 0o600


def test_a_stolen_agent_opens_no_volume_of_another(own_server, storage, shared):
    file_system, _ = shared
    thief = Agent(own_server, "stolen")
    status, body = thief.call("OpenVolume", VolumeId=file_system)
    assert (status, body["__type"]) == (400, "NotFoundException")
    assert body["message"] == f"No volume {file_system} is assigned to this agent."
    assert thief.call("PollVolumes", WaitSeconds=0)[1]["Volumes"] == []


def test_a_machine_without_room_says_so_and_goes_on_when_there_is_some(own_server, efs, tmp_path):
    require()
    small = tmp_path / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small)
    storage = Storage(own_server, small)
    try:
        made = efs.create_file_system(CreationToken="t", Encrypted=True)
        file_system = made["FileSystemId"]
        eventually(lambda: state(efs, file_system) == "error", seconds=30)
        assert "no room is left on the disk of the volume's image" in storage.log()
        run("mount", "-o", "remount,size=256m", small)
        available(efs, file_system)
    finally:
        storage.end()


def test_a_server_runs_an_agent_beside_it(tmp_path):
    require()
    place = tmp_path / "place"
    place.mkdir()
    flags = ["--backup-to", str(place), "--backup-hour", "7", "--backup-days", "3"]
    server = Server(tmp_path / "data", "--agent", *flags, "--backup-work-dir", str(tmp_path / "work"))
    state_dir = server.data_dir / "agent"
    agents = lambda: subprocess.run(  # noqa: E731
        ["pgrep", "-f", f"agent run .*{server.data_dir}"], capture_output=True, text=True
    ).stdout.split()
    try:
        efs = server.client("efs")
        # Two processes, always.
        (agent,) = eventually(agents)
        assert int(agent) != server.process.pid
        eventually(lambda: "yes" in keyward(server, "list"))
        file_system = create(efs, Encrypted=True)
        path = tmp_path / "mnt"
        path.mkdir()
        run(binary(), "mount", file_system, path, "--state-dir", state_dir)
        write(path / "file", TEXT)
        os.kill(int(agent), signal.SIGKILL)
        eventually(lambda: agents() not in ([], [agent]))
        assert (path / "file").read_bytes() == TEXT
        # What the agent is to do about backups was passed on to it, and to the one that was started again.
        (arguments,) = [pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in agents()]
        for name, value in zip(flags[::2], flags[1::2]):
            assert f"{name}={value}" in arguments
        # The new agent asks for patience until it has reached the server.
        backup = [binary(), "agent", "backup", file_system, "--state-dir", state_dir]
        eventually(lambda: subprocess.run(backup, capture_output=True).returncode == 0, seconds=30)
        assert len(list(place.rglob("manual-*"))) == 1 and (tmp_path / "work").is_dir()
        assert server.drain() == 0
        assert agents() == []
        assert str(tmp_path) not in "".join(
            line for line in open("/proc/self/mountinfo") if "keyward-guard" not in line
        )
    finally:
        if server.process.poll() is None:
            server.kill()
        eventually(lambda: not agents())
        take_away(tmp_path)


def test_an_agent_registers_once(storage):
    arguments = ["agent", "register", "--state-dir", storage.state, "--endpoint-url", storage.server.url]
    storage.stop()
    done = storage.run(*arguments, "--token-file", storage.token(), expect=1)
    assert f"agent {storage.id} has registered with {storage.state} before" in done.stderr
    other = storage.folder / "other"
    token = storage.token()
    done = storage.run(
        "agent", "register", "--state-dir", other, "--endpoint-url", storage.server.url, "--token-file", token
    )
    assert done.stdout.startswith("Agent agent-")
    stored = json.loads((other / "credentials.json").read_text())
    assert stored["secret_access_key"] not in done.stdout + done.stderr
    used = storage.run(
        "agent", "register", "--state-dir", storage.folder / "third", "--endpoint-url", storage.server.url,
        "--token", "wrong", expect=1,
    )
    assert "InvalidTokenException: The token is not valid" in used.stderr
