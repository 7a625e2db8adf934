"""A file system goes to another agent: its image by `keyward volume send` and `receive`, or from a backup when the first
machine is lost. Two agents on this machine stand for two machines."""

import re
import shutil

import pytest

from keyward import eventually
from storage import TEXT, Storage, arn, available, create, efs, kms, state
from test_agents import keyward
from test_file_systems_backups import backup, backups, place, restore
from volumes import require, write


@pytest.fixture
def agents(own_server, tmp_path, place):
    """Two agents with one place for backups."""
    require()
    made = []
    try:
        for name in ["first", "second"]:
            folder = tmp_path / name
            folder.mkdir()
            made.append(Storage(own_server, folder, "--backup-to", place))
        yield made
    finally:
        for storage in made:
            storage.end()


@pytest.fixture
def made(agents, efs, arn):
    """A file system that is on one of the agents, which comes first, with a file on disk."""
    file_system = create(efs, Encrypted=True, KmsKeyId=arn, Backup=True)
    agents.sort(key=lambda storage: not storage.image(file_system).exists())
    first, second = agents
    path = first.mount(file_system)
    write(path / "file", TEXT)
    return file_system, path, first, second


def test_a_file_system_moves_by_send_and_receive(own_server, efs, made, tmp_path):
    file_system, path, first, second = made
    first.unmount(path)
    keyward(own_server, "assign", file_system, second.id)
    eventually(lambda: first.keeper(file_system) is None, seconds=30)
    way = tmp_path / "way"
    way.mkdir()
    state_dir = lambda storage: ["--state-dir", storage.state / "keepers"]  # noqa: E731
    first.run("volume", "send", first.image(file_system), way, *state_dir(first))
    image = second.folder / "brought.img"
    second.run("volume", "receive", way, image, *state_dir(second))
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    second.run("agent", "adopt", file_system, image, "--state-dir", second.state)
    available(efs, file_system)
    assert (second.mount(file_system) / "file").read_bytes() == TEXT


def test_a_file_system_of_a_lost_machine_comes_back_on_another_and_not_as_it_was_long_ago(own_server, efs, made, place):
    file_system, path, first, second = made
    old = eventually(lambda: backups(first)[0].get(file_system), seconds=60)[0]
    newest = backup(first, file_system)
    copies = place / "copies" / file_system
    generation = int(re.search(rb"generation\x00.(\d+)", (copies / newest).read_bytes())[1])
    trail = own_server.data_dir / "audit" / "trail-00000001.jsonl"
    eventually(lambda: re.search(rf'"backup":{{[^}}]*"generation":{generation}[,}}]', trail.read_text()))
    first.unmount(path)
    first.stop()
    shutil.rmtree(first.state)
    keyward(own_server, "assign", file_system, second.id)
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    # The server has told the new agent which backup is the newest.
    good = (copies / newest).read_bytes()
    (copies / newest).write_bytes((copies / old).read_bytes())
    said = restore(second, file_system, "--backup", newest, expect=1).stderr
    assert f"the newest backup has, as the server knows, generation {generation}." in said
    (copies / newest).write_bytes(good)
    restore(second, file_system, "--backup", newest)
    available(efs, file_system)
    assert (second.mount(file_system) / "file").read_bytes() == TEXT
