"""Amazon EFS by botocore: the control plane of encrypted file systems, and what is recorded of it."""

import json
import re
import uuid

from calls_efs import agent, forget, make, wait, wanted
from conftest import User, policy
from efs_fixtures import efs, iam, kms, server, storage
from errors import invalid, matching, refused
from keyward import ACCOUNT, REGION, Server, eventually
from test_agents import Agent, keyward


def token():
    return uuid.uuid4().hex


def events(server, name):
    text = (server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines() if f'"eventName":"{name}"' in line]


def test_a_file_system_lives_under_a_key_from_its_creation_to_its_end(server, storage, efs, kms):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    asked = dict(CreationToken=token(), Encrypted=True, KmsKeyId=key, Tags=[{"Key": "Name", "Value": "home"}])
    made = efs.create_file_system(**asked)
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    file_system = made["FileSystemId"]
    assert re.fullmatch("fs-[0-9a-f]{17}", file_system)
    assert made["FileSystemArn"] == f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{file_system}"
    assert made["SizeInBytes"] == {"Value": 0, "ValueInIA": 0, "ValueInStandard": 0, "ValueInArchive": 0}
    expected = {
        "OwnerId": ACCOUNT,
        "CreationToken": asked["CreationToken"],
        "LifeCycleState": "creating",
        "Name": "home",
        "NumberOfMountTargets": 0,
        "PerformanceMode": "generalPurpose",
        "Encrypted": True,
        "KmsKeyId": key,
        "ThroughputMode": "bursting",
        "Tags": asked["Tags"],
        "FileSystemProtection": {"ReplicationOverwriteProtection": "ENABLED"},
    }
    assert {name: made[name] for name in expected} == expected
    with refused("FileSystemAlreadyExists", status=409) as caught:
        efs.create_file_system(**asked)
    assert caught.value.response["FileSystemId"] == file_system
    assert caught.value.response["ErrorCode"] == "FileSystemAlreadyExists"
    (grant,) = kms.list_grants(KeyId=key)["Grants"]
    assert grant["GranteePrincipal"] == f"elasticfilesystem.{REGION}.amazonaws.com"
    assert grant["Operations"] == ["Encrypt", "Decrypt", "RetireGrant"]
    wait(storage, file_system)
    status, opened = storage.call("OpenVolume", VolumeId=file_system)
    assert (status, len(opened["Plaintext"])) == (200, 44)
    (found,) = efs.describe_file_systems(FileSystemId=made["FileSystemArn"])["FileSystems"]
    assert found["LifeCycleState"] == "available"
    # What the key's owner does decides at once.
    kms.disable_key(KeyId=key)
    status, told = storage.call("OpenVolume", VolumeId=file_system)
    assert (status, told["__type"]) == (400, "DisabledException")
    kms.enable_key(KeyId=key)
    assert efs.delete_file_system(FileSystemId=file_system)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert kms.list_grants(KeyId=key)["Grants"] == []
    status, told = storage.call("OpenVolume", VolumeId=file_system)
    assert (status, told["__type"]) == (400, "ValidationException")
    forget(storage, file_system)
    with refused("FileSystemNotFound", f"File system '{file_system}' does not exist.", 404):
        efs.describe_file_systems(FileSystemId=file_system)
    granted = eventually(lambda: [e for e in events(server, "CreateGrant") if e["requestParameters"]["keyId"] == key])
    assert granted[0]["requestParameters"]["constraints"] == {
        "encryptionContextEquals": {"aws:elasticfilesystem:filesystem:id": file_system}
    }
    assert granted[0]["sourceIPAddress"] == "elasticfilesystem.amazonaws.com"


def test_a_key_is_named_in_every_way(efs, kms, alias):
    made = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    alias_arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}"
    for name in [made["KeyId"], made["Arn"], alias, alias_arn]:
        created = efs.create_file_system(CreationToken=token(), Encrypted=True, KmsKeyId=name)
        assert created["KmsKeyId"] == made["Arn"]
    created = efs.create_file_system(CreationToken=token(), Encrypted=True)
    managed = kms.describe_key(KeyId="alias/aws/elasticfilesystem")["KeyMetadata"]
    assert (created["KmsKeyId"], managed["KeyManager"]) == (managed["Arn"], "AWS")


def test_what_is_wrong_is_told_in_the_words_of_the_model(efs):
    pattern = (
        "^(arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:file-system/fs-[0-9a-f]{8,40}|fs-[0-9a-f]{8,40})$"
    )
    with invalid(("'fake-id'", "fileSystemId", matching(pattern))):
        efs.delete_file_system(FileSystemId="fake-id")
    with invalid(("null", "creationToken", "Member must not be null")):
        efs.create_file_system(CreationToken=None)
    for members, text in [
        ({"KmsKeyId": "alias/x"}, "KmsKeyId can be specified only if Encrypted is true."),
        (
            {"Backup": True},
            "Backup cannot be true: no agent of this account and Region has a place for backups. Start one with `keyward agent run --backup-to`.",
        ),
        (
            {"ThroughputMode": "provisioned"},
            "ProvisionedThroughputInMibps must be specified if ThroughputMode is provisioned.",
        ),
        (
            {"ProvisionedThroughputInMibps": 5.0},
            "ProvisionedThroughputInMibps can be specified only if ThroughputMode is provisioned.",
        ),
        (
            {"PerformanceMode": "maxIO", "ThroughputMode": "elastic"},
            "Elastic throughput requires the performance mode generalPurpose.",
        ),
        (
            {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
            "The tag key 'a' occurs more than once.",
        ),
    ]:
        with refused("BadRequest", text):
            efs.create_file_system(CreationToken=token(), **members)
    with refused("UnsupportedAvailabilityZone", "The Availability Zone 'us-east-1z' is not supported."):
        efs.create_file_system(CreationToken=token(), AvailabilityZoneName="us-east-1z")
    with refused("BadRequest", "The marker is not valid."):
        efs.describe_file_systems(Marker="nonsense")
    other = f"arn:aws:elasticfilesystem:eu-west-1:{ACCOUNT}:file-system/fs-01234567"
    with refused("FileSystemNotFound", f"File system '{other}' does not exist.", 404):
        efs.describe_file_systems(FileSystemId=other)


def test_tags_throughput_and_lifecycle_by_their_calls(server, storage, efs):
    file_system = make(server)
    efs.tag_resource(ResourceId=file_system, Tags=[{"Key": "team", "Value": "red"}, {"Key": "a/b c", "Value": ""}])
    efs.untag_resource(ResourceId=file_system, TagKeys=["a/b c", "none"])
    assert efs.list_tags_for_resource(ResourceId=file_system)["Tags"] == [{"Key": "team", "Value": "red"}]
    wait(storage, file_system)
    changed = efs.update_file_system(FileSystemId=file_system, ThroughputMode="elastic")
    assert (changed["ResponseMetadata"]["HTTPStatusCode"], changed["ThroughputMode"]) == (202, "elastic")
    policies = [{"TransitionToIA": "AFTER_30_DAYS"}]
    efs.put_lifecycle_configuration(FileSystemId=file_system, LifecyclePolicies=policies)
    found = efs.describe_lifecycle_configuration(FileSystemId=file_system)["LifecyclePolicies"]
    assert found == policies
    assert efs.describe_replication_configurations()["Replications"] == []
    with refused("ReplicationNotFound", status=404):
        efs.describe_replication_configurations(FileSystemId=file_system)


def test_older_calls_for_tags(server, efs):
    file_system = make(server)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert efs.create_tags(FileSystemId=file_system, Tags=tags)["ResponseMetadata"]["HTTPStatusCode"] == 204
    first = efs.describe_tags(FileSystemId=file_system, MaxItems=1)
    assert first["Tags"] == tags[:1]
    rest = efs.describe_tags(FileSystemId=file_system, Marker=first["NextMarker"])
    assert (rest["Tags"], rest["Marker"]) == (tags[1:], first["NextMarker"])
    assert efs.delete_tags(FileSystemId=file_system, TagKeys=["a"])["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert efs.list_tags_for_resource(ResourceId=file_system)["Tags"] == tags[1:]
    with refused("BadRequest", "The marker is not valid."):
        efs.list_tags_for_resource(ResourceId=file_system, NextToken=first["NextMarker"])
    more = [{"Key": f"k{at}", "Value": ""} for at in range(50)]
    with refused("BadRequest", "A resource has at most 50 tags."):
        efs.create_tags(FileSystemId=file_system, Tags=more)


ENABLED, DISABLED = {"Status": "ENABLED"}, {"Status": "DISABLED"}
NO_PLACE = "Automatic backups cannot be enabled: the agent that stores the file system has no place for them. Start it with `keyward agent run --backup-to`."


def test_backups_are_refused_without_a_place_for_them(server, storage, efs):
    file_system = make(server)
    wait(storage, file_system)
    with refused("PolicyNotFound", "The file system has no such policy.", 404):
        efs.describe_backup_policy(FileSystemId=file_system)
    with refused("BadRequest", NO_PLACE):
        efs.put_backup_policy(FileSystemId=file_system, BackupPolicy=ENABLED)
    with refused("PolicyNotFound", status=404):
        efs.describe_backup_policy(FileSystemId=file_system)
    with refused("BadRequest", "The status of a backup policy can be set to ENABLED or DISABLED."):
        efs.put_backup_policy(FileSystemId=file_system, BackupPolicy={"Status": "ENABLING"})
    assert efs.put_backup_policy(FileSystemId=file_system, BackupPolicy=DISABLED)["BackupPolicy"] == DISABLED
    assert efs.describe_backup_policy(FileSystemId=file_system)["BackupPolicy"] == DISABLED


def test_an_agent_that_has_a_place_for_backups_is_told_what_to_back_up(own_server):
    server, efs = own_server, own_server.client("efs")
    without, storage = agent(server), agent(server)
    assert storage.call("PollVolumes", BacksUp=True)[0] == 200
    # The other one stores less, and has no place.
    first = make(server)
    assert wanted(without, first)["BackUp"] is False
    made = efs.create_file_system(CreationToken=token(), Backup=True)["FileSystemId"]

    def told():
        _, known = storage.call("PollVolumes", BacksUp=True)
        (volume,) = [one for one in known["Volumes"] if one["VolumeId"] == made]
        return volume, known["Known"]

    def report(**backup):
        volume = {"VolumeId": made, "Generation": 1, "State": "READY", "Backup": backup}
        assert storage.call("ReportVolumes", Volumes=[volume]) == (200, {"Stale": []})

    def listed():
        return {line.split()[0]: line.split()[5:] for line in keyward(server, "list").splitlines() if line}

    assert told()[0]["BackUp"] is True
    assert efs.describe_backup_policy(FileSystemId=made)["BackupPolicy"] == ENABLED
    report(Tried=1_700_000_000, Time=1_700_000_000, Generation=7)
    assert told()[0]["BackupGeneration"] == 7
    assert listed() == {"AGENT": ["BACKUPS"], without.id: ["no"], storage.id: ["yes"]}
    report(Tried=1_700_090_000, Time=1_700_000_000, Generation=7, Message="no space")
    assert listed()[storage.id] == ["1", "failed"]
    before = told()[1]
    assert efs.put_backup_policy(FileSystemId=made, BackupPolicy=DISABLED)["BackupPolicy"] == DISABLED
    after, known = told()
    assert (after["BackUp"], known != before) == (False, True)
    assert efs.describe_backup_policy(FileSystemId=made)["BackupPolicy"] == DISABLED
    assert listed()[storage.id] == ["yes"]
    assert efs.put_backup_policy(FileSystemId=made, BackupPolicy=ENABLED)["BackupPolicy"] == ENABLED
    # It says that it has no place any more. What is enabled stays so, and nothing more can be.
    assert storage.call("PollVolumes")[0] == 200
    assert efs.describe_backup_policy(FileSystemId=made)["BackupPolicy"] == ENABLED
    with refused("BadRequest", NO_PLACE):
        efs.put_backup_policy(FileSystemId=made, BackupPolicy=ENABLED)
    with refused("BadRequest", "Backup cannot be true: no agent of this account and Region has a place for backups. Start one with `keyward agent run --backup-to`."):
        efs.create_file_system(CreationToken=token(), Backup=True)


def test_access_points_are_entries_into_a_file_system(server, storage, efs):
    file_system = make(server)
    asked = dict(
        ClientToken=token(),
        FileSystemId=file_system,
        PosixUser={"Uid": 1000, "Gid": 1001, "SecondaryGids": [4294967295, 0]},
        RootDirectory={
            "Path": "/people/ada",
            "CreationInfo": {"OwnerUid": 1000, "OwnerGid": 1001, "Permissions": "0750"},
        },
        Tags=[{"Key": "Name", "Value": "ada"}],
    )
    with refused("IncorrectFileSystemLifeCycleState", status=409):
        efs.create_access_point(**asked)
    wait(storage, file_system)
    made = efs.create_access_point(**asked)
    made.pop("ResponseMetadata")
    point = made["AccessPointId"]
    assert re.fullmatch("fsap-[0-9a-f]{17}", point)
    arn = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/{point}"
    shown = {"Name": "ada", "AccessPointArn": arn, "OwnerId": ACCOUNT, "LifeCycleState": "available"}
    assert made == {**asked, **shown, "AccessPointId": point}
    with refused("AccessPointAlreadyExists", f"Access point '{point}' already exists with that client token.", 409) as told:
        efs.create_access_point(**asked)
    assert told.value.response["AccessPointId"] == point
    plain = efs.create_access_point(ClientToken=token(), FileSystemId=file_system)
    assert plain["RootDirectory"] == {"Path": "/"} and "PosixUser" not in plain
    both = {point, plain["AccessPointId"]}
    first = efs.describe_access_points(FileSystemId=file_system, MaxResults=1)
    rest = efs.describe_access_points(FileSystemId=file_system, NextToken=first["NextToken"])
    assert {one["AccessPointId"] for one in first["AccessPoints"] + rest["AccessPoints"]} == both
    assert efs.describe_access_points(AccessPointId=arn)["AccessPoints"] == [made]
    efs.tag_resource(ResourceId=point, Tags=[{"Key": "team", "Value": "red"}])
    efs.untag_resource(ResourceId=arn, TagKeys=["Name"])
    assert efs.list_tags_for_resource(ResourceId=point)["Tags"] == [{"Key": "team", "Value": "red"}]
    assert efs.delete_access_point(AccessPointId=point)["ResponseMetadata"]["HTTPStatusCode"] == 204
    gone = f"Access point '{point}' does not exist."
    for call in [
        lambda: efs.delete_access_point(AccessPointId=point),
        lambda: efs.describe_access_points(AccessPointId=point),
        lambda: efs.list_tags_for_resource(ResourceId=point),
    ]:
        with refused("AccessPointNotFound", gone, 404):
            call()
    # The token is free, and what is left ends with the file system.
    again = efs.create_access_point(**asked)["AccessPointId"]
    efs.delete_file_system(FileSystemId=file_system)
    forget(storage, file_system)
    with refused("AccessPointNotFound", f"Access point '{again}' does not exist.", 404):
        efs.describe_access_points(AccessPointId=again)
    with refused("FileSystemNotFound", status=404):
        efs.create_access_point(**asked)


def test_an_access_point_that_cannot_be(efs):
    path = r"^(\/|(\/(?!\.)+[^$#<>;`|&?{}^*/\n]+){1,4})$"
    asked = dict(ClientToken="t", FileSystemId="fs-01234567")
    with invalid(("'/a/../b'", "rootDirectory.path", matching(path))):
        efs.create_access_point(**asked, RootDirectory={"Path": "/a/../b"})
    least = "Member must have value greater than or equal to 0"
    with invalid(("'-1'", "posixUser.uid", least)):
        efs.create_access_point(**asked, PosixUser={"Uid": -1, "Gid": 0})
    each = f"Member must satisfy constraint: [Member must have value less than or equal to 4294967295, {least}]"
    with invalid(("'[4294967296]'", "posixUser.secondaryGids", each)):
        efs.create_access_point(**asked, PosixUser={"Uid": 1, "Gid": 0, "SecondaryGids": [4294967296]})
    with refused("BadRequest", "AccessPointId and FileSystemId cannot both be specified."):
        efs.describe_access_points(AccessPointId="fsap-01234567", FileSystemId="fs-01234567")


def test_ids_are_long(efs):
    long = {"ResourceIdType": "LONG_ID", "Resources": ["FILE_SYSTEM", "MOUNT_TARGET"]}
    assert efs.describe_account_preferences()["ResourceIdPreference"] == long
    assert efs.put_account_preferences(ResourceIdType="LONG_ID")["ResourceIdPreference"] == long
    with refused("BadRequest", "The ids of new resources cannot be short."):
        efs.put_account_preferences(ResourceIdType="SHORT_ID")


def test_pages_follow_each_other(server, efs):
    wanted = {make(server) for _ in range(3)}
    pages = efs.get_paginator("describe_file_systems").paginate(PaginationConfig={"PageSize": 1})
    found = [one["FileSystemId"] for page in pages for one in page["FileSystems"]]
    assert wanted <= set(found) and len(found) == len(set(found))


def test_a_denial_names_no_resource(server, iam, storage):
    user = User(server, iam)
    efs = server.client("efs", credentials=user.credentials)
    text = f"User: {user.arn} is not authorized to perform: elasticfilesystem:{{}} on the specified resource"
    with refused("AccessDeniedException", text.format("CreateFileSystem"), 403):
        efs.create_file_system(CreationToken=token())
    with refused("AccessDeniedException", text.format("DescribeFileSystems"), 403):
        efs.describe_file_systems()


def test_a_policy_can_demand_encryption_and_tags_at_creation(server, iam, storage):
    user = User(server, iam)
    efs = server.client("efs", credentials=user.credentials)
    encrypted = {"Bool": {"elasticfilesystem:Encrypted": "true"}}
    created = {
        "StringEquals": {"elasticfilesystem:CreateAction": "CreateFileSystem", "aws:RequestTag/team": "red"}
    }
    user.allow("elasticfilesystem:CreateFileSystem", Condition=encrypted)
    user.allow("elasticfilesystem:TagResource", Condition=created, name="q")
    with refused("AccessDeniedException", status=403):
        efs.create_file_system(CreationToken=token())
    asked = dict(Encrypted=True, Tags=[{"Key": "team", "Value": "blue"}])
    with refused("AccessDeniedException", status=403):
        efs.create_file_system(CreationToken=token(), **asked)
    asked["Tags"][0]["Value"] = "red"
    made = efs.create_file_system(CreationToken=token(), **asked)
    # To tag what is there is another thing.
    with refused("AccessDeniedException", status=403):
        efs.tag_resource(ResourceId=made["FileSystemId"], Tags=asked["Tags"])


def test_a_service_control_policy_denies_what_is_not_encrypted(tmp_path):
    server = Server(tmp_path / "data")
    try:
        agent(server)
        organizations = server.client("organizations")
        organizations.create_organization(FeatureSet="ALL")
        root = organizations.list_roots()["Roots"][0]["Id"]
        organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
        made = organizations.create_account(Email="m@example.com", AccountName="m")["CreateAccountStatus"]
        made = organizations.describe_create_account_status(CreateAccountRequestId=made["Id"])
        account = made["CreateAccountStatus"]["AccountId"]
        statement = {
            "Effect": "Deny",
            "Action": "elasticfilesystem:CreateFileSystem",
            "Resource": "*",
            "Condition": {"Bool": {"elasticfilesystem:Encrypted": "false"}},
        }
        content = policy(statement)
        summary = organizations.create_policy(
            Content=content, Description="", Name="encrypted", Type="SERVICE_CONTROL_POLICY"
        )
        organizations.attach_policy(PolicyId=summary["Policy"]["PolicySummary"]["Id"], TargetId=account)
        role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
        user = User(server, server.client("iam"))
        user.allow("sts:AssumeRole")
        sts = server.client("sts", credentials=user.credentials)
        given = sts.assume_role(RoleArn=role, RoleSessionName="night")["Credentials"]
        member = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        efs = server.client("efs", credentials=member)
        with refused("AccessDeniedException", status=403):
            efs.create_file_system(CreationToken="plain", Encrypted=False)
        # The encrypted one is not denied: what it lacks is an agent of the member's own.
        with refused("InternalServerError", status=500) as caught:
            efs.create_file_system(CreationToken="encrypted", Encrypted=True)
        assert "keyward agent token" in caught.value.response["Error"]["Message"]
    finally:
        server.kill()


def test_a_file_system_whose_agent_is_gone_can_be_deleted(tmp_path):
    server = Server(tmp_path / "data")
    try:
        storage = Agent(server)
        efs = server.client("efs")
        file_system = efs.create_file_system(CreationToken="t", Encrypted=True)["FileSystemId"]
        keyward(server, "remove", storage.id)
        efs.delete_file_system(FileSystemId=file_system)
        # It ends once its grant has certainly been retired, at the next of the server's rounds.
        eventually(lambda: efs.describe_file_systems()["FileSystems"] == [], seconds=60)
    finally:
        server.kill()


def test_what_is_not_supported_says_so(efs):
    text = "{} is not supported by this version of Keyward."
    with refused("UnsupportedOperationException", text.format("CreateReplicationConfiguration")):
        efs.create_replication_configuration(SourceFileSystemId="fs-01234567", Destinations=[{"Region": REGION}])
    with refused("UnsupportedOperationException", text.format("DeleteReplicationConfiguration")):
        efs.delete_replication_configuration(SourceFileSystemId="fs-01234567")
