"""What an organization's policies do to decisions: service control policies limit the principals
of member accounts, resource control policies their resources; each change holds at once."""

import json
import pathlib
import subprocess
import sys

import pytest

from conftest import policy
from efs import Forwarder, presented
from errors import refused
from keyward import ACCOUNT, REGION, Server, clean_environment, eventually
from test_accounts import HIDDEN, allow, credentials_in, keyward, statement, user_of

AWS = pathlib.Path(sys.executable).with_name("aws")
FULL = "p-FullAWSAccess"
OUTSIDER = "888877776666"


def root_credentials(server, account):
    """New credentials of an account's root user; the server is stopped."""
    keyward("init", "--new-root-credentials", "--data-dir", server.data_dir, "--account-id", account)
    return credentials_in(server.data_dir / f"credentials-{account}")


class Member:
    """A member account with a user `dev`, whom its own account allows everything."""

    def __init__(self, world, account, credentials):
        self.id, self.root = account, credentials
        self.root_kms = world.server.client("kms", credentials=credentials)
        self.iam = world.server.client("iam", credentials=credentials)
        self.dev_arn, self.kms = user_of(world.server, credentials, "dev")
        allow(world.server, credentials, "dev", "*")

    def key(self, *statements):
        own = statement(f"arn:aws:iam::{self.id}:root", "kms:*")
        return self.root_kms.create_key(Policy=policy(own, *statements))["KeyMetadata"]["Arn"]


class World:
    """root ─ Prod ─ Inner ─ member `m`; member `n` below the root; an account outside of it."""

    def __init__(self, server):
        self.server = server
        self.org = server.client("organizations")
        self.kms = server.client("kms")
        self.id = self.org.create_organization()["Organization"]["Id"]
        self.root = self.org.list_roots()["Roots"][0]["Id"]
        self.prod = self.unit("Prod", self.root)
        self.inner = self.unit("Inner", self.prod)
        accounts = [self.account(name) for name in ("m", "n")]
        self.org.move_account(AccountId=accounts[0], SourceParentId=self.root, DestinationParentId=self.inner)
        for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
            self.org.enable_policy_type(RootId=self.root, PolicyType=kind)
        assert server.drain() == 0
        keyward("service", "create", "elasticfilesystem", "--data-dir", server.data_dir)
        self.efs = credentials_in(server.data_dir / "credentials-elasticfilesystem")
        credentials = [root_credentials(server, account) for account in accounts]
        server.start()
        self.outsider = credentials_in(server.data_dir / f"credentials-{OUTSIDER}")
        self.org, self.kms = server.client("organizations"), server.client("kms")
        self.m, self.n = (Member(self, *both) for both in zip(accounts, credentials))
        self.names = iter(range(1000))

    def unit(self, name, parent):
        return self.org.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]

    def account(self, name):
        asked = self.org.create_account(Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]
        done = self.org.describe_create_account_status(CreateAccountRequestId=asked["Id"])
        return done["CreateAccountStatus"]["AccountId"]

    def target(self, level):
        return {"root": self.root, "unit": self.prod, "inner unit": self.inner, "account": self.m.id}[level]

    def policy(self, *statements, kind="SERVICE_CONTROL_POLICY"):
        made = self.org.create_policy(
            Name=f"P{next(self.names)}", Description="", Type=kind, Content=policy(*statements)
        )["Policy"]["PolicySummary"]
        return made["Id"], made["Arn"]

    def attached(self, target, *statements, kind="SERVICE_CONTROL_POLICY"):
        return Attached(self, target, self.policy(*statements, kind=kind))


class Attached:
    """A policy attached as long as the block runs; answers its ARN."""

    def __init__(self, world, target, policy):
        self.org, self.target, (self.id, self.arn) = world.org, target, policy

    def __enter__(self):
        self.org.attach_policy(PolicyId=self.id, TargetId=self.target)
        return self.arn

    def __exit__(self, *error):
        self.org.detach_policy(PolicyId=self.id, TargetId=self.target)


class Without:
    """FullAWSAccess is detached from a target as long as the block runs."""

    def __init__(self, world, target):
        self.org, self.asked = world.org, {"PolicyId": FULL, "TargetId": target}

    def __enter__(self):
        self.org.detach_policy(**self.asked)

    def __exit__(self, *error):
        self.org.attach_policy(**self.asked)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("limits") / "data")
    assert server.drain() == 0
    keyward("account", "create", "--data-dir", server.data_dir, "--account-id", OUTSIDER)
    server.start()
    yield World(server)
    server.kill()


LEVELS = ["root", "unit", "inner unit", "account"]
DENY = {"Effect": "Deny", "Action": "kms:DisableKey", "Resource": "*"}
DENY_ALL_KMS = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}


def denied(who, action, resource, why):
    return refused("AccessDeniedException", f"User: {who} is not authorized to perform: {action} on {resource} {why}")


# --- service control policies ---


@pytest.mark.parametrize("level", LEVELS)
def test_a_deny_at_any_level_denies_and_is_named(world, level):
    member, key = world.m, world.m.key()
    with world.attached(world.target(level), DENY) as arn:
        why = f"with an explicit deny in a service control policy: {arn}"
        assert arn.startswith(f"arn:aws:organizations::{ACCOUNT}:policy/{world.id}/service_control_policy/p-")
        with denied(member.dev_arn, "kms:DisableKey", f"resource: {key}", why):
            member.kms.disable_key(KeyId=key)
        # It limits the root user of a member account, too.
        with denied(f"arn:aws:iam::{member.id}:root", "kms:DisableKey", f"resource: {key}", why):
            member.root_kms.disable_key(KeyId=key)
        member.kms.describe_key(KeyId=key)
    member.kms.disable_key(KeyId=key)


@pytest.mark.parametrize("level", LEVELS)
def test_an_allow_is_needed_at_every_level(world, level):
    member, target = world.m, world.target(level)
    only_reading = {"Effect": "Allow", "Action": ["kms:Describe*", "kms:List*"], "Resource": "*"}
    key = member.key()
    with world.attached(target, only_reading), Without(world, target):
        member.kms.describe_key(KeyId=key)
        why = "because no service control policy allows the kms:DisableKey action"
        with denied(member.dev_arn, "kms:DisableKey", f"resource: {key}", why):
            member.kms.disable_key(KeyId=key)
        why = "because no service control policy allows the kms:CreateKey action"
        with denied(member.dev_arn, "kms:CreateKey", "resource: *", why):
            member.kms.create_key()
    member.kms.disable_key(KeyId=key)


def test_the_management_account_is_not_limited(world):
    key = world.kms.create_key()["KeyMetadata"]["KeyId"]
    for target in (world.root, ACCOUNT):
        with world.attached(target, DENY_ALL_KMS):
            world.kms.disable_key(KeyId=key)
            world.kms.enable_key(KeyId=key)


def test_what_is_outside_of_the_organization_is_not_limited(world):
    kms = world.server.client("kms", credentials=world.outsider)
    with world.attached(world.root, DENY_ALL_KMS):
        assert kms.create_key()


def test_a_unit_limits_only_what_stands_below_it(world):
    with world.attached(world.prod, DENY_ALL_KMS):
        with refused("AccessDeniedException"):
            world.m.kms.create_key()
        assert world.n.kms.create_key()


def test_an_account_that_moves_comes_under_other_policies_at_once(world):
    deny = {"Effect": "Deny", "Action": "kms:GenerateRandom", "Resource": "*"}
    org, member = world.org, world.n
    with world.attached(world.inner, deny):
        for _ in range(10):
            member.kms.generate_random(NumberOfBytes=1)
            org.move_account(AccountId=member.id, SourceParentId=world.root, DestinationParentId=world.inner)
            with refused("AccessDeniedException"):
                member.kms.generate_random(NumberOfBytes=1)
            org.move_account(AccountId=member.id, SourceParentId=world.inner, DestinationParentId=world.root)


def test_a_policy_that_changes_holds_at_once(world):
    random = {"Effect": "Deny", "Action": "kms:GenerateRandom", "Resource": "*"}
    other = {"Effect": "Deny", "Action": "kms:Sign", "Resource": "*"}
    attached = world.attached(world.m.id, other)
    with attached:
        for _ in range(10):
            world.m.kms.generate_random(NumberOfBytes=1)
            world.org.update_policy(PolicyId=attached.id, Content=policy(random))
            with refused("AccessDeniedException"):
                world.m.kms.generate_random(NumberOfBytes=1)
            world.org.update_policy(PolicyId=attached.id, Content=policy(other))


def test_a_type_that_is_disabled_limits_nobody(world):
    org = world.org
    target = world.m.id
    id, _ = world.policy(DENY_ALL_KMS)
    org.attach_policy(PolicyId=id, TargetId=target)
    with refused("AccessDeniedException"):
        world.m.kms.create_key()
    org.disable_policy_type(RootId=world.root, PolicyType="SERVICE_CONTROL_POLICY")
    assert world.m.kms.create_key()
    org.enable_policy_type(RootId=world.root, PolicyType="SERVICE_CONTROL_POLICY")
    # Everything was detached with it.
    assert world.m.kms.create_key()


def test_the_callers_side_counts_for_keys_of_other_accounts_and_theirs_does_not(world):
    arn = world.m.dev_arn
    made = world.kms.create_key(Policy=policy(statement(f"arn:aws:iam::{ACCOUNT}:root", "kms:*"), statement(arn, "kms:Encrypt")))
    key = made["KeyMetadata"]["Arn"]
    deny = {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}
    world.m.kms.encrypt(KeyId=key, Plaintext=b"x")
    with world.attached(world.m.id, deny) as policy_arn:
        why = f"with an explicit deny in a service control policy: {policy_arn}"
        with denied(arn, "kms:Encrypt", "this resource", why):
            world.m.kms.encrypt(KeyId=key, Plaintext=b"x")
    shared = world.n.key(statement(arn, "kms:Encrypt"))
    with world.attached(world.n.id, deny):
        world.m.kms.encrypt(KeyId=shared, Plaintext=b"x")
        with refused("AccessDeniedException"):
            world.n.kms.encrypt(KeyId=shared, Plaintext=b"x")


def test_they_limit_every_service(world):
    deny = {"Effect": "Deny", "Action": ["iam:CreateUser", "organizations:*"], "Resource": "*"}
    member = world.m
    with world.attached(member.id, deny) as arn:
        message = (
            f"User: arn:aws:iam::{member.id}:root is not authorized to perform: iam:CreateUser on resource: "
            f"arn:aws:iam::{member.id}:user/new with an explicit deny in a service control policy: {arn}"
        )
        with refused("AccessDenied", message, status=403):
            member.iam.create_user(UserName="new")
        with refused("AccessDeniedException"):
            world.server.client("organizations", credentials=member.root).describe_organization()


def test_conditions_and_resources_narrow_them(world):
    member = world.m
    dev, key, other = member.dev_arn, member.key(), member.key()
    for narrowed in (
        {"Resource": key},
        {"Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/frozen": "yes"}}},
        {"Resource": "*", "Condition": {"ArnEquals": {"aws:PrincipalArn": dev}}},
    ):
        member.root_kms.tag_resource(KeyId=key, Tags=[{"TagKey": "frozen", "TagValue": "yes"}])
        with world.attached(world.prod, {**DENY, **narrowed}):
            with refused("AccessDeniedException"):
                member.kms.disable_key(KeyId=key)
            member.root_kms.disable_key(KeyId=other)
            member.root_kms.enable_key(KeyId=other)


def test_members_may_describe_the_organization_and_nothing_else(world):
    org = world.server.client("organizations", credentials=world.m.root)
    found = org.describe_organization()["Organization"]
    assert (found["Id"], found["MasterAccountId"]) == (world.id, ACCOUNT)
    message = "You don't have permissions to access this resource."
    for call in (
        org.list_accounts,
        org.list_roots,
        org.delete_organization,
        lambda: org.describe_account(AccountId=world.m.id),
        lambda: org.list_parents(ChildId=world.m.id),
        lambda: org.describe_policy(PolicyId=FULL),
        lambda: org.detach_policy(PolicyId=FULL, TargetId=world.m.id),
        lambda: org.create_account(Email="x@example.com", AccountName="x"),
        lambda: org.move_account(AccountId=world.m.id, SourceParentId=world.inner, DestinationParentId=world.root),
    ):
        with refused("AccessDeniedException", message):
            call()
    with refused("AlreadyInOrganizationException"):
        org.create_organization()


# --- the role of a new account ---


def test_a_new_account_has_a_role_that_trusts_the_management_account(world):
    iam, account = world.m.iam, world.m.id
    role = iam.get_role(RoleName="OrganizationAccountAccessRole")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    assert role["MaxSessionDuration"] == 3600
    assert role["AssumeRolePolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert attached == [{"PolicyName": "AdministratorAccess", "PolicyArn": administrator}]
    entities = iam.list_entities_for_policy(PolicyArn=administrator)["PolicyRoles"]
    assert [entity["RoleName"] for entity in entities] == [role["RoleName"]]
    iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=administrator)
    iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=administrator)


def test_the_management_account_assumes_the_role_and_is_limited_in_it(world):
    role = f"arn:aws:iam::{world.m.id}:role/OrganizationAccountAccessRole"
    iam = world.server.client("iam")
    iam.create_user(UserName="administrator")
    made = iam.create_access_key(UserName="administrator")["AccessKey"]
    credentials = made["AccessKeyId"], made["SecretAccessKey"]
    sts = world.server.client("sts", credentials=credentials)
    # The trust policy names the account, so the account's own policies must allow it as well.
    with refused("AccessDenied", status=403):
        sts.assume_role(RoleArn=role, RoleSessionName="work")
    document = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    iam.put_user_policy(UserName="administrator", PolicyName="p", PolicyDocument=document)
    given = sts.assume_role(RoleArn=role, RoleSessionName="work")["Credentials"]
    session = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
    who = f"arn:aws:sts::{world.m.id}:assumed-role/OrganizationAccountAccessRole/work"
    assert world.server.client("sts", credentials=session).get_caller_identity()["Arn"] == who
    kms = world.server.client("kms", credentials=session)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    assert key.split(":")[4] == world.m.id
    # In the member account it is a principal of the member account.
    with world.attached(world.prod, DENY) as arn:
        why = f"with an explicit deny in a service control policy: {arn}"
        with denied(who, "kms:DisableKey", f"resource: {key}", why):
            kms.disable_key(KeyId=key)
    kms.disable_key(KeyId=key)


def test_a_resource_control_policy_guards_the_roles_of_its_account(world):
    role = f"arn:aws:iam::{world.m.id}:role/OrganizationAccountAccessRole"
    iam = world.server.client("iam")
    iam.create_user(UserName="guarded")
    made = iam.create_access_key(UserName="guarded")["AccessKey"]
    document = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    iam.put_user_policy(UserName="guarded", PolicyName="p", PolicyDocument=document)
    sts = world.server.client("sts", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))
    sts.assume_role(RoleArn=role, RoleSessionName="work")
    deny = {**PERIMETER, "Action": "sts:AssumeRole"}
    with world.attached(world.inner, deny, kind="RESOURCE_CONTROL_POLICY"):
        with refused("AccessDenied", status=403):
            sts.assume_role(RoleArn=role, RoleSessionName="work")
    sts.assume_role(RoleArn=role, RoleSessionName="work")


# --- resource control policies ---

PERIMETER = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "kms:*",
    "Resource": "*",
}


def perimeter(world):
    """The usual one: nobody from outside, but services of AWS."""
    condition = {
        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": world.id},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    return {**PERIMETER, "Condition": condition}


@pytest.mark.parametrize("level", LEVELS)
def test_the_identity_perimeter_keeps_outsiders_from_keys(world, level):
    outsider = world.server.client("kms", credentials=world.outsider)
    key = world.m.key(statement("*", "kms:Encrypt"))
    outsider.encrypt(KeyId=key, Plaintext=b"x")
    with world.attached(world.target(level), perimeter(world), kind="RESOURCE_CONTROL_POLICY"):
        # It looks as if the key were not there.
        with denied(f"arn:aws:iam::{OUTSIDER}:root", "kms:Encrypt", "this resource", HIDDEN):
            outsider.encrypt(KeyId=key, Plaintext=b"x")
        for inside in (world.m.kms, world.n.kms, world.kms):
            inside.encrypt(KeyId=key, Plaintext=b"x")
        # The outsider's own keys are no business of the organization.
        own = outsider.create_key()["KeyMetadata"]["KeyId"]
        outsider.encrypt(KeyId=own, Plaintext=b"x")
    outsider.encrypt(KeyId=key, Plaintext=b"x")


def test_an_outsider_cannot_tell_a_kept_key_from_none(world):
    outsider = world.server.client("kms", credentials=world.outsider)
    key = world.m.key(statement("*", "kms:Encrypt"))
    absent = f"arn:aws:kms:us-east-1:{world.m.id}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    texts = set()
    with world.attached(world.root, perimeter(world), kind="RESOURCE_CONTROL_POLICY"):
        for name in (key, absent):
            with refused("AccessDeniedException") as caught:
                outsider.encrypt(KeyId=name, Plaintext=b"x")
            texts.add(caught.value.response["Error"]["Message"])
    assert len(texts) == 1


def test_resources_of_the_management_account_are_not_limited(world):
    outsider = world.server.client("kms", credentials=world.outsider)
    made = world.kms.create_key(Policy=policy(statement(f"arn:aws:iam::{ACCOUNT}:root", "kms:*"), statement("*", "kms:Encrypt")))
    with world.attached(world.root, perimeter(world), kind="RESOURCE_CONTROL_POLICY"):
        outsider.encrypt(KeyId=made["KeyMetadata"]["Arn"], Plaintext=b"x")


def test_a_resource_control_policy_is_named_to_its_own_account(world):
    member, key = world.m, world.m.key()
    deny = {**PERIMETER, "Action": "kms:DisableKey"}
    with world.attached(world.prod, deny, kind="RESOURCE_CONTROL_POLICY") as arn:
        assert arn.startswith(f"arn:aws:organizations::{ACCOUNT}:policy/{world.id}/resource_control_policy/p-")
        why = f"with an explicit deny in a resource control policy: {arn}"
        with denied(member.dev_arn, "kms:DisableKey", f"resource: {key}", why):
            member.kms.disable_key(KeyId=key)
    member.kms.disable_key(KeyId=key)


def test_a_resource_control_policy_holds_for_callers_of_the_management_account(world):
    key = world.m.key(statement(ACCOUNT, "kms:*"))
    world.kms.encrypt(KeyId=key, Plaintext=b"x")
    deny = {**PERIMETER, "Action": "kms:Encrypt"}
    with world.attached(world.m.id, deny, kind="RESOURCE_CONTROL_POLICY"):
        with denied(f"arn:aws:iam::{ACCOUNT}:root", "kms:Encrypt", "this resource", HIDDEN):
            world.kms.encrypt(KeyId=key, Plaintext=b"x")
    world.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_resources_of_services_that_have_none_are_not_limited(world):
    deny = {**PERIMETER, "Action": ["iam:*", "kms:*"]}
    with world.attached(world.m.id, deny, kind="RESOURCE_CONTROL_POLICY"):
        world.m.iam.create_user(UserName="beyond")
        with refused("AccessDeniedException"):
            world.m.root_kms.create_key()
    world.m.iam.delete_user(UserName="beyond")


# --- services that act for callers ---

ALIAS = "alias/aws/elasticfilesystem"


def forwarded(world, user, key):
    """A client by which EFS acts for a new user of member `m`, whom its account allows all."""
    world.m.iam.create_user(UserName=user)
    made = world.m.iam.create_access_key(UserName=user)["AccessKey"]
    allow(world.server, world.m.root, user, "*")
    efs = Forwarder(world.server, "elasticfilesystem", world.efs, REGION)
    credentials = made["AccessKeyId"], made["SecretAccessKey"]
    status, answer = efs.forward(*presented(REGION, credentials), key)
    assert status == 200, answer
    return efs.client_of(answer), answer["KeyId"]


def test_resource_control_policies_do_not_limit_aws_managed_keys(world):
    session, key = forwarded(world, "managed", ALIAS)
    with world.attached(world.m.id, PERIMETER, kind="RESOURCE_CONTROL_POLICY"):
        assert session.generate_data_key(KeyId=ALIAS, KeySpec="AES_256")["KeyId"] == key
        with refused("AccessDeniedException"):
            world.m.root_kms.create_key()


def test_service_control_policies_limit_a_caller_that_a_service_acts_for(world):
    session, key = forwarded(world, "acted-for", ALIAS)
    session.generate_data_key(KeyId=ALIAS, KeySpec="AES_256")
    deny = {"Effect": "Deny", "Action": "kms:GenerateDataKey", "Resource": "*"}
    with world.attached(world.prod, deny) as arn:
        why = f"with an explicit deny in a service control policy: {arn}"
        who = f"arn:aws:iam::{world.m.id}:user/acted-for"
        with denied(who, "kms:GenerateDataKey", f"resource: {key}", why):
            session.generate_data_key(KeyId=ALIAS, KeySpec="AES_256")


# --- condition keys ---


def test_a_key_policy_lets_the_whole_organization_in(world):
    outsider = world.server.client("kms", credentials=world.outsider)
    whole = {"StringEquals": {"aws:PrincipalOrgID": world.id}}
    key = world.m.key(statement("*", "kms:Encrypt", Condition=whole))
    world.n.kms.encrypt(KeyId=key, Plaintext=b"x")
    world.kms.encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDeniedException"):
        outsider.encrypt(KeyId=key, Plaintext=b"x")


def test_a_key_policy_lets_a_part_of_the_tree_in(world):
    below = f"{world.id}/{world.root}/{world.prod}/*"
    part = {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": below}}
    key = world.n.key(statement("*", "kms:Encrypt", Condition=part))
    world.m.kms.encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDeniedException"):
        world.kms.encrypt(KeyId=key, Plaintext=b"x")
    exact = {"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": f"{world.id}/{world.root}/"}}
    key = world.m.key(statement("*", "kms:Encrypt", Condition=exact))
    world.n.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_an_identity_policy_keeps_to_keys_of_the_organization(world):
    dev, kms = user_of(world.server, world.m.root, "inward")
    own = {"StringEquals": {"aws:ResourceOrgID": world.id}}
    paths = {"ForAnyValue:StringLike": {"aws:ResourceOrgPaths": f"{world.id}/{world.root}/*"}}
    document = policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {**own, **paths}})
    world.m.iam.put_user_policy(UserName="inward", PolicyName="p", PolicyDocument=document)
    inside = world.n.key(statement(dev, "kms:Encrypt"))
    outsider = world.server.client("kms", credentials=world.outsider)
    open_key = policy(statement(f"arn:aws:iam::{OUTSIDER}:root", "kms:*"), statement(dev, "kms:Encrypt"))
    outside = outsider.create_key(Policy=open_key)["KeyMetadata"]["Arn"]
    kms.encrypt(KeyId=inside, Plaintext=b"x")
    why = "because no identity-based policy allows the kms:Encrypt action"
    with denied(dev, "kms:Encrypt", "this resource", why):
        kms.encrypt(KeyId=outside, Plaintext=b"x")


# --- the trail ---


def test_the_trail_names_the_generations_that_decided(world):
    member, key = world.m, world.m.key()
    rcp = {**PERIMETER, "Action": "kms:Sign"}
    scp = world.attached(world.prod, DENY)
    limits = world.attached(world.m.id, rcp, kind="RESOURCE_CONTROL_POLICY")
    with scp as arn, limits:
        with refused("AccessDeniedException") as caught:
            member.kms.disable_key(KeyId=key)
    request = caught.value.response["ResponseMetadata"]["RequestId"]

    def recorded():
        for segment in sorted((world.server.data_dir / "audit").glob("trail-*")):
            for line in segment.read_text().splitlines():
                if request in line:
                    return json.loads(line)
        return None

    event = eventually(recorded)["keyward"]
    generations = event["policies"]
    assert {"organization", scp.id} <= set(generations)
    (decision,) = event["decisions"]
    assert decision["by"] == {"layer": "service control policy", "policy": arn, "statement": 0}
    assert set(decision["resourceControlPolicies"]) == {"organization", limits.id}
    assert decision["resourceControlPolicies"]["organization"] == generations["organization"]


# --- the AWS CLI ---


def test_an_organization_by_the_cli(own_server):
    key, secret = own_server.root_credentials()
    environment = {
        **clean_environment(),
        "AWS_ENDPOINT_URL": own_server.url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def aws(*arguments):
        done = subprocess.run(
            [AWS, "organizations", *arguments], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    made = aws("create-organization")["Organization"]
    (root,) = aws("list-roots")["Roots"]
    asked = aws("create-account", "--email", "cli@example.com", "--account-name", "By the CLI")["CreateAccountStatus"]
    done = aws("describe-create-account-status", "--create-account-request-id", asked["Id"])["CreateAccountStatus"]
    assert done["State"] == "SUCCEEDED"
    unit = aws("create-organizational-unit", "--parent-id", root["Id"], "--name", "Team")["OrganizationalUnit"]["Id"]
    aws("move-account", "--account-id", done["AccountId"], "--source-parent-id", root["Id"], "--destination-parent-id", unit)
    aws("enable-policy-type", "--root-id", root["Id"], "--policy-type", "SERVICE_CONTROL_POLICY")
    scp = aws(
        "create-policy", "--name", "NoDeletion", "--description", "Keys stay", "--type", "SERVICE_CONTROL_POLICY",
        "--content", policy({"Effect": "Deny", "Action": "kms:ScheduleKeyDeletion", "Resource": "*"}),
    )["Policy"]["PolicySummary"]["Id"]
    aws("attach-policy", "--policy-id", scp, "--target-id", unit)
    (target,) = aws("list-targets-for-policy", "--policy-id", scp)["Targets"]
    assert (target["TargetId"], target["Name"]) == (unit, "Team")
    accounts = aws("list-accounts")["Accounts"]
    assert {account["Id"] for account in accounts} == {ACCOUNT, done["AccountId"]}
    assert aws("describe-organization")["Organization"]["Id"] == made["Id"]


def test_a_service_is_let_in_by_the_organization_of_whose_resource_it_acts_for(world):
    path = f"{world.id}/{world.root}/{world.prod}/{world.inner}/"
    service = Forwarder(world.server, "elasticfilesystem", world.efs, REGION)

    def key_for(condition):
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "elasticfilesystem.amazonaws.com"},
            "Action": "kms:GenerateDataKey",
            "Resource": "*",
            "Condition": condition,
        }
        own = statement(f"arn:aws:iam::{ACCOUNT}:root", "kms:*")
        return world.kms.create_key(Policy=policy(own, allowed))["KeyMetadata"]["Arn"]

    def use(key, account):
        source = account and f"arn:aws:elasticfilesystem:{REGION}:{account}:file-system/fs-1"
        return service.own_client("kms", source).generate_data_key(KeyId=key, KeySpec="AES_256")

    of_organization = key_for({"StringEquals": {"aws:SourceOrgID": world.id}})
    of_unit = key_for({"ForAnyValue:StringLike": {"aws:SourceOrgPaths": f"{path}*"}})
    for account in (world.m.id, world.n.id, ACCOUNT):
        use(of_organization, account)
    use(of_unit, world.m.id)
    beyond = [(of_organization, OUTSIDER), (of_organization, "999999999999"), (of_organization, None)]
    for key, account in [*beyond, (of_unit, world.n.id), (of_unit, OUTSIDER), (of_unit, None)]:
        with refused("AccessDeniedException"):
            use(key, account)


def test_a_role_whose_path_reads_like_a_service_linked_roles_is_limited(world):
    trust = policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{world.m.id}:root"}, "Action": "sts:AssumeRole"})
    everything = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    path = "/a:role/aws-service-role/"
    role = world.m.iam.create_role(RoleName="escape", Path=path, AssumeRolePolicyDocument=trust)["Role"]
    assert role["Arn"] == f"arn:aws:iam::{world.m.id}:role{path}escape"
    world.m.iam.put_role_policy(RoleName="escape", PolicyName="p", PolicyDocument=everything)
    user = world.m.iam.create_access_key(UserName="dev")["AccessKey"]
    sts = world.server.client("sts", credentials=(user["AccessKeyId"], user["SecretAccessKey"]))
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="s1")["Credentials"]
    credentials = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
    kms = world.server.client("kms", credentials=credentials)
    arn = world.m.key()
    assert kms.encrypt(KeyId=arn, Plaintext=b"x")["KeyId"] == arn
    session = f"arn:aws:sts::{world.m.id}:assumed-role/escape/s1"
    deny = {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}
    with world.attached(world.m.id, deny) as named:
        with refused(
            "AccessDeniedException",
            f"User: {session} is not authorized to perform: kms:Encrypt on resource: {arn} with an explicit deny "
            f"in a service control policy: {named}",
        ):
            kms.encrypt(KeyId=arn, Plaintext=b"x")
    with world.attached(world.m.id, {**deny, "Principal": "*"}, kind="RESOURCE_CONTROL_POLICY") as named:
        with refused(
            "AccessDeniedException",
            f"User: {session} is not authorized to perform: kms:Encrypt on resource: {arn} with an explicit deny "
            f"in a resource control policy: {named}",
        ):
            kms.encrypt(KeyId=arn, Plaintext=b"x")
    world.m.iam.delete_access_key(UserName="dev", AccessKeyId=user["AccessKeyId"])
