"""STS by boto3: roles assumed and used, sessions of users and federated users, and what ends them."""

import datetime
import json
import time

import pytest

from conftest import DELEGATION, policy
from errors import refused
from iam_kit import ALLOW_ALL, ANY, TRUST, iam_arn, make_policy, new_name
from keyward import ACCOUNT, key_arn
from test_events import event_of

INVALID = ("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


@pytest.fixture
def role(iam):
    """Makes roles; the account is trusted unless something else is said."""

    def make(trust=TRUST, inline=None, **more):
        name = new_name("role")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)
        if inline:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=inline)
        return name

    return make


@pytest.fixture
def assumer(server, user):
    """A user who may call all of STS."""
    user.allow("sts:*")
    user.sts = server.client("sts", credentials=user.credentials)
    return user


def credentials(answer):
    made = answer["Credentials"]
    return made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]


def assume(sts, role, **more):
    return sts.assume_role(RoleArn=iam_arn("role", role), RoleSessionName="s1", **more)


def test_a_role_is_assumed_used_and_its_session_is_somebody_else(server, iam, kms, role, assumer):
    name = role(inline=ALLOW_ALL, Path="/ops/")
    arn = f"arn:aws:iam::{ACCOUNT}:role/ops/{name}"
    answer = assumer.sts.assume_role(RoleArn=arn, RoleSessionName="s1")
    made = answer["Credentials"]
    assert made["AccessKeyId"].startswith("ASIA")
    lasts = made["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert abs(lasts.total_seconds() - 3600) < 60
    role_id = iam.get_role(RoleName=name)["Role"]["RoleId"]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/s1"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{role_id}:s1", "Arn": session}
    assert "PackedPolicySize" not in answer
    sts = server.client("sts", credentials=credentials(answer))
    who = sts.get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (session, f"{role_id}:s1")
    by_role = server.client("kms", credentials=credentials(answer))
    key = by_role.create_key()["KeyMetadata"]["KeyId"]
    blob = by_role.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_what_the_role_loses_its_sessions_lose(server, iam, kms, key, role, assumer):
    name = role(inline=ALLOW_ALL)
    by_role = server.client("kms", credentials=credentials(assume(assumer.sts, name)))
    by_role.describe_key(KeyId=key)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/s1"
    with refused(
        "AccessDeniedException",
        f"User: {session} is not authorized to perform: kms:DescribeKey on resource: {key_arn(key)} "
        "because no identity-based policy allows the kms:DescribeKey action",
    ):
        by_role.describe_key(KeyId=key)


def test_sessions_made_before_a_moment_are_revoked_by_policy(server, iam, key, role, assumer):
    name = role(inline=ALLOW_ALL)
    before = server.client("kms", credentials=credentials(assume(assumer.sts, name)))
    before.describe_key(KeyId=key)
    time.sleep(1.1)  # Issue times are told to the second.
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    revoke = {
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": now}},
    }
    iam.put_role_policy(RoleName=name, PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy(revoke))
    with refused("AccessDeniedException", None):
        before.describe_key(KeyId=key)
    after = server.client("kms", credentials=credentials(assume(assumer.sts, name)))
    after.describe_key(KeyId=key)


def test_a_deleted_role_ends_its_sessions_and_one_of_its_name_does_not_revive_them(
    server, iam, key, role, assumer
):
    name = role(inline=ALLOW_ALL)
    answer = assume(assumer.sts, name)
    sts, kms = (server.client(service, credentials=credentials(answer)) for service in ("sts", "kms"))
    kms.describe_key(KeyId=key)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)

    def dead():
        with refused(*INVALID):
            sts.get_caller_identity()
        with refused("UnrecognizedClientException", INVALID[1]):
            kms.describe_key(KeyId=key)

    dead()
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    dead()
    assume(assumer.sts, name)


def test_session_policies_limit_what_the_role_may_do(server, iam, key, role, assumer):
    name = role(inline=ALLOW_ALL)
    only = policy({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"})
    managed = make_policy(iam, only)
    for limits in ({"Policy": only}, {"PolicyArns": [{"arn": managed}]}):
        answer = assume(assumer.sts, name, **limits)
        assert 0 < answer["PackedPolicySize"] <= 100
        limited = server.client("kms", credentials=credentials(answer))
        limited.describe_key(KeyId=key)
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/s1"
        with refused(
            "AccessDeniedException",
            f"User: {session} is not authorized to perform: kms:EnableKey on resource: {key_arn(key)} "
            "because no session policy allows the kms:EnableKey action",
        ):
            limited.enable_key(KeyId=key)


def test_a_session_whose_managed_policy_is_gone_is_denied_everything_and_recorded(server, iam, key, role, assumer):
    name = role(inline=ALLOW_ALL)
    managed = make_policy(iam, ALLOW_ALL)
    answer = assume(assumer.sts, name, PolicyArns=[{"arn": managed}])
    kms = server.client("kms", credentials=credentials(answer))
    kms.describe_key(KeyId=key)
    iam.delete_policy(PolicyArn=managed)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/s1"
    with refused(
        "AccessDeniedException",
        f"User: {session} is not authorized to perform: kms:DescribeKey on resource: {key_arn(key)} "
        f"with an explicit deny in a session policy: {managed}",
    ) as caught:
        kms.describe_key(KeyId=key)
    request = caught.value.response["ResponseMetadata"]["RequestId"]
    event = event_of(server, request)
    assert (event["errorCode"], event["userIdentity"]["arn"]) == ("AccessDenied", session)
    # Whom it asks for nothing, it still tells who it is, as AWS does.
    assert server.client("sts", credentials=credentials(answer)).get_caller_identity()["Arn"] == session


def test_session_tags_are_the_principals_tags_and_override_the_roles(server, iam, kms, role, assumer):
    trust = json.loads(TRUST)["Statement"][0]
    name = role(
        policy({**trust, "Action": ["sts:AssumeRole", "sts:TagSession"]}), inline=ALLOW_ALL,
        Tags=[{"Key": "team", "Value": "blue"}, {"Key": "unit", "Value": "1"}],
    )
    red = {"StringEquals": {"aws:PrincipalTag/team": "red", "aws:PrincipalTag/unit": "1"}}
    statement = {**ANY, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{name}"}, "Condition": red}
    made = kms.create_key(Policy=policy(statement, {**DELEGATION, "Action": "kms:*Key*"}))
    key = made["KeyMetadata"]["KeyId"]
    tagged = assume(assumer.sts, name, Tags=[{"Key": "Team", "Value": "red"}])
    server.client("kms", credentials=credentials(tagged)).encrypt(KeyId=key, Plaintext=b"x")
    plain = server.client("kms", credentials=credentials(assume(assumer.sts, name)))
    with refused("AccessDeniedException", None):
        plain.encrypt(KeyId=key, Plaintext=b"x")


def test_denials_give_no_reason(server, iam, role, user):
    sts = server.client("sts", credentials=user.credentials)
    name = role()
    for absent in (name, "nothing-of-that-name"):
        arn = iam_arn("role", absent)
        message = f"User: {user.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        with refused("AccessDenied", message, 403):
            assume(sts, absent)


def test_root_assumes_nothing(server, role):
    with refused("AccessDenied", "Roles may not be assumed by root accounts.", 403):
        assume(server.client("sts"), role())


def test_a_users_own_session_and_a_federated_users(server, key, assumer):
    assumer.allow("kms:*", name="kms")
    own = assumer.sts.get_session_token(DurationSeconds=900)
    assert server.client("sts", credentials=credentials(own)).get_caller_identity()["Arn"] == assumer.arn
    server.client("kms", credentials=credentials(own)).describe_key(KeyId=key)
    with refused(*INVALID):
        server.client("iam", credentials=credentials(own)).create_user(UserName="x")
    with refused("AccessDenied", "Cannot call GetSessionToken with session credentials", 403):
        server.client("sts", credentials=credentials(own)).get_session_token()

    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/fed"
    only = policy({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"})
    fed = assumer.sts.get_federation_token(Name="fed", Policy=only)
    assert fed["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:fed", "Arn": arn}
    kms = server.client("kms", credentials=credentials(fed))
    kms.describe_key(KeyId=key)
    with refused(
        "AccessDeniedException",
        f"User: {arn} is not authorized to perform: kms:EnableKey on resource: {key_arn(key)} because "
        "no session policy allows the kms:EnableKey action",
    ):
        kms.enable_key(KeyId=key)
    without = server.client("kms", credentials=credentials(assumer.sts.get_federation_token(Name="fed")))
    with refused("AccessDeniedException", None):
        without.describe_key(KeyId=key)


def test_a_session_dies_with_the_user_that_made_it(server, iam, assumer):
    own = assumer.sts.get_session_token()
    fed = assumer.sts.get_federation_token(Name="fed")
    iam.delete_access_key(UserName=assumer.name, AccessKeyId=assumer.credentials[0])
    # An access key that is gone ends no session made with it.
    for made in (own, fed):
        server.client("sts", credentials=credentials(made)).get_caller_identity()
    iam.delete_user_policy(UserName=assumer.name, PolicyName="p")
    iam.delete_user(UserName=assumer.name)
    for made in (own, fed):
        with refused(*INVALID):
            server.client("sts", credentials=credentials(made)).get_caller_identity()


def test_tampered_and_swapped_tokens_are_unknown(server, role, assumer):
    name = role()
    one, two = (credentials(assume(assumer.sts, name)) for _ in range(2))
    middle = len(one[2]) // 2
    other = "A" if one[2][middle] != "A" else "B"
    tampered = one[2][:middle] + other + one[2][middle + 1 :]
    for token in (two[2], tampered, one[2][:-8], "x"):
        with refused(*INVALID):
            server.client("sts", credentials=(*one[:2], token)).get_caller_identity()
    with refused(*INVALID):
        server.client("sts", credentials=one[:2]).get_caller_identity()
    server.client("sts", credentials=one).get_caller_identity()


def test_sessions_outlive_a_restart(own_server):
    iam = own_server.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=ALLOW_ALL)
    made = iam.create_access_key(UserName="u")["AccessKey"]
    user = own_server.client("sts", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))
    session = credentials(assume(user, "r"))
    own_server.restart()
    who = own_server.client("sts", credentials=session).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s1"


def test_an_access_key_tells_its_account(server, user):
    sts = server.client("sts")
    for key in (user.credentials[0], "ASIAY34FZKBOKMUTVV7A"):
        expect = ACCOUNT if key == user.credentials[0] else "609629065308"
        assert sts.get_access_key_info(AccessKeyId=key)["Account"] == expect


def test_no_message_was_ever_encoded_here(assumer):
    with refused("InvalidAuthorizationMessageException", "Message is not valid", 400):
        assumer.sts.decode_authorization_message(EncodedMessage="encoded")
