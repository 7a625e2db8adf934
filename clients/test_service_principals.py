"""A service by itself belongs to no account: no key is its own and none is another's, it is told what
strangers are told, and what it does is recorded for the account of the key."""

import json
import subprocess
import uuid

import pytest

from conftest import policy
from efs import Forwarder, presented, server_with_service
from errors import refused
from keyward import ACCOUNT, alias_arn, binary, clean_environment, eventually, key_arn
from test_accounts import HIDDEN, OTHER, credentials_in, keyward

REGION = "us-west-2"
SERVICE = f"elasticfilesystem.{REGION}.amazonaws.com"
ACCOUNTS = {"first": ACCOUNT, "second": OTHER}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two accounts, and EFS with credentials that are kept with the first."""
    server, credentials = server_with_service(tmp_path_factory.mktemp("services") / "data", "elasticfilesystem")
    assert server.drain() == 0
    keyward("account", "create", "--data-dir", server.data_dir, "--account-id", OTHER, "--name", "Second")
    server.start()
    yield server, credentials["elasticfilesystem"]
    server.kill()


@pytest.fixture(scope="module")
def server(world):
    return world[0]


@pytest.fixture(scope="module")
def efs(world):
    server, credentials = world
    return Forwarder(server, "elasticfilesystem", credentials, REGION)


@pytest.fixture(scope="module")
def owners(server):
    """KMS as the root user of each account sees it."""
    second = credentials_in(server.data_dir / f"credentials-{OTHER}")
    return {
        "first": server.client("kms", region=REGION),
        "second": server.client("kms", credentials=second, region=REGION),
    }


@pytest.fixture(params=["first", "second"])
def owner(request):
    return request.param


def key_of(owners, owner, *statements):
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNTS[owner]}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return owners[owner].create_key(Policy=policy(root, *statements))["KeyMetadata"]["Arn"]


def to(service=None, actions="kms:*", **condition):
    principal = {"Service": service} if service else "*"
    statement = {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}
    return {**statement, "Condition": condition} if condition else statement


def denied(action):
    return refused(
        "AccessDeniedException", f"User: {SERVICE} is not authorized to perform: kms:{action} on this resource {HIDDEN}"
    )


def told(call):
    """The refusal, without the key that was asked for."""
    with pytest.raises(Exception) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def events(server, request_id):
    found = []
    for segment in sorted((server.data_dir / "audit").glob("*.jsonl")):
        for line in segment.read_text().splitlines():
            if request_id in line and line.startswith('{"eventVersion"'):
                found.append(json.loads(line))
    return [event for event in found if event.get("requestID") == request_id]


def event_of(server, answer):
    request_id = answer["ResponseMetadata"]["RequestId"]
    eventually(lambda: events(server, request_id))
    (event,) = events(server, request_id)
    return event


def decided(principal, action, resource, key_policy):
    """What `policy decide` says of the same question, without a server."""
    case = {"principal": principal, "action": action, "resource": resource, "keyPolicy": json.loads(key_policy)}
    done = subprocess.run(
        [binary(), "policy", "decide"],
        input=json.dumps(case) + "\n",
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    return json.loads(done.stdout)["decision"]


def also_decided(owners, owner, arn, action="kms:Encrypt"):
    return decided(SERVICE, action, arn, owners[owner].get_key_policy(KeyId=arn)["Policy"])


@pytest.mark.parametrize("key", ["kms:CallerAccount", "aws:PrincipalAccount"])
def test_a_service_passes_for_no_accounts_principal(owners, efs, owner, key):
    for account in ACCOUNTS.values():
        arn = key_of(owners, owner, to(StringEquals={key: account}))
        with denied("Encrypt"):
            efs.own_client("kms").encrypt(KeyId=arn, Plaintext=b"x")
        assert also_decided(owners, owner, arn) == "ImplicitDeny"


def test_what_a_principal_of_an_account_has_a_service_has_not(owners, efs, owner):
    absent = ["kms:CallerAccount", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalOrgID", "aws:userid", "aws:PrincipalType"]
    arn = key_of(
        owners,
        owner,
        to(
            Null={name: "true" for name in absent},
            Bool={"aws:PrincipalIsAWSService": "true"},
            StringEquals={
                "aws:PrincipalServiceName": "elasticfilesystem.amazonaws.com",
                "aws:ResourceAccount": ACCOUNTS[owner],
            },
        ),
    )
    assert efs.own_client("kms").encrypt(KeyId=arn, Plaintext=b"x")["KeyId"] == arn
    assert also_decided(owners, owner, arn) == "Allow"


def test_a_denial_of_who_is_of_no_account_reaches_a_service(owners, efs, owner):
    deny = {**to(StringNotEquals={"aws:PrincipalAccount": ACCOUNTS[owner]}), "Effect": "Deny"}
    arn = key_of(owners, owner, to("elasticfilesystem.amazonaws.com"), deny)
    with denied("Encrypt"):
        efs.own_client("kms").encrypt(KeyId=arn, Plaintext=b"x")
    assert also_decided(owners, owner, arn) == "ExplicitDeny"


def test_a_statement_for_an_account_is_not_for_a_service(owners, efs, owner):
    arn = key_of(owners, owner)
    with denied("DescribeKey"):
        efs.own_client("kms").describe_key(KeyId=arn)
    assert also_decided(owners, owner, arn, "kms:DescribeKey") == "ImplicitDeny"


def test_a_service_does_not_learn_which_keys_there_are(owners, efs, owner):
    own = efs.own_client("kms")
    arn = key_of(owners, owner)
    absent = key_arn(str(uuid.uuid4()), REGION, ACCOUNTS[owner])
    for name in ["describe_key", "get_key_policy", "enable_key", "list_grants"]:
        calls = [told(lambda key=key: getattr(own, name)(KeyId=key)) for key in (arn, absent)]
        assert calls[0] == calls[1], name
        assert calls[0][1].endswith(f"on this resource {HIDDEN}")
    # A key id or an alias names nothing, since a service has no account that it could be in.
    for key in [arn.split("/")[1], absent.split("/")[1]]:
        with refused("NotFoundException", f"Key '{key}' does not exist"):
            own.describe_key(KeyId=key)
    alias = f"alias/{uuid.uuid4()}"
    owners[owner].create_alias(AliasName=alias, TargetKeyId=arn)
    for name in [alias, "alias/none"]:
        with refused("NotFoundException", f"Alias {name} is not found."):
            own.describe_key(KeyId=name)
    there = [alias_arn(name, REGION, ACCOUNTS[owner]) for name in (alias, "alias/none")]
    assert len({told(lambda name=name: own.describe_key(KeyId=name)) for name in there}) == 1


def test_a_key_policy_lets_a_service_manage_a_key_of_any_account(owners, efs, owner):
    own = efs.own_client("kms")
    arn = key_of(owners, owner, to(SERVICE, ["kms:UpdateKeyDescription", "kms:EnableKeyRotation", "kms:GetKeyPolicy"]))
    own.update_key_description(KeyId=arn, Description="by a service")
    own.enable_key_rotation(KeyId=arn)
    assert own.get_key_policy(KeyId=arn)["PolicyName"] == "default"
    assert owners[owner].describe_key(KeyId=arn)["KeyMetadata"]["Description"] == "by a service"
    with refused(
        "AccessDeniedException",
        f"User: {SERVICE} is not authorized to perform: kms:DisableKey on this resource {HIDDEN}",
    ):
        own.disable_key(KeyId=arn)
    assert also_decided(owners, owner, arn, "kms:UpdateKeyDescription") == "Allow"
    assert also_decided(owners, owner, arn, "kms:DisableKey") == "ImplicitDeny"


def test_what_a_service_does_is_recorded_for_the_account_of_the_key(server, owners, efs, owner):
    own = efs.own_client("kms")
    arn = key_of(owners, owner, to(SERVICE, "kms:Encrypt"))
    answers = [own.encrypt(KeyId=arn, Plaintext=b"x")]
    with pytest.raises(own.exceptions.ClientError) as caught:
        own.disable_key(KeyId=arn)
    answers.append(caught.value.response)
    for answer in answers:
        event = event_of(server, answer)
        assert event["recipientAccountId"] == ACCOUNTS[owner]
        assert event["userIdentity"] == {"type": "AWSService", "invokedBy": "elasticfilesystem.amazonaws.com"}
        assert [resource["accountId"] for resource in event["resources"]] == [ACCOUNTS[owner]]


def test_nothing_of_an_account_is_a_services(server, owners, efs):
    kms, iam, org = (efs.own_client(name) for name in ("kms", "iam", "organizations"))
    calls = [
        ("AccessDeniedException", "kms:ListKeys", 400, kms.list_keys),
        ("AccessDeniedException", "kms:ListAliases", 400, kms.list_aliases),
        ("AccessDeniedException", "kms:CreateKey", 400, kms.create_key),
        ("AccessDeniedException", "kms:DeleteAlias", 400, lambda: kms.delete_alias(AliasName="alias/none")),
        ("AccessDeniedException", "organizations:DescribeOrganization", 400, org.describe_organization),
        ("AccessDenied", "iam:ListUsers", 403, iam.list_users),
        ("AccessDenied", "iam:GetUser", 403, lambda: iam.get_user(UserName="none")),
    ]
    for code, action, status, call in calls:
        message = (
            f"User: {SERVICE} is not authorized to perform: {action} on resource: * because no identity-based "
            f"policy allows the {action} action"
        )
        with refused(code, message, status) as caught:
            call()
        event = event_of(server, caught.value.response)
        assert event["errorCode"] == "AccessDenied"
        assert "recipientAccountId" not in event
    identity = efs.own_client("sts").get_caller_identity()
    assert (identity["Arn"], identity.get("Account", "")) == (SERVICE, "")


def test_a_grant_that_a_service_makes_is_issued_by_the_keys_account(owners, efs, owner):
    arn = key_of(owners, owner, to(SERVICE, "kms:CreateGrant"))
    grantee = f"arn:aws:iam::{ACCOUNTS[owner]}:root"
    efs.own_client("kms").create_grant(KeyId=arn, GranteePrincipal=grantee, Operations=["Encrypt"])
    (found,) = owners[owner].list_grants(KeyId=arn)["Grants"]
    assert found["IssuingAccount"] == grantee


def test_a_service_does_not_learn_where_another_accounts_alias_leads(server, owners, efs):
    arn = key_of(owners, "second")
    alias = f"alias/{uuid.uuid4()}"
    owners["second"].create_alias(AliasName=alias, TargetKeyId=arn)
    root = server.root_credentials()
    for name in [alias, "alias/none"]:
        status, answer = efs.forward(*presented(REGION, root), alias_arn(name, REGION, OTHER))
        assert (status, answer["__type"], answer["message"]) == (
            400,
            "ValidationException",
            "A key of another account is named by its key ARN here.",
        )
