"""What an agent does with files of its `volumes/` that somebody else has written: nothing."""

import json
import os
import shutil
import signal

import pytest

from keyward import eventually
from storage import TEXT, arn, available, create, efs, iam, kms, shared, state, storage
from test_file_systems_assigned import adopt, copied, made
from volumes import is_cut_off, write

CHANGED = "it was not written by this agent, or was changed since"


def note_of(storage, file_system):
    return storage.image(file_system).with_suffix(".json")


def places_of(storage, file_system):
    return storage.state / "local" / f"{file_system}.json"


def text_of(note):
    """What a note says, without its MAC."""
    text, mac, rest = note.read_text().partition("\nhmac-sha256 ")
    assert len(rest) == 65 and rest.endswith("\n")
    return json.loads(text)


def forge(note, **members):
    """Changes what a note says."""
    text, mac, rest = note.read_text().partition("\nhmac-sha256 ")
    note.write_text(json.dumps({**json.loads(text), **members}) + mac + rest)


def test_a_note_that_accepts_an_older_image_is_not_believed(efs, storage, shared):
    file_system, file = shared
    storage.unmount(file.parent)
    assert storage.stop() == 0
    image, note = storage.image(file_system), note_of(storage, file_system)
    older = copied(storage, file_system, storage.folder)
    storage.start()
    eventually((storage.state / "mounts" / file_system / "file").exists, seconds=30)
    storage.mount(file_system)
    write(file, b"newer")
    storage.unmount(file.parent)
    assert storage.stop() == 0
    newest, said = image.rename(storage.folder / "newest.img"), note.read_text()
    shutil.copy(older, image)
    # In the format of today, and in that without a MAC.
    generation = json.loads(storage.run("volume", "stat", "--json", older).stdout)["Generation"]
    restored = {"generation": generation, "known": 0, "accept_rollback": True}
    for mac in (True, False):
        forge(note, restored=restored)
        if not mac:
            note.write_text(note.read_text().partition("\n")[0])
        storage.start()
        eventually(lambda: state(efs, file_system) == "error", seconds=30)
        assert storage.keeper(file_system) is None
        done = storage.run("mount", file_system, file.parent, "--state-dir", storage.state, expect=1)
        assert f"the file {note} is not valid ({CHANGED})" in done.stderr
        assert f"run `keyward agent adopt {file_system}`" in done.stderr
        # Nor is the older image adopted.
        told = adopt(storage, file_system, expect=1)
        assert f"{image} is older than it should be: its generation is {generation}, and " in told
        assert storage.stop() == 0
    os.replace(newest, image)
    storage.start()
    adopt(storage, file_system)
    available(efs, file_system)
    storage.mount(file_system)
    assert file.read_bytes() == b"newer"


def test_an_older_image_is_refused_though_what_the_machine_knows_of_its_age_was_exchanged_too(efs, storage, shared):
    """The server knows how new it was."""
    file_system, file = shared
    storage.unmount(file.parent)
    assert storage.stop() == 0
    image, (age,) = storage.image(file_system), storage.state.glob("keepers/*.generation")
    older, young = copied(storage, file_system, storage.folder), age.read_text()
    storage.start()
    eventually((storage.state / "mounts" / file_system / "file").exists, seconds=30)
    storage.mount(file_system)
    write(file, b"newer")
    storage.unmount(file.parent)
    assert storage.stop() == 0
    newest, known = image.rename(storage.folder / "newest.img"), age.read_text()
    shutil.copy(older, image)
    age.write_text(young)
    storage.start()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    assert storage.keeper(file_system) is None
    text = f"it has generation {young.strip()}, and generation {known.strip()} is known."
    eventually(lambda: text in storage.log())
    # With the newest image, it does not matter what the machine knows.
    assert storage.stop() == 0
    os.replace(newest, image)
    storage.start()
    available(efs, file_system)
    storage.mount(file_system)
    assert file.read_bytes() == b"newer"


def test_the_note_of_another_file_system_is_not_believed(efs, storage, shared, arn):
    file_system, file = shared
    other = create(efs, Encrypted=True, KmsKeyId=arn)
    storage.unmount(file.parent)
    assert storage.stop() == 0
    note = note_of(storage, file_system)
    said = note.read_bytes()
    shutil.copy(note_of(storage, other), note)
    storage.start()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    assert f"the file {note} is not valid ({CHANGED})" in storage.log()
    available(efs, other)
    note.write_bytes(said)
    available(efs, file_system)


def test_root_mounts_nowhere_because_a_file_says_so(efs, storage, shared, tmp_path):
    file_system, file = shared
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mounts = places_of(storage, file_system)
    (place,) = text_of(mounts)
    assert place["dir"] == str(file.parent) and not place["read_only"]
    storage.stop()
    said = mounts.read_text()
    forged = [{**place, "dir": str(elsewhere)}]
    text, mac, rest = said.partition("\nhmac-sha256 ")
    mounts.write_text(json.dumps(forged) + mac + rest)
    storage.start()
    available(efs, file_system)
    eventually(lambda: f"is not valid: remove the file, and mount again" in storage.log())
    assert not os.path.ismount(elsewhere)
    mounts.unlink()
    storage.mount(file_system)
    assert file.read_bytes() == TEXT


def test_an_older_note_about_an_image_that_was_put_back_counts_for_nothing(efs, storage, shared):
    file_system, file = shared
    storage.unmount(file.parent)
    assert storage.stop() == 0
    image, note = storage.image(file_system), note_of(storage, file_system)
    generation = json.loads(storage.run("volume", "stat", "--json", image).stdout)["Generation"]
    said = text_of(note)
    # As the agent writes it after `restore`, with the number that it remembers in `keepers/`.
    restored = {"generation": generation, "known": generation, "accept_rollback": True, "token": 7}
    storage.note_as_the_agent(note, json.dumps({**said, "restored": restored}))
    for known in storage.state.glob("keepers/*.generation"):
        known.unlink()
    storage.start()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    assert "the file in which this machine recorded the age of the image (" in storage.log()
    assert storage.keeper(file_system) is None
    assert storage.stop() == 0
    (storage.state / "keepers" / f"{said['image']}.restored").write_text("7\n")
    storage.start()
    available(efs, file_system)
    storage.mount(file_system)
    assert file.read_bytes() == TEXT


@pytest.mark.parametrize("way", ["damaged", "removed"])
def test_a_note_that_does_not_count_keeps_nothing_readable(efs, kms, storage, arn, shared, way):
    file_system, file = shared
    note = note_of(storage, file_system)
    said = note.read_bytes()
    if way == "damaged":
        note.write_bytes(b"x")
    else:
        note.unlink()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    assert file.read_bytes() == TEXT
    # The process of the volume is told of changes at once, all the same.
    kms.disable_key(KeyId=arn)
    eventually(lambda: is_cut_off(file), seconds=15)
    kms.enable_key(KeyId=arn)
    own = storage.state / "mounts" / file_system / "file"
    eventually(own.exists, seconds=30)
    # What a killed process leaves is cut off.
    os.kill(storage.keeper(file_system)["pid"], signal.SIGKILL)
    eventually(lambda: is_cut_off(own), seconds=15)
    note.write_bytes(said)
    eventually(file.exists, seconds=30)
    available(efs, file_system)


def test_what_was_left_is_cut_off_whatever_is_in_the_place_of_the_mark(storage, shared):
    file_system, file = shared
    pid = storage.keeper(file_system)["pid"]
    storage.kill()
    os.kill(pid, signal.SIGKILL)
    assert file.read_bytes() == TEXT
    mark = storage.state / "volumes" / "agent"
    said = mark.read_text()
    mark.unlink()
    os.mkfifo(mark)
    done = storage.run(
        "agent", "run", "--state-dir", storage.state, "--data-dir", storage.server.data_dir, expect=1
    )
    assert f"{mark} cannot be read (it is not a regular file)" in done.stderr
    assert is_cut_off(file)
    mark.unlink()
    mark.write_text(said)
    storage.start()
    eventually(file.exists, seconds=30)


def test_an_older_list_of_places_mounts_nothing(efs, storage, shared):
    file_system, file = shared
    places = places_of(storage, file_system)
    assert places.parent == storage.state / "local"
    said = places.read_bytes()
    storage.unmount(file.parent)
    assert not places.exists()
    # Where the images are, nothing is read of it.
    (storage.state / "volumes" / places.name.replace(".json", ".mounts.json")).write_bytes(said)
    assert storage.stop() == 0
    storage.start()
    available(efs, file_system)
    assert not os.path.ismount(file.parent)


def test_the_image_of_an_agent_is_not_rekeyed(own_server, efs, kms, storage, arn, shared):
    file_system, file = shared
    image = storage.image(file_system)
    rekey = ["volume", "rekey", image, "--file-system", file_system, "--key-id", arn, "--data-dir", own_server.data_dir]
    told = storage.run(*rekey, expect=1).stderr
    assert f"{image} is the image of an agent's file system" in told
    rekey += ["--state-dir", storage.state / "keepers"]
    told = storage.run(*rekey, expect=1).stderr
    assert f"{image} is the image of {file_system} itself, and not a copy" in told
    storage.unmount(file.parent)
    assert storage.stop() == 0
    told = storage.run(*rekey, expect=1).stderr
    assert f"{image} is the image of {file_system} itself, and not a copy" in told


def test_deleting_a_file_system_writes_to_nothing_that_a_link_names(efs, storage, shared, tmp_path):
    file_system, file = shared
    storage.unmount(file.parent)
    assert storage.stop() == 0
    other = tmp_path / "other"
    other.write_bytes(b"stays" * 10_000)
    image = storage.image(file_system)
    image.unlink()
    image.symlink_to(other)
    # A draft that is a link is not followed either.
    victim = tmp_path / "victim"
    victim.write_text("stays")
    note_of(storage, file_system).with_name(f"{file_system}.json.draft").symlink_to(victim)
    storage.start()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    assert f"{image} is not a file: somebody has put something else in the place of the image" in storage.log()
    efs.delete_file_system(FileSystemId=file_system)
    eventually(lambda: "cannot remove" in storage.log(), seconds=30)
    # Nor by another name of it.
    image.unlink()
    os.link(other, image)
    eventually(lambda: "the file has other names: find and remove those first" in storage.log(), seconds=60)
    assert other.read_bytes() == b"stays" * 10_000
    assert victim.read_text() == "stays"
    # Without the link there is nothing left to delete.
    image.unlink()
    eventually(lambda: state(efs, file_system) is None, seconds=60)


@pytest.mark.parametrize("made", [True, False], indirect=True, ids=["encrypted", "plain"])
def test_an_image_that_others_can_write_to_is_not_adopted(efs, storage, made):
    file_system, path = made
    storage.unmount(path)
    assert storage.stop() == 0
    image, note = storage.image(file_system), note_of(storage, file_system)
    brought = copied(storage, file_system, storage.folder)
    image.unlink()
    note.unlink()
    storage.start()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    link = storage.folder / "link"
    for spoil, mend, what in [
        (lambda: os.chown(brought, 1000, 0), lambda: os.chown(brought, 0, 0), "user 1000, has mode 600 and 1 names"),
        (lambda: brought.chmod(0o620), lambda: brought.chmod(0o600), "user 0, has mode 620 and 1 names"),
        (lambda: os.link(brought, link), link.unlink, "user 0, has mode 600 and 2 names"),
    ]:
        brought.chmod(0o600)
        spoil()
        told = adopt(storage, file_system, brought, expect=1)
        assert f"others than root may be able to write to {brought} (it belongs to {what}): copy it as root" in told
        mend()
    adopt(storage, file_system, brought)
    available(efs, file_system)
    assert (storage.mount(file_system) / "file").read_bytes() == TEXT
