"""The calls that Terraform's `aws_db_subnet_group` and `aws_db_instance` make, in their order, with the waits of its
provider: create, read back, change, delete until it is gone. The agent is played by the test."""

import pytest

from calls_rds import GROUP, PASSWORD, SUBNET, TAGS
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
