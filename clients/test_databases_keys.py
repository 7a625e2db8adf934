"""What becomes of a database whose key is taken away, whatever its processes do at that moment."""

import contextlib
import os
import signal

import pytest

from conftest import DELEGATION, policy
from databases import PATIENCE, Instance, database_storage, instance, offered, rds
from keyward import eventually
from storage import arn, kms

RECOVERABLE = "inaccessible-encryption-credentials-recoverable"


def fill(instance):
    instance.psql("CREATE TABLE figures (id int); INSERT INTO figures VALUES (7)")
    return instance


def is_cut_off(instance):
    """Whether nothing of its data can be had from anybody."""
    mounted = instance.storage.mounted(instance.id)
    return instance.processes() == [] and not os.path.exists(mounted / "pgdata" / "PG_VERSION")


def allow(kms, arn, rds, instance):
    """Gives the key back, and has the database started."""
    kms.enable_key(KeyId=arn)
    rds.start_db_instance(DBInstanceIdentifier=instance.name)
    instance.wait()
    assert instance.psql("SELECT id FROM figures") == "7"


@contextlib.contextmanager
def stopped(pids):
    """Processes that hang; what is left of them goes on afterwards."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("way", ["schedule", "deny", "first grant", "second grant"])
def test_whatever_takes_the_key_away_ends_the_database(rds, kms, instance, arn, way):
    fill(instance)
    if way == "schedule":
        kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    elif way == "deny":
        deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
        kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=policy(DELEGATION, deny))
    else:
        grants = kms.list_grants(KeyId=arn)["Grants"]
        (revoked,) = [one for one in grants if (one["Operations"] == ["Decrypt"]) == (way == "second grant")]
        kms.revoke_grant(KeyId=arn, GrantId=revoked["GrantId"])
    eventually(lambda: is_cut_off(instance), seconds=30)
    instance.wait(RECOVERABLE)
    with pytest.raises(rds.exceptions.KMSKeyNotAccessibleFault):
        rds.start_db_instance(DBInstanceIdentifier=instance.name)
    # What cannot be read any more can be deleted.
    rds.delete_db_instance(DBInstanceIdentifier=instance.name, SkipFinalSnapshot=True)
    eventually(lambda: instance.status() is None, seconds=PATIENCE)
    assert not instance.storage.image(instance.id).exists()


def test_a_database_that_hangs_does_not_keep_its_key(rds, kms, instance, arn):
    fill(instance)
    session = instance.session("SELECT pg_sleep(3600)")
    eventually(lambda: instance.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'") == "1")
    with stopped(instance.processes()):
        kms.disable_key(KeyId=arn)
        eventually(lambda: is_cut_off(instance), seconds=30)
    session.communicate()
    instance.wait(RECOVERABLE)
    allow(kms, arn, rds, instance)


def test_without_an_agent_the_process_of_the_volume_ends_the_database(rds, kms, instance, arn):
    fill(instance)
    storage = instance.storage
    storage.kill()
    assert instance.psql("SELECT id FROM figures") == "7"
    kms.disable_key(KeyId=arn)
    # It asks once a minute by itself.
    eventually(lambda: is_cut_off(instance), seconds=120)
    storage.start()
    instance.wait(RECOVERABLE)
    allow(kms, arn, rds, instance)


def test_what_is_left_when_agent_and_process_were_killed_is_ended_by_the_next_agent(rds, kms, instance, arn):
    fill(instance)
    storage = instance.storage
    storage.kill()
    os.kill(storage.keeper(instance.id)["pid"], signal.SIGKILL)
    assert instance.processes()
    kms.disable_key(KeyId=arn)
    storage.begin()
    eventually(lambda: is_cut_off(instance), seconds=30)
    instance.wait(RECOVERABLE)
    allow(kms, arn, rds, instance)


def test_a_process_of_the_volume_that_hangs_takes_the_database_with_it(rds, kms, instance, arn):
    fill(instance)
    keeper = instance.storage.keeper(instance.id)["pid"]
    with stopped([keeper]):
        kms.disable_key(KeyId=arn)
        # It waits for the volume, if it does anything.
        session = instance.session("CHECKPOINT")
        eventually(lambda: is_cut_off(instance), seconds=120)
        eventually(lambda: not os.path.exists(f"/proc/{keeper}"), seconds=30)
    session.communicate()
    instance.wait(RECOVERABLE)
    allow(kms, arn, rds, instance)


def test_a_removed_agent_leaves_no_database(rds, instance):
    fill(instance)
    storage = instance.storage
    storage.run("agent", "remove", storage.id, "--data-dir", storage.server.data_dir)
    assert storage.process.wait(timeout=PATIENCE) == 1
    assert is_cut_off(instance)


def test_a_forged_note_keeps_no_database_from_being_ended(rds, kms, instance, arn):
    fill(instance)
    storage = instance.storage
    note = storage.state / "volumes" / f"{instance.id}.json"
    note.write_text(note.read_text().replace('"encrypted":true', '"encrypted":false'))
    eventually(lambda: "is not valid (" in storage.run("agent", "list", "--data-dir", storage.server.data_dir).stdout)
    # It goes on, as it is.
    assert instance.psql("SELECT id FROM figures") == "7"
    kms.disable_key(KeyId=arn)
    eventually(lambda: is_cut_off(instance), seconds=30)


def test_a_note_that_the_server_contradicts_starts_no_database(rds, instance):
    fill(instance)
    storage = instance.storage
    assert storage.stop() == 0
    assert is_cut_off(instance)
    note = storage.state / "volumes" / f"{instance.id}.json"
    text = note.read_text().split("\n")[0].replace('"encrypted":true', '"encrypted":false')
    storage.note_as_the_agent(note, text)
    storage.start()
    instance.wait("failed")
    assert is_cut_off(instance)
    assert "disagree about whether the volume is encrypted" in instance.said()
