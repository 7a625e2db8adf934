"""What the audit trail and the store know of each other: what is taken from either is found at start,
and an operator can go on, with an event that says so."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess

import pytest

from keyward import Server, binary, clean_environment

SMALL = "[audit]\nsegment_bytes = 1048576\n"


def keyward(server, *arguments):
    """Runs a command of a stopped server; answers whether it worked and what it said."""
    command = [binary(), *arguments, "--data-dir", server.data_dir]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    return done.returncode == 0, done.stdout if done.returncode == 0 else done.stderr


def refusal(server):
    """What the server says when it does not start."""
    command = [binary(), "serve", "--data-dir", server.data_dir, "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def segments(server):
    return sorted((server.data_dir / "audit").glob("trail-*.jsonl"))


def events(server):
    lines = [json.loads(line) for path in segments(server) for line in path.open()]
    return [line for line in lines if "eventName" in line]


def named(server, name):
    return [event for event in events(server) if event["eventName"] == name]


def keys_made(server):
    """The ids of keys whose creation is on the trail."""
    return {event["responseElements"]["keyMetadata"]["keyId"] for event in named(server, "CreateKey")}


def backup(server, target):
    """The documented recipe."""
    source, copy = sqlite3.connect(server.data_dir / "store.db"), sqlite3.connect(target)
    with source, copy:
        source.backup(copy)
    source.close()
    copy.close()


def put_back(server, copy):
    for suffix in ("-wal", "-shm"):
        (server.data_dir / f"store.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(copy, server.data_dir / "store.db")


def edit(server, *statements):
    store = sqlite3.connect(server.data_dir / "store.db")
    with store:
        for statement in statements:
            store.execute(statement)
    store.close()


def verified(server, *arguments):
    worked, text = keyward(server, "audit", "verify", *arguments)
    assert worked, text
    return text


def fill(server, kms, least):
    """Makes events until the trail has that many segments."""
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    while len(segments(server)) < least:
        kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"filler": "x" * 8000})
    return key


def test_a_restored_store_is_found_and_goes_on_when_it_is_accepted(own_server, tmp_path):
    server = own_server
    kms = server.client("kms")
    kept = kms.create_key()["KeyMetadata"]["KeyId"]
    backup(server, tmp_path / "copy.db")
    gone = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3)]
    assert server.drain() == 0
    put_back(server, tmp_path / "copy.db")
    said = refusal(server)
    assert "the store is older than its audit trail: it is at revision " in said
    assert "run `keyward store accept-restore`, which records that and continues" in said
    worked, said = keyward(server, "audit", "verify")
    assert not worked and "the store is older than its audit trail" in said
    worked, said = keyward(server, "store", "accept-restore")
    assert worked, said
    assert "The store is accepted as it is, at revision " in said
    # Once.
    worked, said = keyward(server, "store", "accept-restore")
    assert not worked
    assert "there is nothing to accept: the store and its audit trail agree\n" in said
    server.start()
    kms = server.client("kms")
    kms.describe_key(KeyId=kept)
    later = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    assert server.drain() == 0
    assert later | {kept} | set(gone) <= keys_made(server)
    [accepted] = named(server, "AcceptRestore")
    details = accepted["serviceEventDetails"]
    assert details["store"] == "older than the trail"
    assert details["storeRevision"] < details["trailRevision"]
    assert details["operatingSystemUserId"] == os.getuid()
    assert "; 0 pieces were set aside after a crash." in verified(server)
    server.start()


def test_a_killed_server_needs_nobody(own_server):
    made = {own_server.client("kms").create_key()["KeyMetadata"]["KeyId"] for _ in range(3)}
    for _ in range(3):
        own_server.restart()
    assert own_server.drain() == 0
    assert made <= keys_made(own_server)


def test_a_forged_end_is_found(own_server):
    own_server.client("kms").create_key()
    assert own_server.drain() == 0
    last = segments(own_server)[-1]
    lines = last.read_text().splitlines(keepends=True)
    at = max(number for number, line in enumerate(lines) if '"eventName":"CreateKey"' in line)
    forged = lines[at].replace('"eventName":"CreateKey"', '"eventName":"ListKeys"')
    last.write_text("".join(lines[:at]) + forged)
    said = refusal(own_server)
    assert f"{last}" in said
    assert "run `keyward audit accept-loss`, which records the loss and continues" in said
    assert "ListKeys" not in last.read_text() or forged in last.read_text()


@pytest.mark.parametrize("taken", ["batches", "contents", "last", "all"])
def test_what_is_taken_from_the_trail_is_found_and_accepted_with_an_event(tmp_path, taken):
    config = tmp_path / "keyward.toml"
    config.write_text(SMALL)
    server = Server(tmp_path / "data", "--config", config)
    try:
        kms = server.client("kms")
        made = [fill(server, kms, 2), *(kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3))]
        assert server.drain() == 0
        if taken == "batches":
            last = segments(server)[-1]
            lines = last.read_text().splitlines(keepends=True)
            ends = [number for number, line in enumerate(lines) if line.startswith('{"keyward')]
            last.write_text("".join(lines[: ends[-2] + 1]))
            expected = f"the audit trail was cut short: {last} ends after "
        elif taken == "contents":
            last = segments(server)[-1]
            last.write_bytes(b"")
            expected = f"the audit trail was cut short: {last} is empty"
        elif taken == "last":
            last = segments(server)[-1]
            last.unlink()
            expected = f"a part of the audit trail is missing: {last}"
        else:
            last = segments(server)[-1]
            shutil.rmtree(server.data_dir / "audit")
            expected = f"a part of the audit trail is missing: {last}"
        worked, said = keyward(server, "audit", "verify")
        assert not worked and expected in said
        said = refusal(server)
        assert expected in said
        assert "put back what was removed from the trail or changed in it, or run `keyward audit accept-loss`" in said
        worked, said = keyward(server, "audit", "accept-loss")
        assert worked, said
        assert f"Accepted: {expected}" in said
        assert "The trail continues with segment " in said
        worked, said = keyward(server, "audit", "accept-loss")
        assert not worked and "there is nothing to accept" in said
        server.start()
        kms = server.client("kms")
        later = kms.create_key()["KeyMetadata"]["KeyId"]
        for key in made:
            kms.describe_key(KeyId=key)
        assert server.drain() == 0
        [accepted] = named(server, "AcceptLoss")
        assert accepted["serviceEventDetails"]["trail"].startswith(expected)
        assert later in keys_made(server)
        assert " begins after a loss that was accepted." in verified(server)
    finally:
        if server.process.poll() is None:
            server.kill()


def test_segments_moved_away_as_documented_break_neither_start_nor_verify(tmp_path):
    config = tmp_path / "keyward.toml"
    config.write_text(SMALL)
    server = Server(tmp_path / "data", "--config", config)
    try:
        kms = server.client("kms")
        fill(server, kms, 5)
        archive = tmp_path / "archive"
        archive.mkdir()
        assert server.drain() == 0
        whole = verified(server).splitlines()[0]
        moved = segments(server)[:-2]
        assert moved
        for path in moved:
            path.rename(archive / path.name)
        said = verified(server)
        assert f"The first segment here is number {len(moved) + 1}: the segments before it were not verified." in said
        # With them it is what it was.
        assert verified(server, "--archive", archive).splitlines()[0] == whole
        server.start()
        server.client("kms").create_key()
        server.restart()
        assert server.drain() == 0
        # One between others is missed.
        segments(server)[0].rename(archive / segments(server)[0].name)
        (archive / moved[-1].name).rename(moved[-1])
        said = refusal(server)
        assert "a part of the audit trail is missing: " in said
    finally:
        if server.process.poll() is None:
            server.kill()


def test_events_taken_from_the_outbox_are_found(own_server):
    assert own_server.drain() == 0
    # A command of a stopped server leaves its event there until the next start.
    worked, said = keyward(own_server, "account", "create", "--account-id", "111122223333")
    assert worked, said
    edit(own_server, "DELETE FROM entry WHERE path LIKE 'outbox/%'")
    said = refusal(own_server)
    assert "events of changes that are not on the audit trail yet are missing from the store, or were replaced" in said
    assert "run `keyward audit accept-loss`" in said
    worked, said = keyward(own_server, "audit", "accept-loss")
    assert worked, said
    assert "1 event of a change is lost." in said
    own_server.start()
    assert own_server.drain() == 0
    [accepted] = named(own_server, "AcceptLoss")
    assert accepted["serviceEventDetails"]["eventsMissing"] == 1
    assert accepted["serviceEventDetails"]["trail"] == "whole"
    verified(own_server)


def test_an_altered_store_is_found(own_server, tmp_path):
    assert own_server.drain() == 0
    shutil.copyfile(own_server.data_dir / "store.db", tmp_path / "before.db")
    edit(own_server, "UPDATE meta SET value = value + 1 WHERE name = 'revision'")
    said = refusal(own_server)
    assert "the store was altered: what it records about the audit trail is from revision " in said
    put_back(own_server, tmp_path / "before.db")
    edit(own_server, "DELETE FROM entry WHERE path = 'trail-head'")
    said = refusal(own_server)
    assert "the store was altered: what it recorded about the audit trail is missing" in said
    worked, said = keyward(own_server, "store", "accept-restore")
    assert worked, said
    own_server.start()
    made = own_server.client("kms").create_key()["KeyMetadata"]["KeyId"]
    assert own_server.drain() == 0
    assert made in keys_made(own_server)
    verified(own_server)


def test_what_a_crash_leaves_is_set_aside_and_never_made_part_of_the_trail(own_server):
    own_server.client("kms").create_key()
    own_server.kill()
    last = segments(own_server)[-1]
    forged = b'{"eventVersion":"1.11","eventName":"Forged"}\n'
    with last.open("ab") as file:
        file.write(forged)
    own_server.start()
    assert own_server.drain() == 0
    [aside] = named(own_server, "SetAsideTornTrail")
    details = aside["serviceEventDetails"]
    assert details["bytes"] == len(forged)
    assert (own_server.data_dir / "audit" / details["file"]).read_bytes() == forged
    assert not named(own_server, "Forged")
    assert "; 1 piece was set aside after a crash." in verified(own_server)


def test_accepting_the_clock_is_an_event(own_server):
    assert own_server.drain() == 0
    worked, said = keyward(own_server, "store", "accept-clock")
    assert worked, said
    own_server.start()
    assert own_server.drain() == 0
    [accepted] = named(own_server, "AcceptClock")
    details = accepted["serviceEventDetails"]
    assert int(details["millisAccepted"]) > 1_700_000_000_000
    assert details["operatingSystemUserId"] == os.getuid()
    assert [change["path"] for change in accepted["keyward"]["changes"]] == ["clock"]


def test_files_are_the_owners_alone_whatever_stood_there_before(tmp_path):
    data = tmp_path / "data"
    (data / "audit").mkdir(parents=True)
    for path in (data, data / "audit"):
        path.chmod(0o755)
    before = os.umask(0)
    try:
        server = Server(data)
    finally:
        os.umask(before)
    try:
        server.client("kms").create_key()
        # A stranger is refused, and sampled.
        with pytest.raises(Exception):
            server.client("kms", credentials=("AKIAIOSFODNN7EXAMPLE", "x" * 40)).list_keys()
        # Copies that were put back are open to others.
        assert server.drain() == 0
        for name in ("store.db", "lock", "audit/trail-00000001.jsonl", "audit/refused.jsonl"):
            (data / name).chmod(0o644)
        server.start()
        server.client("kms").create_key()
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*")}
        assert len(found) > 6
        assert {path: oct(mode) for path, mode in found.items() if mode & 0o077} == {}
    finally:
        server.kill()
