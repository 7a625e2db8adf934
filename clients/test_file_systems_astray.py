"""Images of file systems that somebody moves away or deletes while they are attached."""

import pytest

from keyward import eventually
from storage import TEXT, Storage, arn, available, create, efs, kms, state
from test_agents import keyward
from test_file_systems_backups import backup, place, restore, storage
from volumes import write


@pytest.fixture(params=[True, False], ids=["encrypted", "plain"])
def made(storage, efs, arn, request):
    """A file system with a file on disk: its id, whether it is encrypted, and where it is mounted."""
    file_system = create(efs, **({"Encrypted": True, "KmsKeyId": arn} if request.param else {"Encrypted": False}))
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    return file_system, request.param, path


def reason(server, file_system):
    """Why a file system is not available."""
    return keyward(server, "list", file_system).splitlines()[3]


def test_an_image_that_is_moved_away_is_noticed_and_comes_back(own_server, efs, storage, made, tmp_path):
    file_system, encrypted, path = made
    image, elsewhere = storage.image(file_system), tmp_path / "elsewhere.img"
    image.rename(elsewhere)
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    why = f"the image of the volume was moved away while it is attached: it is {elsewhere} now, and what is written goes there. "
    assert why in storage.log()
    assert f"is not available on {storage.id}, since " in reason(own_server, file_system)
    assert f"{why}Move it back (`mv {elsewhere} {image}`)" in reason(own_server, file_system)
    # Whoever uses it goes on.
    assert (path / "file").read_bytes() == TEXT
    write(path / "later", b"written elsewhere")
    # What is in its place is not taken for it.
    image.write_bytes(b"another file")
    backup(storage, file_system)
    assert state(efs, file_system) == "error"
    elsewhere.rename(image)
    available(efs, file_system)
    assert storage.stop() == 0
    storage.start()
    available(efs, file_system)
    eventually(lambda: (path / "later").exists() and (path / "later").read_bytes() == b"written elsewhere", seconds=30)


def test_an_image_that_is_deleted_stays_attached_and_is_backed_up(own_server, efs, storage, made):
    file_system, encrypted, path = made
    image = storage.image(file_system)
    image.unlink()
    eventually(lambda: state(efs, file_system) == "error", seconds=30)
    why = f"the image of the volume, {image}, was deleted while it is attached: what is mounted is all that is left of it"
    assert why in reason(own_server, file_system)
    # The end of the agent does not destroy it.
    assert storage.stop() == 0
    assert why in storage.log() and "the volume stays attached" in storage.log()
    assert (path / "file").read_bytes() == TEXT
    storage.start()
    eventually(lambda: why in reason(own_server, file_system), seconds=30)
    write(path / "later", b"written to what has no name")
    if not encrypted:
        told = storage.run("agent", "backup", file_system, "--state-dir", storage.state, expect=1).stderr
        assert told == (
            "keyward: the image was deleted: copy the files of the file system elsewhere, they are all that is left\n"
        )
        return
    assert f"or make a backup of it (`keyward agent backup {file_system}`)" in reason(own_server, file_system)
    backup(storage, file_system)
    storage.unmount(path)
    told = restore(storage, file_system, "--danger-accept-rollback", expect=1).stderr
    detach = f"keyward volume detach --force {image} --state-dir {storage.state / 'keepers'}"
    assert f"{file_system} is still attached on this machine" in told and f"detach it (`{detach}`)" in told
    storage.run("volume", "detach", "--force", image, "--state-dir", storage.state / "keepers")
    # What is still being taken away is waited for.
    restore(storage, file_system, "--danger-accept-rollback")
    available(efs, file_system)
    assert (storage.mount(file_system, name="back") / "later").read_bytes() == b"written to what has no name"
