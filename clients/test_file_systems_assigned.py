"""File systems that another agent stores from now on: two agents on this machine, with a state directory each."""

import json
import os
import subprocess

import pytest

from conftest import User
from keyward import binary, clean_environment, eventually
from storage import TEXT, Storage, arn, available, create, efs, iam, kms, state, storage
from test_agents import TARGET, keyward
from volumes import is_cut_off, write
from wire import Wire


@pytest.fixture
def second(own_server, tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    second = Storage(own_server, folder)
    yield second
    second.end()


@pytest.fixture
def made(storage, efs, arn, request):
    """A file system of the first agent, encrypted unless the test says otherwise, with a file on disk."""
    encrypted = getattr(request, "param", True)
    file_system = create(efs, **({"Encrypted": True, "KmsKeyId": arn} if encrypted else {"Encrypted": False}))
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    return file_system, path


def recorded(server, name):
    """The events of that name on the audit trail."""
    lines = (server.data_dir / "audit" / "trail-00000001.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event.get("eventName") == name]


def adopt(storage, *words, expect=0):
    done = storage.run("agent", "adopt", *words, "--state-dir", storage.state, expect=expect)
    return done.stdout if expect == 0 else done.stderr


def copied(storage, file_system, to):
    """A copy of a file system's image, in a directory, as `cp` makes it."""
    path = to / "brought.img"
    subprocess.run(["cp", "--sparse=always", storage.image(file_system), path], check=True)
    return path


def adoptable(efs, storage, file_system):
    """Waits until the agent has said that it has no image of the file system that it may use."""
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    return file_system


@pytest.mark.parametrize("made", [True, False], indirect=True, ids=["encrypted", "plain"])
def test_a_file_system_moves_to_another_agent_with_its_image(own_server, efs, storage, second, made):
    file_system, path = made
    said = keyward(own_server, "assign", file_system, second.id)
    first, *rest = said.splitlines()
    assert first == f"{file_system} is assigned to {second.id}."
    assert rest[0] == (
        f"If {storage.id} still has it in use, it is cut off there now: what was not flushed to disk is lost."
    )
    assert rest[-4:] == [
        f"  keyward agent adopt {file_system} IMAGE",
        "",
        "If that machine has an older image in its volumes/, move it away first. If the image is lost, restore a backup there:",
        f"`keyward agent restore {file_system}`.",
    ]
    # The log does not say that a cut-off has changed nothing.
    eventually(lambda: storage.keeper(file_system) is None, seconds=30)
    assert "nothing was changed" not in storage.log()
    # The old agent lets go of it at once, and leaves the image where it is.
    eventually(lambda: is_cut_off(path / "file"), seconds=30)
    eventually(lambda: storage.keeper(file_system) is None, seconds=30)
    assert storage.image(file_system).exists()
    # What is left where it was mounted can be taken away: it does not come back.
    assert os.path.ismount(path)
    storage.unmount(path)
    assert not os.path.ismount(path) and list(path.iterdir()) == []
    path.rmdir()
    # The new one makes no new file system in its place, and says how the image is brought.
    adoptable(efs, second, file_system)
    assert f"run `keyward agent adopt FILE_SYSTEM IMAGE`" in second.log()
    assert not second.image(file_system).exists()
    image = copied(storage, file_system, second.state)
    said = adopt(second, file_system, image)
    assert said.startswith(f"{file_system} has its image on this machine now.")
    assert not image.exists()
    assert second.image(file_system).stat().st_mode & 0o777 == 0o600
    available(efs, file_system)
    mounted = second.mount(file_system)
    assert (mounted / "file").read_bytes() == TEXT
    write(mounted / "file", b"written on the second machine")
    # A start of the old agent brings nothing back.
    assert storage.stop() == 0
    storage.start()
    assert f"file system {file_system} is stored" in storage.run(
        "mount", file_system, storage.folder, "--state-dir", storage.state, expect=1
    ).stderr
    told = keyward(own_server, "assign", file_system, second.id)
    assert told == f"{file_system} is assigned to {second.id} already.\n"
    first, _ = eventually(lambda: len(found := recorded(own_server, "AssignVolume")) == 2 and found)
    assert first["requestParameters"] == {"volumeId": file_system, "agentId": second.id}
    assert first["responseElements"] == {"previousAgentId": storage.id}


@pytest.mark.parametrize("made", [True, False], indirect=True, ids=["encrypted", "plain"])
def test_an_old_image_is_not_used_when_the_file_system_comes_back(own_server, efs, storage, second, made):
    file_system, path = made
    storage.unmount(path)
    keyward(own_server, "assign", file_system, second.id)
    adoptable(efs, second, file_system)
    adopt(second, file_system, copied(storage, file_system, second.state))
    available(efs, file_system)
    write(second.mount(file_system) / "file", b"written on the second machine")
    keyward(own_server, "assign", file_system, storage.id)
    adoptable(efs, storage, file_system)
    assert "was assigned to another agent meanwhile" in storage.log()
    assert storage.keeper(file_system) is None
    eventually(lambda: second.keeper(file_system) is None, seconds=30)
    # The old image is in the way, and nothing is overwritten.
    image = copied(second, file_system, storage.state)
    told = adopt(storage, file_system, image, expect=1)
    assert f"{storage.image(file_system)} is there already, perhaps an older image of {file_system}" in told
    assert f"move it away (`mv {storage.image(file_system)} {storage.image(file_system)}.old`)" in told
    storage.image(file_system).rename(storage.folder / "old.img")
    adopt(storage, file_system, image)
    available(efs, file_system)
    assert (storage.mount(file_system, name="back") / "file").read_bytes() == b"written on the second machine"


def test_a_file_system_that_nobody_took_goes_on_where_it_was(own_server, efs, storage, second, made):
    file_system, path = made
    keyward(own_server, "assign", file_system, second.id)
    adoptable(efs, second, file_system)
    # The image is where the file system was available last, whoever had it since.
    said = keyward(own_server, "assign", file_system, storage.id)
    assert f"in the state directory of {storage.id}, to the machine" in said
    adoptable(efs, storage, file_system)
    adopt(storage, file_system)
    available(efs, file_system)
    eventually(lambda: (path / "file").exists() and (path / "file").read_bytes() == TEXT, seconds=30)
    told = adopt(storage, file_system, expect=1)
    assert f"{file_system} has its image on this machine already" in told


def test_the_volumes_of_a_removed_agent_are_listed_and_brought_back(own_server, efs, storage, second, made):
    file_system, path = made
    keyward(own_server, "remove", storage.id)
    assert storage.process.wait(timeout=60) == 1
    # No agent will ever run there again.
    assert os.path.ismount(path)
    storage.unmount(path)
    assert not os.path.ismount(path)
    assert keyward(own_server, "list").splitlines()[-1] == (
        f"{file_system:<25}has no agent: {storage.id} was removed"
    )
    keyward(own_server, "assign", file_system, second.id)
    assert "has no agent" not in keyward(own_server, "list")
    adoptable(efs, second, file_system)
    last = keyward(own_server, "list").splitlines()[-1]
    assert last.startswith(f"{file_system:<25}is not available on {second.id}, since ")
    adopt(second, file_system, storage.image(file_system))
    available(efs, file_system)
    assert file_system not in keyward(own_server, "list")
    assert (second.mount(file_system) / "file").read_bytes() == TEXT


def test_another_image_is_not_adopted(own_server, efs, kms, storage, second, made, arn):
    file_system, path = made
    other = create(efs, Encrypted=True, KmsKeyId=arn)
    plain = create(efs, Encrypted=False)
    # Those of the second agent are made there.
    told = adopt(storage, file_system, expect=1)
    assert f"{file_system} has its image on this machine already" in told
    owner = {id: agent for agent in (storage, second) for id in (other, plain) if agent.image(id).exists()}
    keyward(own_server, "assign", file_system, second.id)
    adoptable(efs, second, file_system)
    told = adopt(second, file_system, expect=1)
    assert f"there is no image {second.image(file_system)}: bring it from the agent that had the file system before" in told
    told = adopt(second, file_system, copied(owner[other], other, second.state), expect=1)
    assert f"is not the image of {file_system}: it has another data key" in told
    told = adopt(second, file_system, copied(owner[plain], plain, second.state), expect=1)
    assert "holds no encrypted volume, but an ext4 file system that is not encrypted" in told
    told = adopt(second, file_system, second.state, expect=1)
    assert f"{second.state} is not a file" in told
    told = adopt(second, "fs-0123456789abcdef0", expect=1)
    assert "no file system fs-0123456789abcdef0 is stored on this machine" in told
    assert not second.image(file_system).exists()
    # An image that is attached is not taken away from under somebody.
    busy = copied(storage, file_system, second.state)
    device = subprocess.run(["losetup", "-f", "--show", busy], capture_output=True, text=True, check=True).stdout.strip()
    try:
        told = adopt(second, file_system, busy, expect=1)
        assert f"{busy} is attached: detach it first" in told
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    eventually(lambda: "attached" not in subprocess.run(["losetup", "-j", busy], capture_output=True, text=True).stdout)
    # The key decides, whoever has the image.
    kms.disable_key(KeyId=arn)
    adopt(second, file_system, busy)
    eventually(lambda: "DisabledException" in second.log(), seconds=30)
    assert state(efs, file_system) == "error"
    kms.enable_key(KeyId=arn)
    available(efs, file_system)
    assert (second.mount(file_system) / "file").read_bytes() == TEXT


def test_an_image_is_adopted_whatever_a_stolen_agent_has_said(own_server, efs, storage, second, made):
    """The server believes the newest generation of a backup that it was ever told."""
    file_system, path = made
    storage.unmount(path)
    assert storage.stop() == 0
    image = copied(storage, file_system, second.state)
    stored = json.loads((storage.state / "credentials.json").read_text())
    thief = Wire(own_server, credentials=(stored["access_key_id"], stored["secret_access_key"]))
    backup = {"Tried": 253402300799, "Time": 253402300799, "Generation": 2**63 - 1}
    lie = {"VolumeId": file_system, "Generation": 1, "State": "READY", "Backup": backup}
    assert thief.json("keyward", TARGET + "ReportVolumes", {"Volumes": [lie]}).status == 200
    keyward(own_server, "remove", storage.id)
    keyward(own_server, "assign", file_system, second.id)
    adoptable(efs, second, file_system)
    told = adopt(second, file_system, image, expect=1)
    assert f"the newest backup has generation {2**63 - 1}, as the server knows" in told
    assert "which an agent that was stolen may have lied about, use --danger-accept-rollback" in told
    assert image.exists()
    adopt(second, file_system, image, "--danger-accept-rollback")
    available(efs, file_system)
    assert (second.mount(file_system, name="again") / "file").read_bytes() == TEXT
    # The next start demands nothing else.
    second.unmount(second.folder / "again")
    assert second.stop() == 0
    second.start()
    eventually((second.state / "mounts" / file_system / "file").exists, seconds=30)
    assert (second.mount(file_system, name="again") / "file").read_bytes() == TEXT


def test_what_is_left_of_a_mount_goes_also_without_what_was_noted_down(own_server, storage, second, made):
    file_system, path = made
    keyward(own_server, "assign", file_system, second.id)
    eventually(lambda: storage.keeper(file_system) is None, seconds=30)
    # Somebody has moved all that belongs to the file system to the other machine.
    for found in (storage.state / "volumes").glob(f"{file_system}.*"):
        found.rename(second.state / found.name)
    # What `keyward mount` had recorded is lost, too.
    (storage.state / "local" / f"{file_system}.json").unlink()
    assert os.path.ismount(path)
    unmount = ["unmount", path, "--state-dir", storage.state]
    assert storage.run(*unmount).stdout == f"{path} is unmounted: what was left there of a file system is taken away.\n"
    assert not os.path.ismount(path)
    assert f"no volume of this agent is mounted on {path}" in storage.run(*unmount, expect=1).stderr


def test_a_deleted_file_system_that_was_assigned_ends_with_its_new_agent(own_server, efs, storage, second, made):
    file_system, path = made
    keyward(own_server, "assign", file_system, second.id)
    eventually(lambda: storage.keeper(file_system) is None, seconds=30)
    efs.delete_file_system(FileSystemId=file_system)
    eventually(lambda: state(efs, file_system) is None, seconds=30)
    # What the old agent has is its operator's to remove.
    assert storage.image(file_system).exists()


def test_wrong_ids_and_callers_are_refused(own_server, efs, iam, storage, made):
    file_system, path = made
    silent = keyward(own_server, "token", "storage-9").strip()
    told = keyward(own_server, "assign", file_system, "agent-0123456789abcdef0", expect=1)
    assert "NotFoundException: There is no agent agent-0123456789abcdef0 in your account and Region." in told
    told = keyward(own_server, "assign", "fs-0123456789abcdef0", storage.id, expect=1)
    assert (
        "NotFoundException: There is no volume fs-0123456789abcdef0 in your account and Region. "
        "A volume has the ID of its file system." in told
    )
    told = keyward(own_server, "assign", file_system, silent.split(".")[3], expect=1)
    assert "NotFoundException: There is no agent token-" in told
    user = User(own_server, iam)
    key, secret = user.credentials[:2]
    environment = clean_environment() | {
        "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": own_server.url, "AWS_REGION": "us-east-1",
    }
    command = [binary(), "agent", "assign", file_system, storage.id]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "AccessDeniedException" in done.stderr
    assert "is not authorized to perform: keyward:AssignVolume on resource: *" in done.stderr
    user.allow("keyward:AssignVolume")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{file_system} is assigned to {storage.id} already.\n", done.stderr
    assert (path / "file").read_bytes() == TEXT


def test_an_image_of_unknown_age_is_used_only_when_it_is_adopted(efs, storage, made):
    file_system, path = made
    storage.unmount(path)
    assert storage.stop() == 0
    image = storage.image(file_system)
    older = copied(storage, file_system, storage.folder)
    storage.start()
    eventually((storage.state / "mounts" / file_system / "file").exists, seconds=30)
    storage.mount(file_system)
    write(path / "file", b"newer")
    storage.unmount(path)
    assert storage.stop() == 0
    newest = image.rename(storage.folder / "newest.img")
    (known,) = storage.state.glob("keepers/*.generation")
    generation = int(known.read_text())
    older.rename(image)
    known.unlink()
    storage.start()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    why = f"the file in which this machine recorded the age of the image ({known}) is missing"
    assert why in storage.log() and f"run `keyward agent adopt {file_system}`" in storage.log()
    assert storage.keeper(file_system) is None and not known.exists()
    # The newest one is adopted; the older one is not taken for it any more.
    image.rename(older)
    newest.rename(image)
    said = adopt(storage, file_system)
    assert said.startswith(f"{file_system} has its image on this machine now.")
    available(efs, file_system)
    assert int(known.read_text()) >= generation
    storage.mount(file_system)
    assert (path / "file").read_bytes() == b"newer"
    told = adopt(storage, file_system, expect=1)
    assert f"{file_system} has its image on this machine already" in told


@pytest.mark.parametrize("made", [True, False], indirect=True, ids=["encrypted", "plain"])
def test_an_image_that_was_moved_away_is_missed_and_adopted(own_server, efs, storage, made):
    file_system, path = made
    storage.unmount(path)
    image, elsewhere = storage.image(file_system), storage.state / "elsewhere.img"

    def missed():
        assert storage.stop() == 0
        image.rename(elsewhere)
        storage.start()
        eventually(lambda: state(efs, file_system) == "error", seconds=30)

    missed()
    reason = keyward(own_server, "list", file_system).splitlines()[3]
    assert "volumes/FILE_SYSTEM.img in the agent's state directory) is missing" in reason
    assert "run `keyward agent adopt FILE_SYSTEM IMAGE`" in reason and "`keyward agent restore FILE_SYSTEM`" in reason
    told = storage.run("mount", file_system, path, "--state-dir", storage.state, expect=1).stderr
    assert f"{file_system} cannot be mounted: the image of the file system" in told
    told = adopt(storage, file_system, expect=1)
    assert f"there is no image {image}: bring it from" in told
    adopt(storage, file_system, elsewhere)
    available(efs, file_system)
    assert (storage.mount(file_system) / "file").read_bytes() == TEXT
    storage.unmount(path)
    # Back in its place, it is found by itself.
    missed()
    elsewhere.rename(image)
    available(efs, file_system)
    assert (storage.mount(file_system) / "file").read_bytes() == TEXT
