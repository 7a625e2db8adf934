"""One golden audit event for every operation of Organizations, as `test_events.py` has them for
the other services; on a server of its own, since an organization shows in every event."""

import itertools
import re

import pytest
from botocore.exceptions import ClientError

from conftest import policy
from keyward import ACCOUNT, Server
from test_events import GOLDEN, event_of, held, masked
from test_organizations import MODEL, UNSUPPORTED

DENY = {"Effect": "Deny", "Action": "kms:DisableKey", "Resource": "*"}
TAGS = [{"Key": "team", "Value": "red"}]

# The ids of Organizations, in the order in which they are looked for.
MASKS = [
    ("request", r"\bcar-[a-z0-9]{32}\b"),
    ("unit", r"\bou-[a-z0-9]{4}-[a-z0-9]{8}\b"),
    ("organization", r"\bo-[a-z0-9]{10}\b"),
    ("root", r"\br-[a-z0-9]{4}\b"),
    ("policy", r"\bp-[a-z0-9]{10}\b"),
    ("account", rf"\b(?!{ACCOUNT})\d{{12}}\b"),
]


class World:
    """An organization. `org` makes the one call that a row is about, `maker` what the call needs."""

    def __init__(self, server):
        self.server = server
        self.org = self.maker = server.client("organizations")
        self.id = self.maker.create_organization()["Organization"]["Id"]
        self.made = itertools.count()
        self.prepare()

    def prepare(self):
        """Finds the root of the organization as it is now, and lets it have service control policies."""
        self.root = self.maker.list_roots()["Roots"][0]["Id"]
        self.maker.enable_policy_type(RootId=self.root, PolicyType="SERVICE_CONTROL_POLICY")

    def unit(self):
        made = self.maker.create_organizational_unit(ParentId=self.root, Name=f"unit {next(self.made)}")
        return made["OrganizationalUnit"]["Id"]

    def request(self):
        email = f"a{next(self.made)}@example.com"
        return self.maker.create_account(Email=email, AccountName="An account")["CreateAccountStatus"]["Id"]

    def account(self):
        done = self.maker.describe_create_account_status(CreateAccountRequestId=self.request())
        return done["CreateAccountStatus"]["AccountId"]

    def policy(self):
        made = self.maker.create_policy(
            Name=f"policy {next(self.made)}", Description="d", Type="SERVICE_CONTROL_POLICY", Content=policy(DENY)
        )
        return made["Policy"]["PolicySummary"]["Id"]

    def attached(self):
        names = {"PolicyId": self.policy(), "TargetId": self.unit()}
        self.maker.attach_policy(**names)
        return names

    def resource_control(self, enabled):
        """Whether resource control policies are enabled, as it is to be before the call."""
        change = self.maker.enable_policy_type if enabled else self.maker.disable_policy_type
        try:
            change(RootId=self.root, PolicyType="RESOURCE_CONTROL_POLICY")
        except (self.maker.exceptions.PolicyTypeAlreadyEnabledException, self.maker.exceptions.PolicyTypeNotEnabledException):
            pass
        return {"RootId": self.root, "PolicyType": "RESOURCE_CONTROL_POLICY"}

    def service(self):
        """A service that has access to the organization."""
        self.maker.enable_aws_service_access(ServicePrincipal="config.amazonaws.com")
        return "config.amazonaws.com"

    def nobody(self):
        """A client of a user whom nothing allows anything."""
        iam = self.server.client("iam")
        iam.create_user(UserName="nobody")
        made = iam.create_access_key(UserName="nobody")["AccessKey"]
        return self.server.client("organizations", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))


def tagged(w):
    unit = w.unit()
    w.maker.tag_resource(ResourceId=unit, Tags=TAGS)
    return unit


# For each golden one call that makes its event; a name with a dash is a call that fails. The
# organization is deleted and made again first, when it has no other account yet.
CALLS = {
    "DeleteOrganization": lambda w: w.org.delete_organization(),
    "DescribeOrganization-not-in-use": lambda w: w.org.describe_organization(),
    "CreateOrganization": lambda w: w.org.create_organization(FeatureSet="ALL"),
    "AttachPolicy": lambda w: w.org.attach_policy(PolicyId=w.policy(), TargetId=w.unit()),
    "AttachPolicy-duplicate": lambda w: w.org.attach_policy(**w.attached()),
    "CreateAccount": lambda w: w.org.create_account(Email="new@example.com", AccountName="New", Tags=TAGS),
    "CreateOrganizationalUnit": lambda w: w.org.create_organizational_unit(ParentId=w.root, Name="New", Tags=TAGS),
    "CreatePolicy": lambda w: w.org.create_policy(
        Name="New", Description="d", Type="SERVICE_CONTROL_POLICY", Content=policy(DENY), Tags=TAGS
    ),
    "CreatePolicy-malformed": lambda w: w.org.create_policy(
        Name="Bad", Description="d", Type="SERVICE_CONTROL_POLICY", Content="{}"
    ),
    "DeleteOrganizationalUnit": lambda w: w.org.delete_organizational_unit(OrganizationalUnitId=w.unit()),
    "DeletePolicy": lambda w: w.org.delete_policy(PolicyId=w.policy()),
    "DescribeAccount": lambda w: w.org.describe_account(AccountId=w.account()),
    "DescribeCreateAccountStatus": lambda w: w.org.describe_create_account_status(CreateAccountRequestId=w.request()),
    "DescribeOrganization": lambda w: w.org.describe_organization(),
    "DescribeOrganizationalUnit": lambda w: w.org.describe_organizational_unit(OrganizationalUnitId=w.unit()),
    "DescribePolicy": lambda w: w.org.describe_policy(PolicyId=w.policy()),
    "DescribeResourcePolicy-none": lambda w: w.org.describe_resource_policy(),
    "DetachPolicy": lambda w: w.org.detach_policy(**w.attached()),
    "DisableAWSServiceAccess": lambda w: w.org.disable_aws_service_access(ServicePrincipal=w.service()),
    "DisablePolicyType": lambda w: w.org.disable_policy_type(**w.resource_control(True)),
    "EnableAWSServiceAccess": lambda w: w.org.enable_aws_service_access(
        ServicePrincipal="sso.amazonaws.com"
    ),
    "EnablePolicyType": lambda w: w.org.enable_policy_type(**w.resource_control(False)),
    "ListAWSServiceAccessForOrganization": lambda w: w.org.list_aws_service_access_for_organization(),
    "ListAccounts": lambda w: w.org.list_accounts(),
    "ListAccounts-denied": lambda w: w.nobody().list_accounts(),
    "ListAccountsForParent": lambda w: w.org.list_accounts_for_parent(ParentId=w.root),
    "ListChildren": lambda w: w.org.list_children(ParentId=w.root, ChildType="ACCOUNT"),
    "ListCreateAccountStatus": lambda w: w.org.list_create_account_status(States=["FAILED"]),
    "ListDelegatedAdministrators": lambda w: w.org.list_delegated_administrators(
        ServicePrincipal="sso.amazonaws.com"
    ),
    "ListDelegatedServicesForAccount-none": lambda w: w.org.list_delegated_services_for_account(
        AccountId=ACCOUNT
    ),
    "ListHandshakesForAccount": lambda w: w.org.list_handshakes_for_account(Filter={"ActionType": "INVITE"}),
    "ListHandshakesForOrganization": lambda w: w.org.list_handshakes_for_organization(),
    "ListOrganizationalUnitsForParent": lambda w: w.org.list_organizational_units_for_parent(ParentId=w.root),
    "ListParents": lambda w: w.org.list_parents(ChildId=w.unit()),
    "ListPolicies": lambda w: w.org.list_policies(Filter="SERVICE_CONTROL_POLICY"),
    "ListPoliciesForTarget": lambda w: w.org.list_policies_for_target(
        TargetId=w.unit(), Filter="SERVICE_CONTROL_POLICY"
    ),
    "ListRoots": lambda w: w.org.list_roots(),
    "ListTagsForResource": lambda w: w.org.list_tags_for_resource(ResourceId=tagged(w)),
    "ListTargetsForPolicy": lambda w: w.org.list_targets_for_policy(PolicyId=w.policy()),
    "MoveAccount": lambda w: w.org.move_account(
        AccountId=w.account(), SourceParentId=w.root, DestinationParentId=w.unit()
    ),
    "MoveAccount-not-found": lambda w: w.org.move_account(
        AccountId="000000000001", SourceParentId=w.root, DestinationParentId=w.root
    ),
    "TagResource": lambda w: w.org.tag_resource(ResourceId=w.unit(), Tags=TAGS),
    "UntagResource": lambda w: w.org.untag_resource(ResourceId=tagged(w), TagKeys=["team"]),
    "UpdateOrganizationalUnit": lambda w: w.org.update_organizational_unit(
        OrganizationalUnitId=w.unit(), Name="Renamed"
    ),
    "UpdatePolicy": lambda w: w.org.update_policy(PolicyId=w.policy(), Name="Renamed", Content=policy(DENY)),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("organization-events") / "data")
    yield World(server)
    server.kill()


@pytest.mark.parametrize("name", CALLS)
def test_the_event_is_golden(world, name):
    if name == "AttachPolicy":
        world.prepare()
    try:
        answer = CALLS[name](world)
        assert "-" not in name, "it should have been refused"
    except ClientError as error:
        assert "-" in name, error
        answer = error.response
    event = event_of(world.server, answer["ResponseMetadata"]["RequestId"])
    assert event["eventName"] == name.split("-")[0]
    text = masked(event)
    for kind, pattern in MASKS:
        seen = {}
        text = re.sub(pattern, lambda found: f"<{kind} {seen.setdefault(found[0], len(seen) + 1)}>", text)
    held(text, GOLDEN / "organizations" / f"{name}.json")


def test_every_operation_that_is_served_has_a_golden_event_and_no_other():
    served = set(MODEL.operation_names) - set(UNSUPPORTED)
    called = {name.split("-")[0] for name in CALLS}
    assert served <= called, served - called
    files = {path.stem for path in (GOLDEN / "organizations").glob("*.json")}
    assert files == set(CALLS)
