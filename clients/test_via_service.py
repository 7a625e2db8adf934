"""Services acting for a caller: forward access sessions, what they carry and what they may not,
service principals, and AWS managed keys."""

import json
import subprocess

import pytest

from conftest import User, policy
from efs import Forwarder, presented, server_with_service
from errors import refused
from keyward import ACCOUNT, alias_arn, binary, clean_environment, key_arn

REGION = "us-west-2"
VIA = f"elasticfilesystem.{REGION}.amazonaws.com"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A server on which EFS and RDS have credentials."""
    server, credentials = server_with_service(
        tmp_path_factory.mktemp("via") / "data", "elasticfilesystem", "rds", "dynamodb"
    )
    yield server, credentials
    server.kill()


@pytest.fixture(scope="module")
def server(world):
    return world[0]


@pytest.fixture(scope="module")
def kms(server):
    return server.client("kms", region=REGION)


@pytest.fixture(scope="module")
def efs(world):
    server, credentials = world
    return Forwarder(server, "elasticfilesystem", credentials["elasticfilesystem"], REGION)


@pytest.fixture
def alice(server):
    return User(server, server.client("iam"))


def key_for(kms, *statements):
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    made = kms.create_key(Policy=policy(root, *statements))
    return made["KeyMetadata"]["Arn"]


def forwarded(efs, user, key_id, **parts):
    """The session that EFS gets for a request of the user's."""
    status, answer = efs.forward(*presented(REGION, user.credentials, **parts), key_id)
    assert status == 200, answer
    return efs.client_of(answer)


def unforwarded(efs, user, key_id, **parts):
    status, answer = efs.forward(*presented(REGION, user.credentials, **parts), key_id)
    assert status != 200
    return answer["__type"], answer.get("message", answer.get("Message"))


def test_a_key_that_only_lets_a_service_in_is_used_through_it_and_not_directly(server, kms, efs, alice):
    arn = key_for(
        kms,
        {
            "Effect": "Allow",
            "Principal": {"AWS": alice.arn},
            "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": VIA, "kms:CallerAccount": ACCOUNT}},
        },
    )
    made = forwarded(efs, alice, arn).generate_data_key(KeyId=arn, KeySpec="AES_256")
    assert made["KeyId"] == arn
    direct = server.client("kms", credentials=alice.credentials, region=REGION)
    with refused(
        "AccessDeniedException",
        f"User: {alice.arn} is not authorized to perform: kms:GenerateDataKey on resource: {arn} "
        "because no identity-based policy allows the kms:GenerateDataKey action",
    ):
        direct.generate_data_key(KeyId=arn, KeySpec="AES_256")


def test_a_session_is_good_for_its_key_and_for_nothing_that_governs_it(server, kms, efs, alice):
    alice.allow("*")
    arn, other = key_for(kms), key_for(kms)
    session = forwarded(efs, alice, arn)
    assert session.describe_key(KeyId=arn)["KeyMetadata"]["Arn"] == arn
    for call, action, resource in [
        (lambda: session.describe_key(KeyId=other), "kms:DescribeKey", other),
        (lambda: session.schedule_key_deletion(KeyId=arn), "kms:ScheduleKeyDeletion", arn),
        (lambda: session.list_keys(), "kms:ListKeys", "*"),
    ]:
        with refused(
            "AccessDeniedException",
            f"User: {alice.arn} is not authorized to perform: {action} on resource: {resource} "
            f"because no session policy allows the {action} action",
        ):
            call()
    status, answer = efs.forward(*presented(REGION, alice.credentials), arn)
    assert status == 200
    given = answer["Credentials"]
    iam = server.client("iam", credentials=(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]))
    with refused("InvalidClientTokenId", "The security token included in the request is invalid.", 403):
        iam.list_users()


def test_the_conditions_of_forwarded_calls(kms, efs, alice):
    expected = {
        "StringEquals": {"kms:ViaService": VIA, "kms:CallerAccount": ACCOUNT, "aws:PrincipalArn": alice.arn},
        "Bool": {"aws:ViaAWSService": "true", "aws:PrincipalIsAWSService": "false"},
        "Null": {"aws:SourceIp": "true", "aws:SourceArn": "true", "aws:TokenIssueTime": "true", "aws:CalledVia": "true"},
    }
    arn = key_for(
        kms,
        {"Effect": "Allow", "Principal": {"AWS": alice.arn}, "Action": "kms:Encrypt", "Resource": "*", "Condition": expected},
    )
    assert forwarded(efs, alice, arn).encrypt(KeyId=arn, Plaintext=b"x")["KeyId"] == arn


def test_called_via_names_the_services_that_support_it(world, kms, alice):
    server, credentials = world
    dynamodb = Forwarder(server, "dynamodb", credentials["dynamodb"], REGION)
    arn = key_for(
        kms,
        {
            "Effect": "Allow",
            "Principal": {"AWS": alice.arn},
            "Action": "kms:Encrypt",
            "Resource": "*",
            "Condition": {
                "ForAnyValue:StringEquals": {"aws:CalledVia": ["dynamodb.amazonaws.com"]},
                "StringEquals": {"aws:CalledViaFirst": "dynamodb.amazonaws.com", "aws:CalledViaLast": "dynamodb.amazonaws.com"},
            },
        },
    )
    status, answer = dynamodb.forward(*presented(REGION, alice.credentials, service="dynamodb"), arn)
    assert status == 200, answer
    dynamodb.client_of(answer).encrypt(KeyId=arn, Plaintext=b"x")


def test_what_a_direct_request_claims_counts_for_nothing(server, kms, alice):
    arn = key_for(
        kms,
        {
            "Effect": "Allow",
            "Principal": {"AWS": alice.arn},
            "Action": "kms:Encrypt",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:*"}},
        },
    )
    client = server.client("kms", credentials=alice.credentials, region=REGION)

    def claim(request, **_):
        request.headers["X-Amz-Source-Arn"] = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-1"
        request.headers["X-Amz-Via-Service"] = VIA

    client.meta.events.register("before-sign.*", claim)
    with refused("AccessDeniedException", None):
        client.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_service_principal_calls_for_a_resource(kms, efs):
    source = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-1"
    arn = key_for(
        kms,
        {
            "Effect": "Allow",
            "Principal": {"Service": "elasticfilesystem.amazonaws.com"},
            "Action": "kms:GenerateDataKey*",
            "Resource": "*",
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": ACCOUNT,
                    "aws:PrincipalServiceName": "elasticfilesystem.amazonaws.com",
                },
                "ForAnyValue:StringEquals": {"aws:PrincipalServiceNamesList": VIA},
                "ArnEquals": {"aws:SourceArn": source},
            },
        },
    )
    assert efs.own_client("kms", source).generate_data_key(KeyId=arn, KeySpec="AES_256")["KeyId"] == arn
    for other in [None, source + "2"]:
        with refused("AccessDeniedException", None) as caught:
            efs.own_client("kms", other).generate_data_key(KeyId=arn, KeySpec="AES_256")
        assert f"User: {VIA} is not authorized to perform: kms:GenerateDataKey" in str(caught.value)


def test_a_recorded_call_of_a_service_is_explained_with_the_resource_it_acted_for(server, kms, efs):
    source = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-1"
    arn = key_for(
        kms,
        {
            "Effect": "Allow",
            "Principal": {"Service": "elasticfilesystem.amazonaws.com"},
            "Action": "kms:GenerateDataKey",
            "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": ACCOUNT}},
        },
    )

    def explained(answer):
        place = ("--data-dir", server.data_dir, "--endpoint-url", server.url)
        request = answer["ResponseMetadata"]["RequestId"]
        done = subprocess.run(
            [binary(), "policy", "explain", *place, "--request-id", request],
            capture_output=True,
            text=True,
            env=clean_environment(),
        )
        return done.returncode, done.stdout + done.stderr

    status, told = explained(efs.own_client("kms", source).generate_data_key(KeyId=arn, KeySpec="AES_256"))
    assert (status, told.splitlines()[0]) == (0, f"ALLOWED: kms:GenerateDataKey on {arn}")
    with refused("AccessDeniedException") as caught:
        efs.own_client("kms", source + "2").generate_data_key(KeyId=arn, KeySpec="AES_256")
    status, told = explained(caught.value.response)
    assert status == 3
    assert source + "2" in told


def test_a_service_cannot_make_up_a_caller(server, kms, efs, alice):
    alice.allow("*")
    arn = key_for(kms)
    method, path, headers, body = presented(REGION, alice.credentials)
    status, answer = efs.forward(method, path, headers, body + b" ", arn)
    assert (status, answer["__type"]) == (400, "InvalidSignatureException")
    # Signed for another service, it is nothing to this one.
    code, message = unforwarded(efs, alice, arn, service="rds")
    assert (code, message) == (
        "InvalidSignatureException",
        "Credential should be scoped to correct service: 'elasticfilesystem'.",
    )
    without = [pair for pair in headers if pair[0] != "Authorization"]
    status, answer = efs.forward(method, path, without, body, arn)
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_only_a_service_may_act_for_others(server, kms, alice):
    alice.allow("*")
    arn = key_for(kms)
    ordinary = Forwarder(server, "elasticfilesystem", alice.credentials, REGION)
    assert unforwarded(ordinary, alice, arn) == (
        "AccessDeniedException",
        f"User: {alice.arn} is not authorized to perform: keyward:CreateForwardAccessSession "
        "because only a service that was given credentials may",
    )


def test_a_denial_of_the_user_holds_through_the_service(kms, efs, alice):
    alice.allow("*")
    arn = key_for(kms)
    session = forwarded(efs, alice, arn)
    session.encrypt(KeyId=arn, Plaintext=b"x")
    alice.allow("kms:Encrypt", effect="Deny", name="deny")
    with refused(
        "AccessDeniedException",
        f"User: {alice.arn} is not authorized to perform: kms:Encrypt on resource: {arn} "
        "with an explicit deny in an identity-based policy",
    ):
        session.encrypt(KeyId=arn, Plaintext=b"x")


ALIAS = "alias/aws/elasticfilesystem"


def test_an_aws_managed_key_comes_into_being_on_first_use(server, kms, efs, alice):
    region = "eu-west-1"
    there = server.client("kms", region=region)
    with refused("NotFoundException", f"Alias {alias_arn(ALIAS, region)} is not found."):
        there.encrypt(KeyId=ALIAS, Plaintext=b"x")
    efs_there = Forwarder(server, "elasticfilesystem", efs.credentials, region)
    status, answer = efs_there.forward(*presented(region, alice.credentials), ALIAS)
    assert status == 200, answer
    session = efs_there.client_of(answer)
    made = session.generate_data_key(KeyId=ALIAS, KeySpec="AES_256", EncryptionContext={"a": "b"})
    metadata = there.describe_key(KeyId=ALIAS)["KeyMetadata"]
    assert (metadata["KeyManager"], metadata["KeyState"], metadata["Arn"]) == ("AWS", "Enabled", made["KeyId"])
    assert made["KeyId"] == answer["KeyId"]
    # The next use finds it.
    status, again = efs_there.forward(*presented(region, alice.credentials), ALIAS)
    assert (status, again["KeyId"]) == (200, answer["KeyId"])
    assert there.get_key_rotation_status(KeyId=metadata["KeyId"])["RotationPeriodInDays"] == 365
    aliases = there.list_aliases(KeyId=metadata["KeyId"])["Aliases"]
    assert [alias["AliasName"] for alias in aliases] == [ALIAS]
    document = json.loads(there.get_key_policy(KeyId=metadata["KeyId"])["Policy"])
    assert document["Id"] == "auto-elasticfilesystem-2"
    # Anybody of the account may use it through the service, nobody directly, not even root.
    with refused(
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: kms:Decrypt on resource: "
        f"{made['KeyId']} because no resource-based policy allows the kms:Decrypt action",
    ):
        there.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"}, KeyId=made["KeyId"])
    opened = session.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["Plaintext"]


def test_nobody_changes_an_aws_managed_key(server, kms, efs, alice):
    status, answer = efs.forward(*presented(REGION, alice.credentials), ALIAS)
    assert status == 200
    arn = answer["KeyId"]
    root = f"arn:aws:iam::{ACCOUNT}:root"
    for name, parameters in [
        ("disable_key", {}),
        ("schedule_key_deletion", {}),
        ("put_key_policy", {"Policy": policy({"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"})}),
        ("disable_key_rotation", {}),
        ("update_key_description", {"Description": "mine"}),
        ("tag_resource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
        ("rotate_key_on_demand", {}),
    ]:
        action = "kms:" + "".join(word.capitalize() for word in name.split("_"))
        with refused(
            "AccessDeniedException",
            f"User: {root} is not authorized to perform: {action} on resource: {arn} "
            f"because no resource-based policy allows the {action} action",
        ):
            getattr(kms, name)(KeyId=arn, **parameters)
    with refused("AccessDeniedException", None):
        kms.create_alias(AliasName="alias/mine", TargetKeyId=arn)
    with refused("NotAuthorizedException", ""):
        kms.delete_alias(AliasName=ALIAS)


def test_a_service_makes_no_key_but_its_own(efs, alice):
    assert unforwarded(efs, alice, "alias/aws/rds") == (
        "NotFoundException",
        f"Alias {alias_arn('alias/aws/rds', REGION)} is not found.",
    )


def test_the_trail_names_the_service(server, kms, efs, alice):
    arn = key_for(kms, {"Effect": "Allow", "Principal": {"AWS": alice.arn}, "Action": "kms:Encrypt", "Resource": "*"})
    forwarded(efs, alice, arn).encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"trail": "named"})
    events = [json.loads(line) for file in sorted((server.data_dir / "audit").glob("trail-*.jsonl")) for line in open(file)]
    event = next(
        event
        for event in events
        if event.get("eventName") == "Encrypt"
        and (event["requestParameters"] or {}).get("encryptionContext") == {"trail": "named"}
    )
    assert event["userIdentity"]["arn"] == alice.arn
    assert event["userIdentity"]["invokedBy"] == "elasticfilesystem.amazonaws.com"
    assert event["sourceIPAddress"] == event["userAgent"] == "elasticfilesystem.amazonaws.com"
    made = next(event for event in events if event.get("eventName") == "CreateForwardAccessSession")
    assert made["userIdentity"] == {"type": "AWSService", "invokedBy": "elasticfilesystem.amazonaws.com"}
    assert "secret" not in json.dumps(made).lower()


def test_a_service_without_credentials_is_told_what_to_do(server, tmp_path):
    import subprocess

    from keyward import binary

    run = subprocess.run(
        [binary(), "service", "create", "nonsense", "--data-dir", server.data_dir], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "`nonsense` is not a service: use one of athena, backup" in run.stderr
    run = subprocess.run(
        [binary(), "service", "create", "s3", "--data-dir", server.data_dir], capture_output=True, text=True
    )
    assert "in use by another keyward process" in run.stderr
