"""A file system goes to another agent: its image by `keyward volume send` and `receive`, or from a backup when the first
machine is lost. Two agents on this machine stand for two machines."""

import json
import re
import shutil
import subprocess

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


def test_commands_for_volumes_say_where_what_is_known_of_an_agents_image_is(efs, made, tmp_path):
    file_system, path, first, second = made
    image, keepers = first.image(file_system), first.state / "keepers"
    fails = lambda *words: first.run("volume", *words, expect=1).stderr  # noqa: E731
    told = (
        f"keyward: {image} is the image of an agent's file system, and what is known of it is in {keepers}: "
        f"add `--state-dir {keepers}`\n"
    )
    for words in (["check", image], ["send", image, tmp_path], ["resize", image, "1GiB"], ["snapshot", image, tmp_path / "s"]):
        assert fails(*words) == told
        assert fails(*words, "--state-dir", second.state / "keepers") == told
    shown = first.run("volume", "stat", image).stdout
    assert f"(an agent's: `--state-dir {keepers}` shows which one is known here)" in shown
    assert f"State       an agent's: `--state-dir {keepers}` shows whether it is attached\n" in shown
    assert json.loads(first.run("volume", "stat", image, "--json").stdout)["State"] is None
    # With it, the volume's process does what is asked.
    known = ["--state-dir", keepers]
    assert f"State       mounted on {first.state}/mounts/{file_system} " in first.run("volume", "stat", image, *known).stdout
    assert f"{image} is as it was written: " in first.run("volume", "check", image, *known).stdout
    for words in ([], known):
        assert fails("attach", image, tmp_path, *words) == (
            f"keyward: {image} is the image of a file system that an agent stores, and only the agent attaches it: start it with "
            f"`keyward agent run --state-dir {first.state}`, and mount the file system with `keyward mount FILE_SYSTEM DIR "
            f"--state-dir {first.state}`\n"
        )
    # Nobody but the agent has the data key unwrapped, wherever the image is.
    first.unmount(path)
    assert first.stop() == 0
    brought = tmp_path / "brought.img"
    shutil.copy(image, brought)
    told = f"is the image of a file system of EFS ({file_system}): the agent that has it attaches it by itself."
    assert told in fails("check", brought) and told in fails("check", image, *known)
    assert told in fails("attach", brought, tmp_path, "--data-dir", first.server.data_dir)
    plain = tmp_path / "plain.img"
    plain.touch()
    subprocess.run(["mkfs.ext4", "-q", plain, "16M"], check=True)
    assert "holds no encrypted volume, but an ext4 file system that is not encrypted" in fails("stat", plain)


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
