"""Backup and restore, by the very commands that `docs/operations.md` shows."""

import re
import shutil

import pytest

from documents import named, shell
from keyward import ROOT, Server, eventually

DOCUMENT = "operations.md"


@pytest.fixture
def places(tmp_path):
    (tmp_path / "backup").mkdir()
    return {
        "/var/lib/keyward": tmp_path / "data",
        "/var/backups/keyward": tmp_path / "backup",
        "/etc/keyward": tmp_path / "etc",
    }


@pytest.fixture
def running(tmp_path, places):
    """A server as the document installs it: the root key is outside the data directory."""
    server = Server(tmp_path / "data", "--root-key", tmp_path / "etc/root.key")
    yield server
    if server.process.poll() is None:
        server.kill()


def lost(server):
    """The machine is gone; only the root key was kept elsewhere."""
    credentials = server.root_credentials()
    server.kill()
    shutil.rmtree(server.data_dir)
    return credentials


def test_a_backup_of_a_running_server_is_restored_after_the_disk_is_lost(running, tmp_path, places):
    kms = running.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/kept", TargetKeyId=key)
    before = kms.encrypt(KeyId=key, Plaintext=b"before the backup")["CiphertextBlob"]
    done = shell(named(DOCUMENT, "backup"), places, tmp_path)
    assert done.returncode == 0, done.stderr
    after = kms.encrypt(KeyId=key, Plaintext=b"after the backup")["CiphertextBlob"]
    kept = {path.name for path in (tmp_path / "backup/2026-11-29").iterdir()}
    assert kept == {"store.db", "audit", "environment.toml"}, "neither root key nor credentials"
    credentials = lost(running)
    done = shell(named(DOCUMENT, "restore"), places, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the store agrees" in done.stdout
    running.start()
    kms = running.client("kms", credentials=credentials)
    assert kms.decrypt(CiphertextBlob=before)["Plaintext"] == b"before the backup"
    assert kms.decrypt(CiphertextBlob=after)["Plaintext"] == b"after the backup"
    assert kms.describe_key(KeyId="alias/kept")["KeyMetadata"]["KeyId"] == key


@pytest.mark.parametrize("block", ["restore", "restore-store"])
def test_a_backup_replaces_the_store_of_a_server_that_was_killed(running, tmp_path, places, block):
    kms = running.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    done = shell(named(DOCUMENT, "backup"), places, tmp_path)
    assert done.returncode == 0, done.stderr
    after = kms.create_key()["KeyMetadata"]["KeyId"]
    eventually(lambda: after in (running.data_dir / "audit/trail-00000001.jsonl").read_text())
    credentials = running.root_credentials()
    running.kill()
    assert (tmp_path / "data/store.db-wal").stat().st_size > 0, "the old log would be replayed"
    done = shell(named(DOCUMENT, block), places, tmp_path)
    assert done.returncode == 0, done.stderr
    if block == "restore-store":
        done = shell(named(DOCUMENT, "accept"), places, tmp_path)
        assert done.returncode == 0, done.stderr
    running.start()
    kms = running.client("kms", credentials=credentials)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert after not in {each["KeyId"] for each in kms.list_keys()["Keys"]}


def test_a_backup_beside_the_log_of_a_server_that_was_killed_is_refused(running, tmp_path, places):
    running.client("kms").create_key()
    assert shell(named(DOCUMENT, "backup"), places, tmp_path).returncode == 0
    credentials = running.root_credentials()
    # A start begins another log.
    assert running.drain() == 0
    running.start()
    later = running.client("kms", credentials=credentials).create_key()["KeyMetadata"]["KeyId"]
    eventually(lambda: later in (running.data_dir / "audit/trail-00000001.jsonl").read_text())
    running.kill()
    data, (backup,) = tmp_path / "data", tmp_path.glob("**/2026-11-29/store.db")
    shutil.copy(backup, data / "store.db")
    verify = "keyward audit verify --data-dir /var/lib/keyward --root-key /etc/keyward/root.key"
    done = shell(verify, places, tmp_path)
    assert done.returncode == 1
    text = f"{data}/store.db-wal belongs to another store or to another state of this one: if the store was restored from a backup, remove that file"
    assert text in done.stderr, done.stderr
    for name in ["store.db-wal", "store.db-shm"]:
        (data / name).unlink()
    done = shell(verify, places, tmp_path)
    assert "the store is older than its audit trail" in done.stderr, done.stderr


def test_a_change_between_the_two_copies_is_accepted_as_documented(running, tmp_path, places):
    kms = running.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    store, trail = named(DOCUMENT, "backup").split("cp -a", 1)
    assert shell(store, places, tmp_path).returncode == 0
    gone = kms.create_key()["KeyMetadata"]["KeyId"]
    # The event of a change is in the store when it is answered, and on the trail soon after.
    eventually(lambda: gone in (running.data_dir / "audit/trail-00000001.jsonl").read_text())
    assert shell(f"cp -a{trail}", places, tmp_path).returncode == 0
    credentials = lost(running)
    done = shell(named(DOCUMENT, "restore"), places, tmp_path)
    assert done.returncode != 0
    assert "the store is older than its audit trail: it is at revision " in done.stderr
    done = shell(named(DOCUMENT, "accept"), places, tmp_path)
    assert done.returncode == 0, done.stderr
    running.start()
    kms = running.client("kms", credentials=credentials)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert gone not in {each["KeyId"] for each in kms.list_keys()["Keys"]}
    assert gone in (tmp_path / "data/audit/trail-00000001.jsonl").read_text(), "the trail still shows it"


def test_the_store_alone_brings_every_key_back(running, tmp_path):
    kms = running.client("kms")
    blob = kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"kept")["CiphertextBlob"]
    places = {"DIR": tmp_path / "data"}
    assert running.drain() == 0
    shutil.copy(tmp_path / "data/store.db", tmp_path / "store.db")
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data").mkdir()
    shutil.copy(tmp_path / "store.db", tmp_path / "data/store.db")
    done = shell(f"keyward audit accept-loss --data-dir DIR --root-key {tmp_path}/etc/root.key", places, tmp_path)
    assert done.returncode == 0, done.stderr
    done = shell(f"keyward init --new-root-credentials --data-dir DIR --root-key {tmp_path}/etc/root.key", places, tmp_path)
    assert done.returncode == 0, done.stderr
    running.start()
    assert running.client("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def said_by_the_program():
    """The text of the program's sources, with strings that go over several lines in one piece."""
    sources = [*ROOT.glob("crates/*/src/**/*.rs"), *ROOT.glob("apis/*/src/**/*.rs")]
    text = "\n".join(path.read_text() for path in sources)
    return re.sub(r"\\\n\s*", "", text).replace('\\"', '"')


def test_the_sentences_that_the_document_explains_are_the_programs():
    document = (ROOT / "docs" / DOCUMENT).read_text()
    tables = [
        document.split("A version refuses what it cannot read", 1)[1].split("To go back", 1)[0],
        document.split("**The server or a command does not start.**", 1)[1].split("**A client gets", 1)[0],
    ]
    sentences = [
        found
        for table in tables
        for row in re.findall(r"^\| (.*?) \| ", table, re.MULTILINE)
        for pair in re.findall(r"`` (.+?) ``|`([^`]+)`", row)
        for found in pair
        if found not in ("", "Permission denied")
    ]
    assert len(sentences) > 20
    program = said_by_the_program()
    for sentence in sentences:
        # What differs from case to case is `…`, or a number in an example.
        for part in re.split(r"…|\b\d+\b", sentence):
            part = part.strip(" :`")
            assert len(part) < 8 or part in program, f"{part!r} of {sentence!r}"
