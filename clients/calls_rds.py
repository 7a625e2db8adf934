"""What the tests of RDS need of an agent that runs databases, which the tests play, and a call of each operation."""

import uuid

from keyward import REGION
from test_agents import Agent

PASSWORD = "correct-horse-battery"
VERSIONS = [{"Engine": "postgres", "EngineVersion": "13.22"}, {"Engine": "postgres", "EngineVersion": "15.14"}]
SUBNET = "subnet-00000000000000001"
GROUP = "sg-00000000000000001"
TAGS = [{"Key": "team", "Value": "red"}]
# `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=keyward -days 3650`
AUTHORITY = """-----BEGIN CERTIFICATE-----
MIIBejCCAR+gAwIBAgIUCPj80Qz11njdrIdLMJatygN3NzUwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHa2V5d2FyZDAeFw0yNjEyMDEwNTI5MzRaFw0zNjExMjgwNTI5
MzRaMBIxEDAOBgNVBAMMB2tleXdhcmQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAR7+7JOEOzlqKGD+aLaZJtv40lriDqu+18O150ZRFB3AWM8trz5Zr9i/kIx3545
TfFwydvqm7x99jknk+UAenxDo1MwUTAdBgNVHQ4EFgQUQ4iSLB0acMBJ1+9sOvVR
HV/RhewwHwYDVR0jBBgwFoAUQ4iSLB0acMBJ1+9sOvVRHV/RhewwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA/AOIuRWKM2JBBtqBJEzBF2lbyvOP
4fNuPmI2L0dR2JUCIQD2Dj2rahVxrScQIcCSYeB+boenPrJa44xsbxKND/Sfbg==
-----END CERTIFICATE-----
"""


class Databases:
    """An agent that has PostgreSQL, as far as the server can see."""

    def __init__(self, agent):
        self.agent = agent
        self.id = agent.id
        self.poll()

    def poll(self, **members):
        """What is wanted, after saying what is installed."""
        members = {"Databases": VERSIONS, "DatabaseAuthority": AUTHORITY, "WaitSeconds": 0, "Copies": True, **members}
        status, answer = self.agent.call("PollVolumes", **members)
        assert status == 200, answer
        return answer["Volumes"]

    def wanted(self, resource_id):
        """What is wanted of one database."""
        (found,) = [one for one in self.poll() if one["VolumeId"] == resource_id]
        return found

    def report(self, resource_id, database="RUNNING", volume="READY", **more):
        """Says how one database is, as it is wanted."""
        wanted = self.wanted(resource_id)
        told = {"VolumeId": resource_id, "Generation": wanted["Generation"], "State": volume, **more}
        if database:
            told["Database"] = {
                "State": database,
                **{name: wanted["Database"][name] for name in ("EngineVersion", "RestartEpoch", "PasswordEpoch")},
            }
        assert self.agent.call("ReportVolumes", Volumes=[told]) == (200, {"Stale": []})

    def copied(self, state="READY"):
        """Says how the snapshots are that are to be made, and answers what was wanted of them."""
        made = [one for one in self.poll() if "Origin" in one and one.get("AtRest")]
        for one in made:
            told = {"VolumeId": one["VolumeId"], "Generation": one["Generation"], "State": state}
            assert self.agent.call("ReportVolumes", Volumes=[told]) == (200, {"Stale": []})
        return made

    def open(self, resource_id):
        """Status and body of the question for the data key."""
        return self.agent.call("OpenVolume", VolumeId=resource_id)


def databases(server, **more):
    return Databases(Agent(server, **more))


def needed(**members):
    """The members of a request for an instance that must be there."""
    return {
        "DBInstanceIdentifier": "db-" + uuid.uuid4().hex,
        "DBInstanceClass": "db.t3.micro",
        "Engine": "postgres",
        "AllocatedStorage": 20,
        "MasterUsername": "master",
        "MasterUserPassword": PASSWORD,
        **members,
    }


class World:
    """What a call needs: `maker` makes it, and `rds` makes the call."""

    def __init__(self, server, storage, credentials=None, maker=None):
        self.server, self.storage = server, storage
        self.maker = server.client("rds", credentials=maker)
        self.rds = server.client("rds", credentials=credentials) if credentials else self.maker

    def fresh(self, **members):
        """An instance that is not there yet: its name and id."""
        made = self.maker.create_db_instance(**needed(**members))["DBInstance"]
        return made["DBInstanceIdentifier"], made["DbiResourceId"]

    def instance(self, **members):
        """The name of one that is available."""
        name, found = self.fresh(**members)
        self.storage.report(found)
        return name

    def stopped(self):
        name, found = self.fresh()
        self.storage.report(found)
        self.maker.stop_db_instance(DBInstanceIdentifier=name)
        self.storage.report(found, "STOPPED")
        return name

    def arn(self, **members):
        return f"arn:aws:rds:{REGION}:000000000000:db:{self.instance(**members)}"

    def snapshot(self, **members):
        """The name of a snapshot that is available."""
        name = "snapshot-" + uuid.uuid4().hex
        self.maker.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=self.instance(), **members)
        self.storage.copied()
        return name

    def group(self):
        name = "group-" + uuid.uuid4().hex
        self.maker.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=[SUBNET])
        return name


# For each operation that is served a call of it; a name with a dash is a call that fails.
CALLS = {
    "AddTagsToResource": lambda w: w.rds.add_tags_to_resource(ResourceName=w.arn(), Tags=TAGS),
    "CopyDBSnapshot": lambda w: w.rds.copy_db_snapshot(
        SourceDBSnapshotIdentifier=w.snapshot(Tags=TAGS),
        TargetDBSnapshotIdentifier="copy-" + uuid.uuid4().hex,
        CopyTags=True,
    ),
    "CopyDBSnapshot-not-found": lambda w: w.rds.copy_db_snapshot(
        SourceDBSnapshotIdentifier="none", TargetDBSnapshotIdentifier="copy"
    ),
    "CreateDBInstance": lambda w: w.rds.create_db_instance(
        **needed(
            DBName="app",
            EngineVersion="15",
            StorageEncrypted=True,
            StorageType="gp3",
            Tags=TAGS,
            DeletionProtection=False,
            CopyTagsToSnapshot=True,
            VpcSecurityGroupIds=[GROUP],
            BackupRetentionPeriod=0,
            MultiAZ=False,
        )
    ),
    "CreateDBInstance-key-not-found": lambda w: w.rds.create_db_instance(
        **needed(StorageEncrypted=True, KmsKeyId="alias/nothing")
    ),
    "CreateDBInstance-bad-password": lambda w: w.rds.create_db_instance(**needed(MasterUserPassword="a/b@c-secret")),
    "CreateDBSnapshot": lambda w: w.rds.create_db_snapshot(
        DBSnapshotIdentifier="snapshot-" + uuid.uuid4().hex,
        DBInstanceIdentifier=w.instance(StorageEncrypted=True),
        Tags=TAGS,
    ),
    "CreateDBSnapshot-not-available": lambda w: w.rds.create_db_snapshot(
        DBSnapshotIdentifier="snapshot", DBInstanceIdentifier=w.fresh()[0]
    ),
    "CreateDBSubnetGroup": lambda w: w.rds.create_db_subnet_group(
        DBSubnetGroupName="group-" + uuid.uuid4().hex, DBSubnetGroupDescription="d", SubnetIds=[SUBNET], Tags=TAGS
    ),
    "DeleteDBInstance": lambda w: w.rds.delete_db_instance(DBInstanceIdentifier=w.instance(), SkipFinalSnapshot=True),
    "DeleteDBInstance-snapshot-exists": lambda w: w.rds.delete_db_instance(
        DBInstanceIdentifier=w.instance(), FinalDBSnapshotIdentifier=w.snapshot()
    ),
    "DeleteDBInstance-protected": lambda w: w.rds.delete_db_instance(
        DBInstanceIdentifier=w.instance(DeletionProtection=True), SkipFinalSnapshot=True
    ),
    "DeleteDBSnapshot": lambda w: w.rds.delete_db_snapshot(DBSnapshotIdentifier=w.snapshot()),
    "DeleteDBSubnetGroup": lambda w: w.rds.delete_db_subnet_group(DBSubnetGroupName=w.group()),
    "DescribeCertificates": lambda w: w.rds.describe_certificates(CertificateIdentifier=f"rds-ca-{w.storage.id}"),
    "DescribeDBEngineVersions": lambda w: w.rds.describe_db_engine_versions(Engine="postgres"),
    "DescribeDBInstances": lambda w: w.rds.describe_db_instances(DBInstanceIdentifier=w.instance()),
    "DescribeDBInstances-not-found": lambda w: w.rds.describe_db_instances(DBInstanceIdentifier="none"),
    "DescribeDBParameterGroups": lambda w: w.rds.describe_db_parameter_groups(
        DBParameterGroupName="default.postgres15"
    ),
    "DescribeDBSnapshotAttributes": lambda w: w.rds.describe_db_snapshot_attributes(DBSnapshotIdentifier=w.snapshot()),
    "DescribeDBSnapshots": lambda w: w.rds.describe_db_snapshots(DBSnapshotIdentifier=w.snapshot(Tags=TAGS)),
    "DescribeDBSubnetGroups": lambda w: w.rds.describe_db_subnet_groups(DBSubnetGroupName="default"),
    "DescribeEvents": lambda w: w.rds.describe_events(SourceIdentifier=w.instance(), SourceType="db-instance"),
    "DescribeOrderableDBInstanceOptions": lambda w: w.rds.describe_orderable_db_instance_options(
        Engine="postgres", EngineVersion="15.14", DBInstanceClass="db.t3.micro"
    ),
    "ListTagsForResource": lambda w: w.rds.list_tags_for_resource(ResourceName=w.arn(Tags=TAGS)),
    "ModifyDBInstance": lambda w: w.rds.modify_db_instance(
        DBInstanceIdentifier=w.instance(),
        AllocatedStorage=30,
        MasterUserPassword="another-secret-1",
        DeletionProtection=True,
        ApplyImmediately=True,
    ),
    "ModifyDBSubnetGroup": lambda w: w.rds.modify_db_subnet_group(
        DBSubnetGroupName=w.group(), DBSubnetGroupDescription="another", SubnetIds=[SUBNET]
    ),
    "RebootDBInstance": lambda w: w.rds.reboot_db_instance(DBInstanceIdentifier=w.instance()),
    "RemoveTagsFromResource": lambda w: w.rds.remove_tags_from_resource(
        ResourceName=w.arn(Tags=TAGS), TagKeys=["team"]
    ),
    "RestoreDBInstanceFromDBSnapshot": lambda w: w.rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="db-" + uuid.uuid4().hex,
        DBSnapshotIdentifier=w.snapshot(),
        DBInstanceClass="db.m5.large",
        AllocatedStorage=30,
        Tags=TAGS,
        DeletionProtection=False,
    ),
    "StartDBInstance": lambda w: w.rds.start_db_instance(DBInstanceIdentifier=w.stopped()),
    "StartDBInstance-not-stopped": lambda w: w.rds.start_db_instance(DBInstanceIdentifier=w.instance()),
    "StopDBInstance": lambda w: w.rds.stop_db_instance(DBInstanceIdentifier=w.instance()),
}
