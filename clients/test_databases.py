"""Databases end to end: RDS and KMS by boto3, an agent on this machine, and clients of a real PostgreSQL."""

import os
import subprocess

import pytest

from databases import (
    PASSWORD, PATIENCE, Instance, check_data, database_storage, instance, offered, rds,
)
from keyward import eventually
from storage import arn, contains, kms

# A mounted ext4 grows only with this capability. Without it, the volume is detached for a moment.
CAP_SYS_RESOURCE = 24
RECOVERABLE = "inaccessible-encryption-credentials-recoverable"
TEXT = "the quarterly figures, which nobody may read"


def may_grow_mounted():
    status = open("/proc/self/status").read()
    (effective,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")]
    return bool(effective >> CAP_SYS_RESOURCE & 1)


def size_of(instance):
    """How large its file system is; none if it is not mounted."""
    path = instance.storage.mounted(instance.id)
    return os.statvfs(path).f_blocks * 4096 if os.path.ismount(path) else 0


def test_an_instance_is_created_used_over_tls_and_deleted_without_a_trace(rds, kms, offered, arn):
    instance = Instance(rds, offered, StorageEncrypted=True, KmsKeyId=arn)
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=instance.name, WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE}
    )
    described = instance.describe()
    assert described["KmsKeyId"] == arn and described["StorageEncrypted"]
    assert described["EngineVersion"].startswith("15.")
    instance.psql(f"CREATE TABLE figures (text text); INSERT INTO figures SELECT '{TEXT}' FROM generate_series(1, 100)")
    instance.psql("CHECKPOINT")
    assert instance.psql("SELECT count(*) FROM figures") == "100"
    refused = instance.try_psql("SELECT 1", password="wrong")
    assert refused.returncode != 0 and "password authentication failed for user" in refused.stderr
    plain = subprocess.run(
        instance.command("SELECT 1"), env={**instance.environment(), "PGSSLMODE": "disable"}, capture_output=True, text=True
    )
    assert plain.returncode != 0 and "no encryption" in plain.stderr
    # The text is in a file that the kernel has written, and not in the image.
    subprocess.run(["sync", "-f", offered.mounted(instance.id)], check=True)
    assert any(contains(path, TEXT.encode()) for path in (offered.mounted(instance.id) / "pgdata" / "base").glob("*/*"))
    assert not contains(offered.image(instance.id), TEXT.encode())
    grants = [grant["Operations"] for grant in kms.list_grants(KeyId=arn)["Grants"]]
    assert len(grants) == 2 and ["Decrypt"] in grants, grants
    user = offered.user(instance.id)
    assert instance.processes() and user.pw_gecos == f"Keyward database {instance.id}"
    # Nothing of it runs as anybody else, and it has no capabilities.
    status = open(f"/proc/{offered.postmaster(instance.id)}/status").read()
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status

    rds.delete_db_instance(DBInstanceIdentifier=instance.name, SkipFinalSnapshot=True)
    eventually(lambda: instance.status() is None, seconds=PATIENCE)
    assert kms.list_grants(KeyId=arn)["Grants"] == []
    assert offered.user(instance.id) is None
    assert not offered.image(instance.id).exists()
    assert not offered.mounted(instance.id).exists()
    assert list((offered.runtime() / "servers").iterdir()) == []


def test_without_the_key_every_connection_ends_and_nothing_starts_until_it_is_started(rds, kms, instance, arn):
    storage = instance.storage
    instance.psql("CREATE TABLE figures (id int); INSERT INTO figures VALUES (7)")
    session = instance.session("SELECT pg_sleep(3600)")
    eventually(lambda: instance.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'") == "1")
    kms.disable_key(KeyId=arn)
    said, _ = session.communicate(timeout=PATIENCE)
    assert session.returncode != 0, said
    eventually(lambda: storage.keeper(instance.id)["phase"] == "cut-off", seconds=30)
    assert instance.processes() == []
    assert not os.path.exists(storage.mounted(instance.id) / "pgdata")
    instance.wait(RECOVERABLE)
    with pytest.raises(rds.exceptions.KMSKeyNotAccessibleFault):
        rds.start_db_instance(DBInstanceIdentifier=instance.name)
    assert instance.status() == RECOVERABLE and instance.processes() == []

    kms.enable_key(KeyId=arn)
    # The volume is there again, and the database is not started by itself.
    eventually(lambda: storage.keeper(instance.id)["phase"] == "attached", seconds=PATIENCE)
    assert instance.status() == RECOVERABLE and instance.processes() == []
    rds.start_db_instance(DBInstanceIdentifier=instance.name)
    instance.wait()
    assert instance.psql("SELECT id FROM figures") == "7"
    rds.stop_db_instance(DBInstanceIdentifier=instance.name)
    instance.wait("stopped")
    assert instance.processes() == []
    check_data(storage.mounted(instance.id) / "pgdata")


def test_the_password_the_storage_and_the_networks_change_while_it_runs(rds, instance):
    storage = instance.storage
    postmaster = storage.postmaster(instance.id)
    rds.modify_db_instance(DBInstanceIdentifier=instance.name, MasterUserPassword="another-password", ApplyImmediately=True)
    eventually(lambda: instance.try_psql("SELECT 1", password="another-password").returncode == 0, seconds=PATIENCE)
    assert "password authentication failed" in instance.try_psql("SELECT 1").stderr
    instance.wait()
    # What its owner changes stays, also after a restart.
    instance.psql(f"ALTER ROLE master PASSWORD '{PASSWORD}'", password="another-password")

    before = size_of(instance)
    assert before > 18 << 30
    rds.modify_db_instance(DBInstanceIdentifier=instance.name, AllocatedStorage=30, ApplyImmediately=True)
    eventually(lambda: size_of(instance) > before + (9 << 30), seconds=PATIENCE)
    instance.wait()
    if may_grow_mounted():
        assert storage.postmaster(instance.id) == postmaster
    postmaster = storage.postmaster(instance.id)

    rds.reboot_db_instance(DBInstanceIdentifier=instance.name)
    assert instance.status() == "rebooting"
    instance.wait()
    assert storage.postmaster(instance.id) != postmaster
    assert instance.psql("SELECT 1") == "1"
    happened = [event["Message"] for event in rds.describe_events(SourceType="db-instance", SourceIdentifier=instance.name)["Events"]]
    assert "DB instance created" in happened and "DB instance restarted" in happened, happened


def test_an_instance_is_stopped_started_and_survives_a_restart_of_the_agent(rds, instance):
    storage = instance.storage
    instance.psql("CREATE TABLE figures (id int); INSERT INTO figures VALUES (7)")
    postmaster = storage.postmaster(instance.id)
    storage.kill()
    assert instance.psql("SELECT id FROM figures") == "7"
    storage.start()
    instance.wait()
    assert storage.postmaster(instance.id) == postmaster
    rds.stop_db_instance(DBInstanceIdentifier=instance.name)
    instance.wait("stopped")
    assert instance.processes() == []
    assert storage.stop() == 0
    storage.start()
    eventually(lambda: (storage.keeper(instance.id) or {}).get("phase") == "attached", seconds=PATIENCE)
    assert instance.status() == "stopped" and instance.processes() == []
    rds.start_db_instance(DBInstanceIdentifier=instance.name)
    instance.wait()
    assert instance.psql("SELECT id FROM figures") == "7"
    # An agent that ends in order ends its databases in order, and leaves nothing.
    assert storage.stop() == 0
    assert instance.processes() == [] and storage.keeper(instance.id) is None
    assert not (storage.mounted(instance.id) / "pgdata").exists()
    storage.start()
    eventually(instance.is_reachable, seconds=PATIENCE)
    assert instance.psql("SELECT id FROM figures") == "7"


def test_a_full_volume_says_so_and_more_storage_mends_it(rds, instance):
    storage = instance.storage
    filler = storage.mounted(instance.id) / "filler"
    free = os.statvfs(storage.mounted(instance.id))
    subprocess.run(["fallocate", "-l", str(free.f_bavail * free.f_frsize - (8 << 20)), filler], check=True)
    table = "CREATE TABLE IF NOT EXISTS numbers AS SELECT generate_series(1, 1000000)"
    eventually(lambda: instance.try_psql(table).returncode != 0, seconds=PATIENCE)
    listed = lambda: storage.run("agent", "list", "--data-dir", storage.server.data_dir).stdout  # noqa: E731
    instance.wait("storage-full")
    assert "The storage is full: give the DB instance more with" in listed()
    rds.modify_db_instance(DBInstanceIdentifier=instance.name, AllocatedStorage=40, ApplyImmediately=True)
    instance.wait()
    assert instance.try_psql(table).returncode == 0
    assert "The storage is full" not in listed()


def test_an_instance_without_encryption_is_used_grows_and_is_deleted(rds, offered):
    instance = Instance(rds, offered, StorageEncrypted=False).wait()
    instance.psql("CREATE TABLE figures (id int); INSERT INTO figures VALUES (7)")
    assert offered.keeper(instance.id) is None
    postmaster = offered.postmaster(instance.id)
    offered.kill()
    offered.start()
    instance.wait()
    assert offered.postmaster(instance.id) == postmaster
    before = size_of(instance)
    assert before > 18 << 30
    rds.modify_db_instance(DBInstanceIdentifier=instance.name, AllocatedStorage=30, ApplyImmediately=True)
    eventually(lambda: size_of(instance) > before + (9 << 30), seconds=PATIENCE)
    assert offered.stop() == 0
    assert instance.processes() == []
    offered.start()
    eventually(instance.is_reachable, seconds=PATIENCE)
    assert instance.psql("SELECT id FROM figures") == "7"
    rds.delete_db_instance(DBInstanceIdentifier=instance.name, SkipFinalSnapshot=True)
    eventually(lambda: instance.status() is None, seconds=PATIENCE)
    assert offered.user(instance.id) is None and not offered.image(instance.id).exists()


def test_two_databases_do_not_see_each_other(rds, instance, arn):
    storage = instance.storage
    other = Instance(rds, storage, StorageEncrypted=True, KmsKeyId=arn, Port=instance.port).wait()
    # Each has an address and a user of its own.
    assert other.describe()["Endpoint"]["Address"] != instance.describe()["Endpoint"]["Address"]
    users = [storage.user(one.id).pw_uid for one in (instance, other)]
    assert users[0] != users[1]
    data = storage.mounted(other.id) / "pgdata" / "PG_VERSION"
    read = subprocess.run(["setpriv", f"--reuid={users[0]}", "--clear-groups", "cat", data], capture_output=True, text=True)
    assert read.returncode != 0 and "Permission denied" in read.stderr
    assert other.psql("SELECT 1") == "1"
