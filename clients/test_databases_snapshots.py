"""Snapshots of databases by an agent on this machine: what was committed is in them, they are ciphertext, and a restored
database is one of its own."""

from databases import PATIENCE, Instance, check_data, database_storage, free_port, instance, offered, rds
from keyward import eventually
from storage import arn, contains, kms

TEXT = "the quarterly figures, which nobody may read"


class Restored(Instance):
    """An instance from a snapshot."""

    def __init__(self, origin, snapshot, name):
        self.rds, self.storage, self.name = origin.rds, origin.storage, name
        self.port = free_port()
        made = self.rds.restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier=name, DBSnapshotIdentifier=snapshot, DBInstanceClass="db.t3.micro", Port=self.port
        )["DBInstance"]
        self.id = made["DbiResourceId"]


def fill(instance):
    instance.psql(f"CREATE TABLE figures (text text); INSERT INTO figures SELECT '{TEXT}' FROM generate_series(1, 100)")


def snapshot(rds, instance, name):
    rds.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=instance.name)
    return available(rds, name)


def available(rds, name):
    def status():
        (found,) = rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
        return found["Status"]

    eventually(lambda: status() == "available", seconds=PATIENCE)
    return name


def images(storage):
    return sorted((storage.state / "volumes").glob("snap-*.img"))


def is_whole(restored):
    restored.wait()
    assert restored.psql("SELECT count(*) FROM figures") == "100"
    assert restored.psql(f"SELECT count(*) FROM figures WHERE text = '{TEXT}'") == "100"


def test_a_snapshot_is_restored_and_copied_under_another_key(rds, kms, instance, arn):
    storage = instance.storage
    fill(instance)
    snapshot(rds, instance, "first")
    (image,) = images(storage)
    assert not contains(image, TEXT.encode())
    restored = Restored(instance, "first", "restored")
    is_whole(restored)
    assert restored.id != instance.id
    # It has its own data from here on.
    restored.psql("DROP TABLE figures")
    other = kms.create_key()["KeyMetadata"]["Arn"]
    rds.copy_db_snapshot(
        SourceDBSnapshotIdentifier="first", TargetDBSnapshotIdentifier="second", KmsKeyId=other
    )
    available(rds, "second")
    rds.delete_db_snapshot(DBSnapshotIdentifier="first")
    eventually(lambda: len(images(storage)) == 1, seconds=PATIENCE)
    # The first key is of no use for the copy.
    rds.delete_db_instance(DBInstanceIdentifier=restored.name, SkipFinalSnapshot=True)
    kms.disable_key(KeyId=arn)
    again = Restored(instance, "second", "again")
    is_whole(again)
    assert again.describe()["KmsKeyId"] == other
    rds.stop_db_instance(DBInstanceIdentifier=again.name)
    again.wait("stopped")
    check_data(storage.mounted(again.id) / "pgdata")


def test_a_snapshot_without_encryption_is_restored(rds, offered):
    instance = Instance(rds, offered, StorageEncrypted=False).wait()
    fill(instance)
    snapshot(rds, instance, "plain")
    is_whole(Restored(instance, "plain", "restored"))


def test_an_agent_that_is_killed_while_it_copies_begins_again(rds, instance):
    storage = instance.storage
    fill(instance)
    rds.create_db_snapshot(DBSnapshotIdentifier="first", DBInstanceIdentifier=instance.name)
    storage.kill()
    storage.start()
    available(rds, "first")
    assert len(images(storage)) == 1
    is_whole(Restored(instance, "first", "restored"))
