"""The calls that Terraform's `aws_db_subnet_group`, `aws_db_instance` and `aws_db_snapshot` make, in their order, with the waits of its
provider: create, read back, change, delete until it is gone. The agent is played by the test."""

import pytest

from calls_rds import GROUP, PASSWORD, SUBNET, TAGS, needed
from errors import refused
from keyward import ACCOUNT, REGION
from rds_fixtures import rds, server, storage

NAME = "terraform-20261129"


def state(rds):
    """One step of the provider's wait."""
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"]
    return found["DBInstanceStatus"]


@pytest.fixture
def group(rds):
    """`aws_db_subnet_group`"""
    made = rds.create_db_subnet_group(
        DBSubnetGroupName="terraform", DBSubnetGroupDescription="Managed by Terraform", SubnetIds=[SUBNET], Tags=TAGS
    )["DBSubnetGroup"]
    (found,) = rds.describe_db_subnet_groups(DBSubnetGroupName="terraform")["DBSubnetGroups"]
    assert found["DBSubnetGroupArn"] == made["DBSubnetGroupArn"]
    assert [subnet["SubnetIdentifier"] for subnet in found["Subnets"]] == [SUBNET]
    assert found["SubnetGroupStatus"] == "Complete"
    assert rds.list_tags_for_resource(ResourceName=found["DBSubnetGroupArn"])["TagList"] == TAGS
    changed = rds.modify_db_subnet_group(
        DBSubnetGroupName="terraform", DBSubnetGroupDescription="changed", SubnetIds=[SUBNET]
    )["DBSubnetGroup"]
    assert (changed["DBSubnetGroupDescription"], changed["DBSubnetGroupArn"]) == ("changed", made["DBSubnetGroupArn"])
    yield "terraform"
    rds.delete_db_subnet_group(DBSubnetGroupName="terraform")
    with refused("DBSubnetGroupNotFoundFault", status=404):
        rds.describe_db_subnet_groups(DBSubnetGroupName="terraform")


def test_aws_db_instance(server, storage, rds, group):
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    # The data source of versions, and that of classes.
    (version,) = rds.describe_db_engine_versions(Engine="postgres", DefaultOnly=True)["DBEngineVersions"]
    (parameters,) = rds.describe_db_parameter_groups(DBParameterGroupName="default.postgres15")["DBParameterGroups"]
    assert parameters["DBParameterGroupFamily"] == version["DBParameterGroupFamily"]
    options = rds.describe_orderable_db_instance_options(
        Engine="postgres", EngineVersion=version["EngineVersion"], DBInstanceClass="db.t3.micro"
    )["OrderableDBInstanceOptions"]
    assert {option["StorageType"] for option in options} >= {"gp2", "gp3"}
    # Create: what the provider sends of the configuration and of its own defaults.
    made = rds.create_db_instance(
        DBInstanceIdentifier=NAME,
        AllocatedStorage=20,
        AutoMinorVersionUpgrade=True,
        BackupRetentionPeriod=0,
        CopyTagsToSnapshot=False,
        DBInstanceClass="db.t3.micro",
        DBName="app",
        DBSubnetGroupName=group,
        DeletionProtection=False,
        Engine="postgres",
        EngineVersion=version["EngineVersion"],
        KmsKeyId=key,
        MasterUserPassword=PASSWORD,
        MasterUsername="master",
        PubliclyAccessible=False,
        StorageEncrypted=True,
        StorageType="gp3",
        Tags=TAGS,
        VpcSecurityGroupIds=[GROUP],
    )["DBInstance"]
    found = made["DbiResourceId"]
    assert state(rds) == "creating"
    storage.report(found)
    assert state(rds) == "available"
    # Read: by the name, and by the resource id, as the provider does since version 5.
    filters = [{"Name": "dbi-resource-id", "Values": [found]}]
    (shown,) = rds.describe_db_instances(Filters=filters)["DBInstances"]
    arn = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:{NAME}"
    assert (shown["DBInstanceArn"], shown["KmsKeyId"], shown["DBName"]) == (arn, key, "app")
    assert (shown["MultiAZ"], shown["BackupRetentionPeriod"], shown["StorageType"]) == (False, 0, "gp3")
    assert shown["DBSubnetGroup"]["DBSubnetGroupName"] == group
    assert [one["DBParameterGroupName"] for one in shown["DBParameterGroups"]] == ["default.postgres15"]
    assert [one["VpcSecurityGroupId"] for one in shown["VpcSecurityGroups"]] == [GROUP]
    assert shown["Endpoint"]["Port"] == 5432 and shown["LicenseModel"] == "postgresql-license"
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == TAGS
    # Update: tags, then a change of what may be changed, with the wait.
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["team"])
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "env", "Value": "prod"}])
    rds.modify_db_instance(
        DBInstanceIdentifier=NAME,
        ApplyImmediately=True,
        AllocatedStorage=30,
        MasterUserPassword=PASSWORD + "2",
        DeletionProtection=True,
    )
    assert state(rds) == "resetting-master-credentials"
    storage.report(found)
    assert state(rds) == "available"
    # Destroy: refused while it is protected; the provider has it unprotected first.
    text = "Cannot delete protected DB Instance, please disable deletion protection and try again."
    with refused("InvalidParameterCombination", text):
        rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
    rds.modify_db_instance(DBInstanceIdentifier=NAME, ApplyImmediately=True, DeletionProtection=False)
    rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
    assert state(rds) == "deleting"
    storage.report(found, None, "GONE")
    with refused("DBInstanceNotFound", status=404):
        state(rds)
    assert kms.list_grants(KeyId=key)["Grants"] == []


def snapshot_state(rds):
    (found,) = rds.describe_db_snapshots(DBSnapshotIdentifier="terraform")["DBSnapshots"]
    return found["Status"]


def test_aws_db_snapshot(server, storage, rds):
    key = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    asked = needed(StorageEncrypted=True, KmsKeyId=key, DBName="app")
    made = rds.create_db_instance(**asked)["DBInstance"]
    storage.report(made["DbiResourceId"])
    # Create, and the wait of the provider.
    made = rds.create_db_snapshot(
        DBInstanceIdentifier=asked["DBInstanceIdentifier"], DBSnapshotIdentifier="terraform", Tags=TAGS
    )["DBSnapshot"]
    assert snapshot_state(rds) == "creating"
    storage.copied()
    assert snapshot_state(rds) == "available"
    # Read.
    (shown,) = rds.describe_db_snapshots(DBSnapshotIdentifier="terraform")["DBSnapshots"]
    arn = f"arn:aws:rds:{REGION}:{ACCOUNT}:snapshot:terraform"
    assert (shown["DBSnapshotArn"], shown["KmsKeyId"], shown["Encrypted"]) == (arn, key, True)
    assert (shown["SnapshotType"], shown["AllocatedStorage"], shown["Port"]) == ("manual", 20, 5432)
    assert (shown["OptionGroupName"], shown["LicenseModel"]) == ("default:postgres-15", "postgresql-license")
    assert (shown["StorageType"], shown["VpcId"], shown["EngineVersion"]) == ("gp2", made["VpcId"], "15.14")
    assert "SourceRegion" not in shown and "SourceDBSnapshotIdentifier" not in shown
    attributes = rds.describe_db_snapshot_attributes(DBSnapshotIdentifier="terraform")["DBSnapshotAttributesResult"]
    assert attributes["DBSnapshotAttributes"] == [{"AttributeName": "restore", "AttributeValues": []}]
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == TAGS
    # Update: tags alone.
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["team"])
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "env", "Value": "prod"}])
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "env", "Value": "prod"}]
    # `aws_db_snapshot_copy`.
    copied = rds.copy_db_snapshot(SourceDBSnapshotIdentifier=arn, TargetDBSnapshotIdentifier="copy", CopyTags=True)
    assert copied["DBSnapshot"]["SourceDBSnapshotIdentifier"] == arn
    storage.copied()
    rds.delete_db_snapshot(DBSnapshotIdentifier="copy")
    # `aws_db_instance` with `snapshot_identifier`, and its `final_snapshot_identifier`.
    restored = rds.restore_db_instance_from_db_snapshot(
        AutoMinorVersionUpgrade=True,
        CopyTagsToSnapshot=False,
        DBInstanceClass="db.t3.micro",
        DBInstanceIdentifier="restored",
        DBSnapshotIdentifier="terraform",
        DBSubnetGroupName="default",
        DeletionProtection=False,
        PubliclyAccessible=False,
        Tags=TAGS,
        VpcSecurityGroupIds=[GROUP],
    )["DBInstance"]
    assert (restored["KmsKeyId"], restored["DBName"], restored["DBInstanceStatus"]) == (key, "app", "creating")
    storage.report(restored["DbiResourceId"])
    rds.delete_db_instance(DBInstanceIdentifier="restored", FinalDBSnapshotIdentifier="final", SkipFinalSnapshot=False)
    storage.report(restored["DbiResourceId"], "STOPPED")
    storage.copied()
    storage.report(restored["DbiResourceId"], None, "GONE")
    # Destroy.
    for name in ("terraform", "final"):
        rds.delete_db_snapshot(DBSnapshotIdentifier=name)
    with refused("DBSnapshotNotFound", "DBSnapshot terraform not found.", 404):
        snapshot_state(rds)
