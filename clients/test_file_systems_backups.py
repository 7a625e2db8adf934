"""Backups of file systems end to end: made by the schedule and by hand, read back, lost, and put back."""

import hashlib
import os
import re
import shutil

import pytest

from buckets import moto
from errors import refused
from keyward import REGION, eventually
from storage import TEXT, Storage, arn, available, contains, create, efs, files_of, kms, state
from test_agents import keyward
from volumes import require, run, write

PLAIN = b"what nobody has encrypted " * 100
ENABLED = {"Status": "ENABLED"}
SCHEDULED = r"scheduled-\d{8}T\d{6}Z"


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "place"
    path.mkdir()
    return path


@pytest.fixture
def storage(own_server, tmp_path, place):
    require()
    storage = Storage(own_server, tmp_path, "--backup-to", place)
    yield storage
    storage.end()


def backups(storage, *file_system):
    """The names of the backups, by file system, and what is said of failures."""
    out = storage.run("agent", "backups", *file_system, "--state-dir", storage.state).stdout.splitlines()
    if not out[0].startswith("There is no backup "):
        assert out[0].split() == ["FILE", "SYSTEM", "BACKUP", "TIME"]
    names, failures = {}, []
    for line in out[1:]:
        if line.startswith("fs-"):
            volume, name, _ = line.split()
            names.setdefault(volume, []).append(name)
        else:
            failures.append(line)
    return names, failures


def backup(storage, file_system):
    """Makes a backup by hand, and answers its name."""
    said = storage.run("agent", "backup", file_system, "--state-dir", storage.state).stdout
    return re.fullmatch(rf"Made the backup {file_system}/(manual-\d{{8}}T\d{{6}}Z), and verified it\.\n", said)[1]


def restore(storage, file_system, *words, expect=0):
    return storage.run("agent", "restore", file_system, *words, "--state-dir", storage.state, expect=expect)


def lose(storage):
    """Loses the agent's disk: everything that it has noted down of its volumes, and their images."""
    storage.stop()
    volumes = storage.state / "volumes"
    mark = (volumes / "agent").read_text()
    shutil.rmtree(volumes)
    volumes.mkdir(mode=0o700)
    (volumes / "agent").write_text(mark)


def lose_all(storage):
    """As that, and what is known of the newest images, too."""
    lose(storage)
    shutil.rmtree(storage.state / "keepers")
    shutil.rmtree(storage.state / "mounts")


def test_a_lost_disk_comes_back_from_the_schedules_backup(own_server, efs, kms, storage, arn, place):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn, Backup=True)
    assert efs.describe_backup_policy(FileSystemId=file_system)["BackupPolicy"] == ENABLED
    # The first one is made at once, perhaps of an empty file system.
    eventually(lambda: file_system in backups(storage)[0], seconds=60)
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    manual = backup(storage, file_system)
    write(path / "later", b"written after the backup")
    names, failures = backups(storage, file_system)
    assert failures == []
    (scheduled,) = [name for name in names[file_system] if name != manual]
    assert re.fullmatch(SCHEDULED, scheduled)
    # Nothing can be read where the backup is, nor where it was made.
    assert len([file for file in files_of(place) if file.is_file()]) > 3
    assert [file for file in files_of(place) if contains(file, TEXT[:45])] == []
    assert [file for file in files_of(storage.state / "backups") if contains(file, TEXT[:45])] == []
    assert contains(path / "file", TEXT[:45])
    # Nobody puts anything in the place of an image that is there.
    told = restore(storage, file_system, expect=1).stderr
    assert f"{file_system} has an image, {storage.image(file_system)}: a backup can be restored only if the image is lost." in told
    storage.unmount(path)

    lose(storage)
    storage.start()
    eventually(lambda: state(efs, file_system) == "error")
    assert "restore a backup with `keyward agent restore FILE_SYSTEM`" in storage.log()
    # This machine knows that the image was newer than any backup.
    told = restore(storage, file_system, "--backup", manual, expect=1).stderr
    assert f"{file_system}/{manual} is older than what is known of the volume: it has generation " in told
    assert "and the image that was lost had generation" in told and "--danger-accept-rollback" in told
    assert not storage.image(file_system).exists()
    kms.disable_key(KeyId=arn)
    named = ["--backup", f"{file_system}/{manual}", "--danger-accept-rollback"]
    said = restore(storage, file_system, *named).stdout
    assert re.fullmatch(
        rf"{file_system} is restored as it was at \S+\. It becomes available as soon as its key can be used\. What was written after that is not "
        r"in it: if another machine still has a newer image, it is only there\.\n", said
    )
    # While the key is disabled, what was put back is not readable.
    eventually(lambda: "DisabledException" in storage.log())
    assert state(efs, file_system) == "error"
    own = storage.state / "mounts" / file_system
    assert not os.path.ismount(own)
    assert [file for file in files_of(storage.folder) if contains(file, TEXT[:45])] == []
    told = storage.run("mount", file_system, path, "--state-dir", storage.state, expect=1).stderr
    assert "is not there yet" in told and "DisabledException" in told
    kms.enable_key(KeyId=arn)
    available(efs, file_system)
    path = storage.mount(file_system)
    assert (path / "file").read_bytes() == TEXT
    assert not (path / "later").exists()
    write(path / "new", b"written after it was put back")
    assert storage.stop() == 0
    storage.start()
    eventually((path / "new").exists)
    assert (path / "new").read_bytes() == b"written after it was put back"


def test_an_image_that_turns_up_again_after_a_backup_was_put_back_is_refused(efs, storage, arn):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn)
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    backup(storage, file_system)
    storage.unmount(path)
    storage.stop()
    stolen = storage.folder / "stolen.img"
    run("cp", "--sparse=always", storage.image(file_system), stolen)
    lose_all(storage)
    storage.start()
    eventually(lambda: state(efs, file_system) == "error")
    # Nothing newer is known on this machine, and the server was told of this backup by nobody.
    restore(storage, file_system)
    available(efs, file_system)
    assert storage.stop() == 0
    storage.image(file_system).unlink()
    stolen.rename(storage.image(file_system))
    storage.start()
    eventually(lambda: "is older than it should be" in storage.log())
    # The server hears of it after the log does.
    eventually(lambda: state(efs, file_system) == "error")


def forged(place, file_system, manifest, generation):
    """The manifest of a backup in which the older copy of the superblock is the newer one with another generation."""
    entries = 32 + sum(len(part) for part in notes(manifest))
    index, stored, first = (manifest[entries + at : entries + end] for at, end in [(0, 4), (4, 8), (8, 40)])
    chunks = place / "chunks" / file_system
    data = bytearray((chunks / first.hex()[:2] / first.hex()).read_bytes())
    # The first blocks of both copies are stored.
    assert len(data) == int.from_bytes(stored, "big")
    copies = [found.start() for found in re.finditer(b"KWVOLUME", data)]
    older, newer = sorted(copies, key=lambda at: data[at + 48 : at + 56])
    data[older : older + 4096] = data[newer : newer + 4096]
    data[older + 48 : older + 56] = generation.to_bytes(8, "big")
    hash = hashlib.sha256(piece(data))
    path = chunks / hash.hexdigest()[:2] / hash.hexdigest()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    said = b"".join(notes(manifest, {b"generation": str(generation).encode()}))
    body = manifest[:32] + said + index + stored + hash.digest() + manifest[entries + 40 : -32]
    return body + hashlib.sha256(body).digest()


def piece(chunk):
    """The piece of an image that a chunk is stored for."""
    assert chunk[:12] == b"KWVCHUNK\0\2\0\0"
    length = int.from_bytes(chunk[12:16], "big")
    blocks = -(-length // 4096)
    at, out = 16 + -(-blocks // 8), bytearray(length)
    for block in range(blocks):
        if chunk[16 + block // 8] & (0x80 >> block % 8):
            size = min(4096, length - block * 4096)
            out[block * 4096 : block * 4096 + size] = chunk[at : at + size]
            at += size
    assert at == len(chunk)
    return out


def notes(manifest, change={}):
    """What is noted down in a manifest, changed, as it is written there."""
    at, texts = 32, []
    for _ in range(2 * int.from_bytes(manifest[24:28], "big")):
        length = int.from_bytes(manifest[at : at + 2], "big")
        texts.append(manifest[at + 2 : at + 2 + length])
        at += 2 + length
    pairs = {**dict(zip(texts[::2], texts[1::2])), **change}
    return [len(text).to_bytes(2, "big") + text for pair in sorted(pairs.items()) for text in pair]


def test_an_older_backup_is_not_taken_for_the_newest_on_a_new_disk(own_server, efs, storage, arn, place):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn, Backup=True)
    eventually(lambda: file_system in backups(storage)[0], seconds=60)
    (first,) = backups(storage)[0][file_system]
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    newest = backup(storage, file_system)
    copies = place / "copies" / file_system
    generation = int(re.search(rb"generation\x00.(\d+)", (copies / newest).read_bytes())[1])
    trail = own_server.data_dir / "audit" / "trail-00000001.jsonl"
    heard = re.compile(rf'"backup":{{[^}}]*"generation":{generation}[,}}]')
    eventually(lambda: heard.search(trail.read_text()))
    storage.unmount(path)
    lose_all(storage)
    # Whoever can write to the place puts the older backup in the place of the newest one.
    good = (copies / newest).read_bytes()
    (copies / newest).write_bytes((copies / first).read_bytes())
    storage.start()
    eventually(lambda: state(efs, file_system) == "error")
    told = restore(storage, file_system, "--backup", newest, expect=1).stderr
    assert f"and the newest backup has, as the server knows, generation {generation}." in told
    assert not storage.image(file_system).exists()
    # Or makes the older one say that it is newer: the restore cannot tell without the key, and opening it can.
    (copies / newest).write_bytes(forged(place, file_system, (copies / first).read_bytes(), 1 << 40))
    restore(storage, file_system, "--backup", newest)
    older = re.compile(rf"is older than it should be: it has generation \d+, and generation {generation} is known")
    eventually(lambda: older.search(storage.log()))
    assert state(efs, file_system) == "error"
    lose_all(storage)
    storage.start()
    eventually(lambda: state(efs, file_system) == "error")
    (copies / newest).write_bytes(good)
    restore(storage, file_system, "--backup", newest)
    available(efs, file_system)
    path = storage.mount(file_system)
    assert (path / "file").read_bytes() == TEXT


def test_a_backup_of_another_file_system_or_without_encryption_is_refused(efs, storage, arn, place):
    file_system, other = (create(efs, Encrypted=True, KmsKeyId=arn) for _ in range(2))
    plain = create(efs)
    names = {each: backup(storage, each) for each in [file_system, other, plain]}
    lose_all(storage)
    copies, chunks = place / "copies", place / "chunks"
    for donor, why in [(other, "is that of another file system"), (plain, "is not encrypted, and")]:
        (copies / file_system / names[file_system]).write_bytes((copies / donor / names[donor]).read_bytes())
        run("cp", "-rn", f"{chunks / donor}/.", chunks / file_system)
        if storage.process.poll() is not None:
            storage.start()
        eventually(lambda: state(efs, file_system) == "error")
        told = restore(storage, file_system, expect=1).stderr
        assert f"the image in {file_system}/{names[file_system]} {why}" in told
        assert sorted(storage.state.glob(f"volumes/{file_system}.*")) == []


def test_what_is_damaged_in_the_place_is_sent_again_with_the_next_backup(efs, storage, arn, place):
    for attempts, options in enumerate([{"Encrypted": True, "KmsKeyId": arn}, {}], 1):
        file_system = create(efs, **options)
        path = storage.mount(file_system)
        write(path / "file", TEXT)
        first = backup(storage, file_system)
        chunks = [path for path in (place / "chunks" / file_system).rglob("*") if len(path.name) == 64]
        for chunk in chunks:
            with open(chunk, "r+b") as file:
                # Its length says nothing.
                file.seek(-7, os.SEEK_END)
                file.write(b"changed")
        damaged = storage.run("volume", "copies", place, "--verify", f"{file_system}/{first}", expect=1).stdout
        assert damaged.count(" is damaged\n") == len(chunks)
        second = backup(storage, file_system)
        assert storage.log().count("the backup is sent again") == attempts
        assert f"{file_system}/{second} is whole: " in storage.run("volume", "copies", place, "--verify", file_system).stdout
        storage.unmount(path)


def test_the_days_backup_is_made_after_a_restart_and_old_ones_expire(efs, storage, place):
    file_system = create(efs, Backup=True)
    eventually(lambda: file_system in backups(storage)[0], seconds=60)
    manual = backup(storage, file_system)
    (first,) = [name for name in backups(storage)[0][file_system] if name != manual]
    storage.stop()
    copies = place / "copies" / file_system
    (copies / first).rename(copies / "scheduled-20200101T050000Z")
    (copies / manual).rename(copies / "manual-20200101T050000Z")
    storage.start()

    def expired():
        names = backups(storage)[0][file_system]
        return "scheduled-20200101T050000Z" not in names and names

    one, other = eventually(expired, seconds=60)
    assert one == "manual-20200101T050000Z"
    assert re.fullmatch(SCHEDULED, other) and other > "scheduled-2026"


def test_a_file_system_without_encryption_is_frozen_copied_and_put_back(efs, storage, place):
    file_system = create(efs)
    path = storage.mount(file_system)
    write(path / "file", PLAIN)
    # Within a second, perhaps.
    assert backup(storage, file_system) != backup(storage, file_system)
    efs.put_backup_policy(FileSystemId=file_system, BackupPolicy=ENABLED)
    eventually(lambda: len(backups(storage)[0].get(file_system, [])) == 3, seconds=60)
    # It is not frozen any more. The backup is as readable as the image is.
    write(path / "later", PLAIN)
    assert any(contains(file, PLAIN[:26]) for file in files_of(place))
    assert list((storage.state / "backups" / "copies").iterdir()) == []
    storage.unmount(path)
    lose(storage)
    storage.start()
    eventually(lambda: state(efs, file_system) == "error")
    (scheduled,) = [name for name in backups(storage)[0][file_system] if re.fullmatch(SCHEDULED, name)]
    restore(storage, file_system, "--backup", scheduled)
    available(efs, file_system)
    path = storage.mount(file_system)
    assert (path / "file").read_bytes() == PLAIN
    assert not (path / "later").exists()
    # Whoever is killed while it is frozen leaves that to the next one.
    own = storage.state / "mounts" / file_system
    storage.kill()
    run("fsfreeze", "--freeze", own)
    storage.start()
    write(path / "again", PLAIN)


def test_what_is_cut_off_is_not_backed_up_and_the_server_hears_of_it(own_server, efs, kms, storage, arn, place):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn)
    kms.disable_key(KeyId=arn)
    eventually(lambda: state(efs, file_system) == "error")
    kms.enable_key(KeyId=arn)
    available(efs, file_system)
    place.rename(place.with_name("away"))
    efs.put_backup_policy(FileSystemId=file_system, BackupPolicy=ENABLED)
    eventually(lambda: keyward(own_server, "list").splitlines()[1].split()[5:] == ["1", "failed"], seconds=60)
    assert "cannot be backed up, and it is tried again later" in storage.log()
    kms.disable_key(KeyId=arn)
    eventually(lambda: state(efs, file_system) == "error")
    told = storage.run("agent", "backup", file_system, "--state-dir", storage.state, expect=1).stderr
    assert f"{file_system} is cut off: DisabledException: {arn} is disabled." in told
    place.with_name("away").rename(place)


def test_backups_of_a_deleted_file_system_stay_until_they_expire(efs, storage, arn, place):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn, Backup=True)
    eventually(lambda: file_system in backups(storage)[0], seconds=60)
    manual = backup(storage, file_system)
    efs.delete_file_system(FileSystemId=file_system)
    eventually(lambda: state(efs, file_system) is None, seconds=60)
    assert not storage.image(file_system).exists()
    assert (storage.state / "backups" / f"{file_system}.deleted").exists()
    names = backups(storage)[0][file_system]
    assert manual in names and len(names) == 2
    told = restore(storage, file_system, expect=1).stderr
    assert told.startswith(f"keyward: no file system {file_system} is stored on this machine")
    storage.run("volume", "copies", place, "--remove", f"{file_system}/{manual}")
    assert backups(storage)[0][file_system] == [name for name in names if name != manual]


def test_whoever_may_use_the_key_opens_a_backup_without_the_file_system(own_server, efs, kms, storage, arn, place, tmp_path):
    file_system = create(efs, Encrypted=True, KmsKeyId=arn)
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    made = backup(storage, file_system)
    storage.unmount(path)
    efs.delete_file_system(FileSystemId=file_system)
    eventually(lambda: state(efs, file_system) is None, seconds=60)
    image, mounted = tmp_path / "restored.img", tmp_path / "restored"
    mounted.mkdir()
    storage.run("volume", "receive", place, image, "--name", f"{file_system}/{made}")
    states = ("--state-dir", tmp_path / "volumes")
    server = ("--data-dir", own_server.data_dir, *states)
    told = storage.run("volume", "attach", image, mounted, *server, expect=1).stderr
    assert f"is the image of a file system of EFS ({file_system})" in told
    assert f"`keyward volume rekey IMAGE --file-system {file_system} --key-id KEY`" in told
    rekey = ("volume", "rekey", image, "--key-id", arn, *server, "--file-system")
    told = storage.run(*rekey, "fs-0123456789abcdef0", expect=1).stderr
    assert f"{image} is not an image of fs-0123456789abcdef0: its data key was wrapped with another" in told
    kms.disable_key(KeyId=arn)
    assert f"DisabledException: {arn} is disabled." in storage.run(*rekey, file_system, expect=1).stderr
    kms.enable_key(KeyId=arn)
    storage.run(*rekey, file_system)
    storage.run("volume", "attach", image, mounted, *server)
    assert (mounted / "file").read_bytes() == TEXT
    storage.run("volume", "detach", image, *states)
    assert storage.run("volume", "check", image, *server).returncode == 0


def test_a_backup_without_encryption_is_a_plain_image(efs, storage, place, tmp_path):
    file_system = create(efs, Encrypted=False)
    path = storage.mount(file_system)
    write(path / "file", PLAIN)
    made = backup(storage, file_system)
    image, mounted = tmp_path / "restored.img", tmp_path / "restored"
    mounted.mkdir()
    storage.run("volume", "receive", place, image, "--name", f"{file_system}/{made}")
    run("mount", "-o", "loop,ro", image, mounted)
    assert (mounted / "file").read_bytes() == PLAIN
    run("umount", mounted)


def test_a_lost_disk_comes_back_from_a_bucket(own_server, efs, kms, arn, moto, tmp_path):
    require()
    place = f"s3://{moto.BUCKET}/efs"
    agent = type("InTheCloud", (Storage,), {"environment": moto.environment()})
    storage = agent(own_server, tmp_path, "--backup-to", place, "--backup-region", REGION)
    try:
        file_system = create(efs, Encrypted=True, KmsKeyId=arn, Backup=True)
        eventually(lambda: file_system in backups(storage)[0], seconds=60)
        path = storage.mount(file_system)
        write(path / "file", TEXT)
        manual = backup(storage, file_system)
        assert any(manual in key for key in moto.keys("efs/"))
        stored = [moto.s3.get_object(Bucket=moto.BUCKET, Key=key)["Body"].read() for key in moto.keys("efs/")]
        assert sum(map(len, stored)) > len(TEXT)
        assert not any(TEXT[:45] in body for body in stored)
        storage.unmount(path)
        lose_all(storage)
        storage.start()
        eventually(lambda: state(efs, file_system) == "error")
        kms.disable_key(KeyId=arn)
        restore(storage, file_system, "--backup", manual)
        eventually(lambda: "DisabledException" in storage.log())
        assert [file for file in files_of(storage.folder) if contains(file, TEXT[:45])] == []
        kms.enable_key(KeyId=arn)
        available(efs, file_system)
        path = storage.mount(file_system)
        assert (path / "file").read_bytes() == TEXT
        # The secret of the bucket's key is nobody else's.
        assert moto.credentials[1] not in storage.log()
    finally:
        storage.end()


def test_what_is_not_backed_up_is_said_to_be_so(efs, storage, place):
    file_system = create(efs)
    show = lambda *words, **more: storage.run("agent", "backups", *words, "--state-dir", storage.state, **more)  # noqa: E731
    assert show().stdout.splitlines() == [f"There is no backup in {place} yet: `keyward agent backup FILE_SYSTEM` makes one."]
    assert show(file_system).stdout.splitlines() == [f"There is no backup of {file_system} in {place} yet: `keyward agent backup {file_system}` makes one."]
    for unknown in ("nonsense", "fs-0123456789abcdef0"):
        told = show(unknown, expect=1)
        assert (told.stdout, told.stderr) == (
            "",
            f"keyward: there is no backup of {unknown} in {place}, and no such file system on this machine: "
            "`keyward agent backups` lists all backups\n",
        )
    told = show("Nonsense", expect=1).stderr
    assert "that is not the ID of a file system, which begins with fs-" in told


def rows(server, *words):
    """What `keyward agent list` says of the only agent, but for its databases, and of what is wrong."""
    _, agent, *rest = keyward(server, "list", *words).splitlines()
    _, _, volumes, connected, _, *backups = agent.split()
    return [volumes, connected, *backups], [line for line in rest if line]


def test_what_could_not_be_backed_up_by_hand_is_listed_with_its_reason(own_server, efs, storage, place):
    file_system = create(efs)
    assert rows(own_server) == (["1", "yes", "yes"], [])
    shutil.rmtree(place)
    told = storage.run("agent", "backup", file_system, "--state-dir", storage.state, expect=1).stderr
    reason = f"`{place}` is not a place for copies: there is no such directory. Create it; if it is on a disk of its own, mount that first"
    assert reason in told
    eventually(lambda: rows(own_server)[0] == ["1", "yes", "1", "failed"], seconds=30)
    said = rf"{file_system} +could not be backed up by {storage.id}, at \S+Z: .*{re.escape(reason)}"
    for words in ([], [file_system]):
        (line,) = rows(own_server, *words)[1]
        assert re.fullmatch(said, line)
    place.mkdir()
    (failure,) = backups(storage, file_system)[1][:1]
    assert failure.startswith(f"The last attempt to back {file_system} up, at ") and reason in failure
    backup(storage, file_system)
    assert backups(storage, file_system)[1] == []
    eventually(lambda: rows(own_server) == (["1", "yes", "yes"], []), seconds=30)
    told = keyward(own_server, "list", "fs-0123456789abcdef0", expect=1)
    assert "NotFoundException: There is no volume fs-0123456789abcdef0 in your account and Region." in told


def test_a_place_that_cannot_be_used_is_no_place_for_backups(own_server, storage, place):
    eventually(lambda: rows(own_server) == (["0", "yes", "yes"], []), seconds=30)
    assert storage.stop() == 0
    # It is gone at once, and not only when it does not come back for a while.
    assert rows(own_server)[0] == ["0", "no", "yes"]
    shutil.rmtree(place)
    storage.start()

    def unusable():
        columns, rest = rows(own_server)
        return columns == ["0", "yes", "unusable"] and rest

    (line,) = eventually(unusable, seconds=40)
    assert line.startswith(f"{storage.id:<25}cannot use its place for backups: `{place}` is not a place for copies: ")
    assert "there is no such directory" in line
    storage.kill()
    eventually(lambda: rows(own_server)[0][1] == "no", seconds=10)


def test_an_agent_without_a_place_says_so(own_server, efs, tmp_path):
    require()
    storage = Storage(own_server, tmp_path)
    try:
        file_system = create(efs)
        for words in [["backup", file_system], ["backups"], ["restore", file_system]]:
            told = storage.run("agent", *words, "--state-dir", storage.state, expect=1).stderr
            assert told == "keyward: this agent has no place for backups: start it with `keyward agent run --backup-to`\n"
        with refused("BadRequest"):
            efs.put_backup_policy(FileSystemId=file_system, BackupPolicy=ENABLED)
        storage.stop()
        place = tmp_path / "place"
        place.mkdir()
        storage.arguments = ["--backup-to", place]
        storage.start()
        efs.put_backup_policy(FileSystemId=file_system, BackupPolicy=ENABLED)
        eventually(lambda: file_system in backups(storage)[0], seconds=60)
        # It has none any more.
        storage.stop()
        storage.arguments = []
        storage.start()
        eventually(lambda: keyward(own_server, "list").splitlines()[1].split()[5:] == ["1", "failed"], seconds=60)
    finally:
        storage.end()
