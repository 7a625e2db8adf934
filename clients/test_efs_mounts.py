"""Who may mount a file system: its policy, identity policies, the certificate of `mount.efs`, access points."""

import datetime
import json
import uuid

from calls_efs import DEFAULT_SUBNET, identity, mount, serve, wait, wanted
from conftest import policy
from efs_fixtures import efs, file_system, iam, server, storage, user
from errors import refused
from keyward import ACCOUNT, REGION, eventually
from test_agents import Agent, keyward

ALL = {"Write": True, "Root": True}
MOUNT = "elasticfilesystem:ClientMount"
WRITE = "elasticfilesystem:ClientWrite"
ROOT = "elasticfilesystem:ClientRootAccess"


def put(efs, file_system, *statements):
    efs.put_file_system_policy(FileSystemId=file_system, Policy=policy(*statements))


def allow(*actions, principal="*", **more):
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), **more}


def denied(answer, caller, action):
    text = f"User: {caller} is not authorized to perform: {action} on the specified resource"
    assert answer == (400, {"__type": "AccessDeniedException", "Message": text})


def events(server, name):
    text = (server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines() if f'"eventName":"{name}"' in line]


def test_without_a_policy_whoever_reaches_it_may_do_everything(storage, file_system, user):
    assert mount(storage, file_system) == (200, ALL)
    assert mount(storage, file_system, SecureTransport=True, ClientAddress="2001:db8::1") == (200, ALL)
    assert mount(storage, file_system, Identity=identity(file_system, user.credentials)) == (200, ALL)


def test_an_identity_policy_that_denies_counts_without_a_policy_too(storage, file_system, user):
    user.allow(WRITE, ROOT, effect="Deny")
    rights = {"Write": False, "Root": False}
    assert mount(storage, file_system, Identity=identity(file_system, user.credentials)) == (200, rights)
    user.allow(MOUNT, effect="Deny")
    denied(mount(storage, file_system, Identity=identity(file_system, user.credentials)), user.arn, MOUNT)


def test_with_a_policy_either_it_or_an_identity_policy_must_allow(storage, efs, file_system, user):
    put(efs, file_system, allow(MOUNT, principal=f"arn:aws:iam::{ACCOUNT}:root"))
    denied(mount(storage, file_system), "anonymous", MOUNT)
    denied(mount(storage, file_system, Identity=identity(file_system, user.credentials)), user.arn, MOUNT)
    arn = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{file_system}"
    user.allow(MOUNT, WRITE, resource=arn)
    told = identity(file_system, user.credentials)
    assert mount(storage, file_system, Identity=told) == (200, {"Write": True, "Root": False})
    put(efs, file_system, allow(MOUNT, ROOT, principal=user.arn))
    assert mount(storage, file_system, Identity=told) == (200, ALL)
    put(efs, file_system, allow(MOUNT), {**allow(WRITE), "Effect": "Deny"})
    assert mount(storage, file_system, Identity=told) == (200, {"Write": False, "Root": False})
    assert mount(storage, file_system) == (200, {"Write": False, "Root": False})
    efs.delete_file_system_policy(FileSystemId=file_system)
    assert mount(storage, file_system) == (200, ALL)


def test_writing_alone_is_no_mounting(storage, efs, file_system):
    put(efs, file_system, allow(WRITE, ROOT))
    denied(mount(storage, file_system), "anonymous", MOUNT)


def test_a_policy_can_demand_tls_and_a_mount_target(storage, efs, file_system):
    target = efs.create_mount_target(FileSystemId=file_system, SubnetId=DEFAULT_SUBNET)["MountTargetId"]
    put(efs, file_system, allow(MOUNT, Condition={"Bool": {"aws:SecureTransport": "true"}}))
    denied(mount(storage, file_system), "anonymous", MOUNT)
    assert mount(storage, file_system, SecureTransport=True)[0] == 200
    put(efs, file_system, allow(MOUNT, Condition={"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}))
    denied(mount(storage, file_system), "anonymous", MOUNT)
    assert mount(storage, file_system, MountTargetId=target)[0] == 200
    status, told = mount(storage, file_system, MountTargetId="fsmt-00000000")
    assert (status, told["__type"]) == (400, "NotFoundException")
    assert told["message"] == "The volume has no mount target fsmt-00000000."
    put(efs, file_system, allow(MOUNT, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))
    denied(mount(storage, file_system), "anonymous", MOUNT)
    assert mount(storage, file_system, ClientAddress="192.0.2.7")[0] == 200
    efs.delete_mount_target(MountTargetId=target)


def test_an_access_point_has_a_directory_and_a_user(storage, efs, file_system):
    asked = dict(
        PosixUser={"Uid": 1000, "Gid": 1001, "SecondaryGids": [7]},
        RootDirectory={
            "Path": "/people/ada",
            "CreationInfo": {"OwnerUid": 1000, "OwnerGid": 1001, "Permissions": "0750"},
        },
    )
    made = efs.create_access_point(ClientToken=uuid.uuid4().hex, FileSystemId=file_system, **asked)
    point = made["AccessPointId"]
    view = {"AccessPointId": point, "PosixUser": asked["PosixUser"], **asked["RootDirectory"]}
    assert mount(storage, file_system, AccessPointId=point) == (200, {**ALL, "AccessPoint": view})
    through = {"StringEquals": {"elasticfilesystem:AccessPointArn": made["AccessPointArn"]}}
    put(efs, file_system, allow(MOUNT, Condition=through))
    denied(mount(storage, file_system), "anonymous", MOUNT)
    assert mount(storage, file_system, AccessPointId=point)[0] == 200
    other = make_other(storage, efs)
    status, told = mount(storage, other, AccessPointId=point)
    assert (status, told["message"]) == (400, f"Access point '{point}' does not exist.")
    efs.delete_access_point(AccessPointId=point)
    denied(mount(storage, file_system), "anonymous", MOUNT)
    status, told = mount(storage, file_system, AccessPointId=point)
    assert (status, told["__type"]) == (400, "NotFoundException")


def make_other(storage, efs):
    made = efs.create_file_system(CreationToken=uuid.uuid4().hex)["FileSystemId"]
    wait(storage, made)
    return made


def test_a_certificate_must_be_signed_by_an_access_key_that_is_good(server, storage, iam, file_system, user):
    good = identity(file_system, user.credentials)
    now = datetime.datetime.now(datetime.timezone.utc)
    hours = lambda count: now - datetime.timedelta(hours=count)  # noqa: E731
    assert mount(storage, file_system, Identity=identity(file_system, user.credentials, at=hours(23)))[0] == 200
    key, secret = user.credentials
    for told in [
        {**good, "PublicKeyHash": "cd" * 20},
        {**good, "Signature": "0" * 64},
        {**good, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"},
        identity(file_system, user.credentials, host="fs-00000000000000000"),
        identity(file_system, (key, secret, "token")),
        identity(file_system, user.credentials, at=hours(25)),
        identity(file_system, user.credentials, at=hours(-1)),
        identity(file_system, user.credentials, region="eu-west-1"),
        # An agent is no client.
        identity(file_system, (storage.wire.key, storage.wire.secret)),
    ]:
        status, answer = mount(storage, file_system, Identity=told)
        assert (status, answer["__type"]) == (400, "AccessDeniedException"), told
        assert answer["Message"].startswith("The client's certificate proves nobody: "), answer
    status, answer = mount(storage, file_system, FileSystemId="fs-00000000000000000")
    assert answer["Message"] == "The certificate is for another file system."
    used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("elasticfilesystem", REGION)
    iam.update_access_key(UserName=user.name, AccessKeyId=key, Status="Inactive")
    assert mount(storage, file_system, Identity=good)[1]["__type"] == "AccessDeniedException"


def test_a_role_mounts_with_its_sessions_token(server, storage, efs, iam, file_system, user):
    trust = policy({"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=f"r-{uuid.uuid4().hex[:8]}", AssumeRolePolicyDocument=trust)["Role"]
    user.allow("sts:AssumeRole")
    sts = server.client("sts", credentials=user.credentials)
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="night")["Credentials"]
    credentials = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
    put(efs, file_system, allow(MOUNT, WRITE, principal=role["Arn"]))
    told = identity(file_system, credentials)
    assert mount(storage, file_system, Identity=told) == (200, {"Write": True, "Root": False})
    assert mount(storage, file_system, Identity={**told, "SessionToken": "x"})[0] == 400


def test_the_trail_says_who_mounted_and_who_was_not_let_in(server, storage, efs, file_system, user):
    told = identity(file_system, user.credentials)
    mount(storage, file_system, Identity=told, SecureTransport=True, ClientAddress="192.0.2.9")
    mount(storage, file_system, Identity=told, Again=True)
    put(efs, file_system, allow(MOUNT, principal=user.arn))
    mount(storage, file_system, ClientAddress="192.0.2.10")
    arn = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{file_system}"
    of_it = lambda name: [e for e in events(server, name) if e["requestParameters"]["fileSystemId"] == file_system]  # noqa: E731
    first, last = eventually(lambda: (found := of_it("NewClientConnection"))[1:] and found)
    assert first["eventSource"] == "elasticfilesystem.amazonaws.com"
    assert (first["userIdentity"]["arn"], first["sourceIPAddress"]) == (user.arn, "192.0.2.9")
    assert first["resources"] == [{"accountId": ACCOUNT, "type": "AWS::EFS::FileSystem", "ARN": arn}]
    permissions = {"ClientRootAccess": True, "ClientMount": True, "ClientWrite": True}
    assert first["additionalEventData"] == {"permissions": permissions}
    context = {"aws:SecureTransport": "true", "elasticfilesystem:AccessedViaMountTarget": "false"}
    assert first["keyward"]["decisions"][0]["context"] == context
    assert [decision["action"] for decision in first["keyward"]["decisions"]] == [MOUNT, WRITE, ROOT]
    anonymous = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    assert (last["userIdentity"], last["errorCode"]) == (anonymous, "AccessDenied")
    assert (last["sourceIPAddress"], last["recipientAccountId"]) == ("192.0.2.10", ACCOUNT)
    assert len(of_it("UpdateClientConnection")) == 1
    asked = [e for e in events(server, "AuthorizeMount") if e["requestParameters"]["volumeId"] == file_system]
    assert {event["userIdentity"]["principalId"] for event in asked} == {storage.id}
    text = (server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
    assert told["Signature"] not in text


def test_only_the_agent_that_stores_it_asks_about_a_file_system(server, storage, efs, file_system):
    other = Agent(server, "storage-2")
    status, told = mount(other, file_system)
    keyward(server, "remove", other.id)
    assert (status, told["__type"]) == (400, "NotFoundException")
    efs.delete_file_system(FileSystemId=file_system)
    status, told = mount(storage, file_system)
    assert (status, told["__type"]) == (400, "NotFoundException")


def test_nobody_comes_to_it_but_through_an_agent(server, efs):
    for path in ["/2015-02-01/NewClientConnection", "/2015-02-01/client-connections"]:
        with refused("UnknownOperationException", status=404):
            efs.meta.events.register_first("before-sign.efs.DescribeFileSystems", lambda request, **_: moved(request, path))
            efs.describe_file_systems()


def moved(request, path):
    request.url = request.url.split("/2015")[0] + path


def test_the_agent_hears_of_what_is_decided_anew(storage, efs, file_system):
    before = wanted(storage, file_system)
    put(efs, file_system, allow(MOUNT))
    after = wanted(storage, file_system)
    assert after["AuthorizationRevision"] > before["AuthorizationRevision"]
    assert after["Generation"] == before["Generation"]
    made = efs.create_access_point(ClientToken=uuid.uuid4().hex, FileSystemId=file_system)
    last = wanted(storage, file_system)["AuthorizationRevision"]
    assert last > after["AuthorizationRevision"]
    efs.delete_access_point(AccessPointId=made["AccessPointId"])
    assert wanted(storage, file_system)["AuthorizationRevision"] > last
    _, known = storage.call("PollVolumes", WaitSeconds=0)
    efs.delete_file_system_policy(FileSystemId=file_system)
    # Nothing is waited for: what it knows is not what is wanted.
    _, told = storage.call("PollVolumes", WaitSeconds=20, Known=known["Known"])
    assert told["Known"] != known["Known"]
    target = efs.create_mount_target(FileSystemId=file_system, SubnetId=DEFAULT_SUBNET)["MountTargetId"]
    _, again = storage.call("PollVolumes", WaitSeconds=20, Known=told["Known"])
    assert again["Known"] != told["Known"]
    efs.delete_mount_target(MountTargetId=target)
    serve(storage, file_system)
