"""Roles that another account's users assume: both sides must let them, and the session belongs to
the role's account."""

import pytest

from callers import credentials_of
from conftest import policy
from errors import refused
from keyward import ACCOUNT, Server
from test_accounts import HIDDEN, OTHER, World, events_of, keyward

OTHER_ROOT = f"arn:aws:iam::{OTHER}:root"


def role_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def trust(principal, **more):
    return policy({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more})


class Roles(World):
    """The two accounts; roles are made in the first, users in the second."""

    def __init__(self, server):
        super().__init__(server)
        self.iam = server.client("iam")

    def role(self, name, trusted, *actions):
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted)
        if actions:
            may = policy({"Effect": "Allow", "Action": list(actions), "Resource": "*"})
            self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=may)
        return role_arn(name)

    def caller(self, name, *statements):
        """A user of the second account with its own policy; answers its ARN and its STS client."""
        iam = self.server.client("iam", credentials=self.other)
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return arn, self.server.client("sts", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))


@pytest.fixture(scope="module")
def roles(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("roles") / "data")
    assert server.drain() == 0
    keyward("account", "create", "--data-dir", server.data_dir, "--account-id", OTHER, "--name", "Second")
    server.start()
    yield Roles(server)
    server.kill()


def assume(sts, arn, **more):
    return sts.assume_role(RoleArn=arn, RoleSessionName="visit", **more)


def denied(caller, role):
    return refused(
        "AccessDenied",
        f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}",
        403,
    )


def may_assume(role):
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}


def test_both_sides_let_the_caller_in_and_the_session_is_of_the_roles_account(roles):
    role = roles.role("visited", trust(OTHER_ROOT), "kms:Encrypt")
    key = roles.key()
    caller, sts = roles.caller("visitor", may_assume(role))
    answer = assume(sts, role)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/visited/visit"
    assert answer["AssumedRoleUser"]["Arn"] == session
    as_role = credentials_of(answer)
    found = roles.server.client("sts", credentials=as_role).get_caller_identity()
    assert (found["Account"], found["Arn"]) == (ACCOUNT, session)
    kms = roles.server.client("kms", credentials=as_role)
    assert kms.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key
    with refused(
        "AccessDeniedException",
        f"User: {session} is not authorized to perform: kms:Decrypt on resource: {key} because no identity-based policy allows the kms:Decrypt action",
    ):
        kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"])
    # The caller itself is still a stranger to the key.
    own = sts.get_caller_identity()
    assert (own["Account"], own["Arn"]) == (OTHER, caller)


def test_trust_alone_does_not_let_anybody_of_the_other_account_in(roles):
    role = roles.role("trusting", trust(OTHER_ROOT))
    caller, sts = roles.caller("without-policy")
    with denied(caller, role):
        assume(sts, role)


def test_an_own_policy_alone_does_not_open_a_role_that_trusts_somebody_else(roles):
    role = roles.role("own-only", trust(f"arn:aws:iam::{ACCOUNT}:root"))
    caller, sts = roles.caller("with-policy", may_assume("*"))
    with denied(caller, role):
        assume(sts, role)
    # One that is not there answers the same.
    with denied(caller, role_arn("never-made")):
        assume(sts, role_arn("never-made"))


def test_a_user_named_by_the_trust_policy_needs_its_own_policy_all_the_same(roles):
    caller, sts = roles.caller("named")
    role = roles.role("names-one", trust(caller))
    with denied(caller, role):
        assume(sts, role)
    roles.allow("named", "sts:AssumeRole", resource=role)
    assert assume(sts, role)["AssumedRoleUser"]["Arn"].endswith("/names-one/visit")


def test_an_explicit_deny_on_either_side_holds(roles):
    role = roles.role("denied-here", trust(OTHER_ROOT))
    caller, sts = roles.caller("denier", may_assume("*"))
    assume(sts, role)
    deny = {"Effect": "Deny", "Principal": {"AWS": caller}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Principal": {"AWS": OTHER_ROOT}, "Action": "sts:AssumeRole"}
    roles.iam.update_assume_role_policy(RoleName="denied-here", PolicyDocument=policy(allow, deny))
    with denied(caller, role):
        assume(sts, role)
    roles.iam.update_assume_role_policy(RoleName="denied-here", PolicyDocument=policy(allow))
    assume(sts, role)
    roles.allow("denier", "sts:AssumeRole", effect="Deny")
    with denied(caller, role):
        assume(sts, role)


def test_the_confused_deputy_is_stopped_by_an_external_id(roles):
    asked = {"StringEquals": {"sts:ExternalId": "customer-7"}}
    role = roles.role("for-a-customer", trust(OTHER_ROOT, Condition=asked))
    caller, sts = roles.caller("deputy", may_assume(role))
    with denied(caller, role):
        assume(sts, role)
    with denied(caller, role):
        assume(sts, role, ExternalId="customer-8")
    assume(sts, role, ExternalId="customer-7")


def test_a_user_that_is_made_again_does_not_inherit_the_trust(roles):
    caller, sts = roles.caller("again", may_assume("*"))
    role = roles.role("remembers", trust(caller))
    assume(sts, role)
    iam = roles.server.client("iam", credentials=roles.other)
    for key in iam.list_access_keys(UserName="again")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="again", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="again", PolicyName="p")
    iam.delete_user(UserName="again")
    _, again = roles.caller("again", may_assume("*"))
    with denied(caller, role):
        assume(again, role)


def test_the_sessions_end_with_what_the_role_is_no_longer_given(roles):
    role = roles.role("short-lived", trust(OTHER_ROOT), "kms:Encrypt")
    key = roles.key()
    _, sts = roles.caller("guest", may_assume(role))
    kms = roles.server.client("kms", credentials=credentials_of(assume(sts, role)))
    kms.encrypt(KeyId=key, Plaintext=b"x")
    roles.iam.delete_role_policy(RoleName="short-lived", PolicyName="p")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/short-lived/visit"
    with refused(
        "AccessDeniedException",
        f"User: {session} is not authorized to perform: kms:Encrypt on resource: {key} because no identity-based policy allows the kms:Encrypt action",
    ):
        kms.encrypt(KeyId=key, Plaintext=b"x")


def test_a_session_of_the_role_meets_the_other_accounts_keys_as_a_stranger(roles):
    role = roles.role("goes-home", trust(OTHER_ROOT), "kms:*")
    _, sts = roles.caller("owner", may_assume(role))
    key = roles.other_kms.create_key()["KeyMetadata"]["Arn"]
    kms = roles.server.client("kms", credentials=credentials_of(assume(sts, role)))
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/goes-home/visit"
    with refused(
        "AccessDeniedException",
        f"User: {session} is not authorized to perform: kms:Encrypt on this resource {HIDDEN}",
    ):
        kms.encrypt(KeyId=key, Plaintext=b"x")


def test_both_accounts_have_an_event_of_a_role_that_is_assumed(roles):
    role = roles.role("recorded", trust(OTHER_ROOT))
    caller, sts = roles.caller("recorder", may_assume(role))
    events = events_of(roles, assume(sts, role), ACCOUNT, OTHER)
    owner, own = events[ACCOUNT], events[OTHER]
    assert owner["sharedEventID"] == own["sharedEventID"]
    assert (owner["userIdentity"]["type"], owner["userIdentity"]["accountId"]) == ("AWSAccount", OTHER)
    assert own["userIdentity"]["arn"] == caller
    assert owner["resources"] == [{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": role}]
