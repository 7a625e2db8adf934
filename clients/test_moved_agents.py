"""Agents whose state directory was copied or moved."""

import os
import shutil
import subprocess

from keyward import eventually
from storage import TEXT, Storage, arn, available, create, efs, kms, shared, state, storage
from volumes import is_cut_off

TWIN = "another agent uses this agent's identity"


class Copy(Storage):
    """A second agent, on a copy of the first one's state directory."""

    def __init__(self, first, folder):
        folder.mkdir()
        self.server, self.folder, self.state, self.arguments = first.server, folder, folder / "agent", ()
        shutil.copytree(first.state, self.state, ignore=shutil.ignore_patterns("*.sock"))
        self.start()


def polls(server):
    trail = sorted((server.data_dir / "audit").glob("*.jsonl"))
    return sum(path.read_text().count('"eventName":"PollVolumes"') for path in trail)


def test_two_agents_of_one_identity_give_way_to_each_other(own_server, storage, tmp_path, arn, efs):
    copy = Copy(storage, tmp_path / "copy")
    try:
        # The overtaken one is held back, so that the other one has waited since.
        for agent in [storage, copy]:
            eventually(lambda: TWIN in agent.log())
        log = storage.log()
        assert "stop one of them, and register it again (`keyward agent token`) with another --state-dir" in log
        assert "OvertakenException: A newer request of agent " + storage.id in log
        # They were asked for 1,000 times a second before.
        assert polls(own_server) < 50
        # One of them always listens.
        available(efs, create(efs, Encrypted=True, KmsKeyId=arn))
        copy.stop()
        # Whoever is left goes on by itself, and so does one that is started again.
        storage.stop()
        storage.start()
        available(efs, create(efs, Encrypted=True, KmsKeyId=arn))
    finally:
        copy.end()


def goes(number):
    return not os.path.exists(f"/proc/{number}")


def test_a_moved_state_directory_takes_its_volumes_along(efs, kms, storage, arn, shared):
    file_system, _ = shared
    process = storage.keeper(file_system)["pid"]
    storage.kill()
    storage.state = storage.state.rename(storage.folder / "moved")
    storage.start()
    # The process of before cannot ask for its key any more.
    eventually(lambda: goes(process), seconds=30)
    eventually(lambda: storage.keeper(file_system) is not None, seconds=30)
    available(efs, file_system)
    file = storage.state / "mounts" / file_system / "file"
    eventually(file.exists, seconds=30)
    assert file.read_bytes() == TEXT
    kms.disable_key(KeyId=arn)
    eventually(lambda: is_cut_off(file), seconds=30)
    kms.enable_key(KeyId=arn)
    eventually(lambda: not is_cut_off(file) and file.exists(), seconds=60)
    process = storage.keeper(file_system)["pid"]
    # Deleted as what was moved, before an agent has started its process anew.
    storage.kill()
    storage.state = storage.state.rename(storage.folder / "again")
    efs.delete_file_system(FileSystemId=file_system)
    storage.start()
    eventually(lambda: state(efs, file_system) is None and goes(process), seconds=30)
    assert not storage.image(file_system).exists()


def test_a_copy_of_a_state_directory_leaves_the_first_ones_volumes_alone(efs, storage, shared, tmp_path):
    file_system, file = shared
    process = storage.keeper(file_system)
    folder = tmp_path / "copy"
    folder.mkdir()
    copy = Copy.__new__(Copy)
    copy.server, copy.folder, copy.state, copy.arguments = storage.server, folder, folder / "agent", ()
    subprocess.run(["cp", "-a", "-x", "--sparse=always", storage.state, copy.state], check=True)
    try:
        copy.start()
        eventually(lambda: copy.keeper(file_system) is not None, seconds=30)
        assert storage.keeper(file_system) == process and not goes(process["pid"])
        assert file.read_bytes() == TEXT
    finally:
        copy.end()
