"""Organizations: the API, held against AWS's own service model, and what service and resource
control policies do to every decision."""

import json
import re
import time

import botocore.session
import pytest

from conftest import policy
from errors import refused
from keyward import ACCOUNT, ROOT, Server
from test_accounts import credentials_in, keyward
from wire import Wire

MODEL = botocore.session.get_session().get_service_model("organizations")
FULL = "p-FullAWSAccess"
FULL_RCP = "p-RCPFullAWSAccess"
OUTSIDER = "888877776666"
UNSUPPORTED = [
    line.removeprefix("organizations:").strip()
    for line in (ROOT / "unsupported.txt").read_text().splitlines()
    if line.startswith("organizations:")
]


def invalid(reason, message):
    return reason_is("InvalidInputException", reason, message)


class reason_is:
    """As `refused`, with AWS's Reason beside the message."""

    def __init__(self, code, reason, message=None):
        self.context = refused(code, message)
        self.reason = reason

    def __enter__(self):
        self.caught = self.context.__enter__()

    def __exit__(self, *error):
        done = self.context.__exit__(*error)
        assert self.caught.value.response["Reason"] == self.reason
        return done


class World:
    """A server with an organization, an account outside of it, and makers of the rest."""

    def __init__(self, server):
        self.server = server
        self.org = server.client("organizations")
        self.kms = server.client("kms")
        self.iam = server.client("iam")
        self.organization = self.org.create_organization(FeatureSet="ALL")["Organization"]
        self.id = self.organization["Id"]
        self.root = self.org.list_roots()["Roots"][0]["Id"]
        self.org.enable_policy_type(RootId=self.root, PolicyType="SERVICE_CONTROL_POLICY")
        self.outsider = credentials_in(server.data_dir / f"credentials-{OUTSIDER}")
        self.accounts = 0

    def account(self):
        """The id of a new account below the root."""
        self.accounts += 1
        asked = self.org.create_account(
            Email=f"a{self.accounts}@example.com", AccountName=f"Account {self.accounts}"
        )["CreateAccountStatus"]
        done = self.org.describe_create_account_status(CreateAccountRequestId=asked["Id"])
        return done["CreateAccountStatus"]["AccountId"]

    def unit(self, name, parent=None):
        made = self.org.create_organizational_unit(ParentId=parent or self.root, Name=name)
        return made["OrganizationalUnit"]["Id"]

    def policy(self, name, *statements, kind="SERVICE_CONTROL_POLICY"):
        made = self.org.create_policy(
            Name=name, Description="", Type=kind, Content=policy(*statements)
        )
        return made["Policy"]["PolicySummary"]["Id"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("organizations") / "data")
    assert server.drain() == 0
    keyward("account", "create", "--data-dir", server.data_dir, "--account-id", OUTSIDER)
    server.start()
    world = World(server)
    # With another account in it, the organization cannot be deleted by accident.
    world.account()
    yield world
    server.kill()


@pytest.fixture
def org(world):
    return world.org


# --- the model ---


def test_the_model_has_63_operations():
    assert len(MODEL.operation_names) == 63


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_an_operation_is_served_or_listed(world, operation):
    wire = Wire(world.server)
    answer = wire.organizations(operation, {"Bad": 1})
    if operation in UNSUPPORTED:
        code, text = answer.error
        assert (answer.status, code) == (400, "UnsupportedOperationException")
        assert text == f"{operation} is not supported by this version of Keyward."
    elif answer.status != 200:
        code = answer.error[0]
        assert code in {shape.name for shape in MODEL.operation_model(operation).error_shapes}


def test_the_list_names_only_what_the_model_has():
    bare = [line for line in UNSUPPORTED if "." not in line]
    assert UNSUPPORTED == sorted(UNSUPPORTED)
    assert set(bare) <= set(MODEL.operation_names)
    for line in set(UNSUPPORTED) - set(bare):
        operation, member, value = re.fullmatch(r"(\w+)\.(\w+)=(\w+)", line).groups()
        assert value in MODEL.operation_model(operation).input_shape.members[member].enum


def check(value, shape, path):
    """Holds an answer against its shape: names, types, patterns and words."""
    kinds = {"string": str, "boolean": bool, "integer": int, "timestamp": (int, float)}
    if shape.type_name == "structure":
        for name, member in value.items():
            assert name in shape.members, f"{path}.{name}"
            check(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for member in value:
            check(member, shape.member, f"{path}[]")
    else:
        assert isinstance(value, kinds[shape.type_name]), path
        if shape.type_name == "string":
            assert not shape.enum or value in shape.enum, path
            pattern = shape.metadata.get("pattern", "")
            if "\\p{" not in pattern:
                assert re.search(pattern, value), f"{path}: {value}"


def test_answers_are_of_the_models_shapes(world):
    wire = Wire(world.server)
    account = world.account()
    unit = world.unit("Shapes")
    scp = world.policy("Shapes", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    (request,) = world.org.list_create_account_status(MaxResults=1)["CreateAccountStatuses"]
    for operation, members in [
        ("DescribeOrganization", {}),
        ("ListRoots", {}),
        ("ListAccounts", {}),
        ("DescribeAccount", {"AccountId": account}),
        ("DescribeOrganizationalUnit", {"OrganizationalUnitId": unit}),
        ("ListOrganizationalUnitsForParent", {"ParentId": world.root}),
        ("ListAccountsForParent", {"ParentId": world.root}),
        ("ListParents", {"ChildId": unit}),
        ("ListChildren", {"ParentId": world.root, "ChildType": "ACCOUNT"}),
        ("DescribePolicy", {"PolicyId": scp}),
        ("DescribePolicy", {"PolicyId": FULL}),
        ("DescribePolicy", {"PolicyId": FULL_RCP}),
        ("ListPolicies", {"Filter": "SERVICE_CONTROL_POLICY"}),
        ("ListPoliciesForTarget", {"TargetId": account, "Filter": "SERVICE_CONTROL_POLICY"}),
        ("ListTargetsForPolicy", {"PolicyId": FULL}),
        ("ListCreateAccountStatus", {}),
        ("DescribeCreateAccountStatus", {"CreateAccountRequestId": request["Id"]}),
        ("ListTagsForResource", {"ResourceId": unit}),
        ("ListAWSServiceAccessForOrganization", {}),
        ("ListDelegatedAdministrators", {}),
        ("ListHandshakesForAccount", {}),
        ("ListHandshakesForOrganization", {}),
        ("CreateAccount", {"Email": "shape@example.com", "AccountName": "Shape"}),
        ("CreateOrganizationalUnit", {"ParentId": unit, "Name": "Below"}),
        ("UpdateOrganizationalUnit", {"OrganizationalUnitId": unit, "Name": "Shaped"}),
        ("UpdatePolicy", {"PolicyId": scp, "Name": "Shaped"}),
    ]:
        answer = wire.organizations(operation, members)
        assert answer.status == 200, (operation, answer.body)
        assert answer.json
        check(answer.json, MODEL.operation_model(operation).output_shape, operation)


# --- organization, accounts, tree ---


def test_an_organization_is_made_and_described(world):
    management = {"Id": world.id, "FeatureSet": "ALL", "MasterAccountId": ACCOUNT}
    found = world.org.describe_organization()["Organization"]
    assert found == world.organization
    assert {**found, **management} == found
    assert found["Arn"] == f"arn:aws:organizations::{ACCOUNT}:organization/{world.id}"
    assert found["MasterAccountArn"] == f"arn:aws:organizations::{ACCOUNT}:account/{world.id}/{ACCOUNT}"
    (root,) = world.org.list_roots()["Roots"]
    assert root["Name"] == "Root"
    assert root["Arn"] == f"arn:aws:organizations::{ACCOUNT}:root/{world.id}/{root['Id']}"
    assert {"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"} in root["PolicyTypes"]
    message = "The provided account is already a member of an organization."
    with refused("AlreadyInOrganizationException", message):
        world.org.create_organization()


def test_what_is_not_in_an_organization_has_none(world):
    outsider = world.server.client("organizations", credentials=world.outsider)
    message = "Your account is not a member of an organization."
    for call in (outsider.describe_organization, outsider.list_accounts, outsider.delete_organization):
        with refused("AWSOrganizationsNotInUseException", message):
            call()


def test_an_organization_without_other_accounts_is_deleted(own_server):
    org = own_server.client("organizations")
    first = org.create_organization()["Organization"]["Id"]
    root = org.list_roots()["Roots"][0]["Id"]
    org.create_organizational_unit(ParentId=root, Name="Goes too")
    org.delete_organization()
    with refused("AWSOrganizationsNotInUseException"):
        org.describe_organization()
    second = org.create_organization()["Organization"]["Id"]
    assert second != first
    root = org.list_roots()["Roots"][0]["Id"]
    assert org.list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"] == []
    org.create_account(Email="x@example.com", AccountName="x")
    message = "To delete the organization, you must first remove all accounts except the management account."
    with refused("OrganizationNotEmptyException", message):
        org.delete_organization()


def test_only_whole_organizations_are_made(own_server):
    message = "FeatureSet CONSOLIDATED_BILLING is not supported by this version of Keyward, which bills nothing."
    with refused("UnsupportedOperationException", message):
        own_server.client("organizations").create_organization(FeatureSet="CONSOLIDATED_BILLING")


def test_an_account_is_made_as_if_it_took_its_time(world, org):
    asked = org.create_account(Email="Slow@example.com", AccountName="Slow", Tags=[{"Key": "a", "Value": "b"}])
    asked = asked["CreateAccountStatus"]
    assert re.fullmatch(r"car-[a-z0-9]{32}", asked["Id"])
    assert (asked["State"], asked["AccountName"]) == ("IN_PROGRESS", "Slow")
    assert "AccountId" not in asked
    done = org.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]
    assert done["State"] == "SUCCEEDED"
    assert re.fullmatch(r"\d{12}", done["AccountId"])
    found = org.describe_account(AccountId=done["AccountId"])["Account"]
    assert found["Arn"] == f"arn:aws:organizations::{ACCOUNT}:account/{world.id}/{done['AccountId']}"
    assert (found["Name"], found["Email"]) == ("Slow", "Slow@example.com")
    assert (found["Status"], found["JoinedMethod"]) == ("ACTIVE", "CREATED")
    assert found["Paths"] == [f"{world.id}/{world.root}/{done['AccountId']}/"]
    assert org.list_tags_for_resource(ResourceId=done["AccountId"])["Tags"] == [{"Key": "a", "Value": "b"}]

    again = org.create_account(Email="slow@EXAMPLE.com", AccountName="Again")["CreateAccountStatus"]
    failed = org.describe_create_account_status(CreateAccountRequestId=again["Id"])["CreateAccountStatus"]
    assert (failed["State"], failed["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    every = org.list_create_account_status()["CreateAccountStatuses"]
    # An empty list counts as absent.
    assert org.list_create_account_status(States=[])["CreateAccountStatuses"] == every != []
    listed = org.list_create_account_status(States=["FAILED"])["CreateAccountStatuses"]
    assert [status["Id"] for status in listed] == [again["Id"]]
    with refused("CreateAccountStatusNotFoundException", "You specified a create account request that doesn't exist."):
        org.describe_create_account_status(CreateAccountRequestId="car-" + "0" * 32)


def test_accounts_come_page_by_page(world, org):
    for _ in range(3):
        world.account()
    pages = list(org.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2}))
    assert all(len(page["Accounts"]) <= 2 for page in pages)
    ids = [account["Id"] for page in pages for account in page["Accounts"]]
    assert ids == sorted(ids) and ACCOUNT in ids
    token = org.list_accounts(MaxResults=1)["NextToken"]
    with invalid("INVALID_NEXT_TOKEN", "You provided a NextToken that isn't valid."):
        org.list_roots(NextToken=token)


def test_the_tree_of_units(world, org):
    outer = world.unit("Outer")
    inner = world.unit("Inner", outer)
    account = world.account()
    org.move_account(AccountId=account, SourceParentId=world.root, DestinationParentId=inner)
    found = org.describe_organizational_unit(OrganizationalUnitId=inner)["OrganizationalUnit"]
    assert found == {
        "Id": inner,
        "Arn": f"arn:aws:organizations::{ACCOUNT}:ou/{world.id}/{inner}",
        "Name": "Inner",
        "Path": f"{world.id}/{world.root}/{outer}/{inner}/",
    }
    assert org.list_parents(ChildId=account)["Parents"] == [{"Id": inner, "Type": "ORGANIZATIONAL_UNIT"}]
    assert org.list_parents(ChildId=outer)["Parents"] == [{"Id": world.root, "Type": "ROOT"}]
    children = org.list_children(ParentId=inner, ChildType="ACCOUNT")["Children"]
    assert children == [{"Id": account, "Type": "ACCOUNT"}]
    children = org.list_children(ParentId=outer, ChildType="ORGANIZATIONAL_UNIT")["Children"]
    assert children == [{"Id": inner, "Type": "ORGANIZATIONAL_UNIT"}]
    (listed,) = org.list_accounts_for_parent(ParentId=inner)["Accounts"]
    assert listed["Paths"] == [f"{world.id}/{world.root}/{outer}/{inner}/{account}/"]

    with refused("DuplicateOrganizationalUnitException", "An OU with the same name already exists."):
        world.unit("Inner", outer)
    assert world.unit("Inner")
    with refused("DuplicateOrganizationalUnitException"):
        org.update_organizational_unit(OrganizationalUnitId=outer, Name="Inner")
    renamed = org.update_organizational_unit(OrganizationalUnitId=outer, Name="Renamed")
    assert renamed["OrganizationalUnit"]["Name"] == "Renamed"
    for unit in (outer, inner):
        with refused("OrganizationalUnitNotEmptyException"):
            org.delete_organizational_unit(OrganizationalUnitId=unit)
    org.move_account(AccountId=account, SourceParentId=inner, DestinationParentId=world.root)
    org.delete_organizational_unit(OrganizationalUnitId=inner)
    with refused("OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist."):
        org.describe_organizational_unit(OrganizationalUnitId=inner)


def test_units_stand_five_deep(world):
    parent = world.root
    for depth in range(5):
        parent = world.unit(f"Depth {depth}", parent)
    with reason_is("ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED", "You have exceeded the maximum depth of organizational units."):
        world.unit("Too deep", parent)


def test_what_is_not_there_is_said_by_its_own_name(world, org):
    unit, account = f"ou-{world.root[2:]}-00000000", "000000000001"
    member = world.account()
    for code, message, call in [
        ("AccountNotFoundException", "You specified an account that doesn't exist.", lambda: org.describe_account(AccountId=account)),
        ("ParentNotFoundException", "You specified a parent that doesn't exist.", lambda: world.unit("x", unit)),
        ("ParentNotFoundException", None, lambda: org.list_accounts_for_parent(ParentId=unit)),
        ("ParentNotFoundException", None, lambda: org.list_children(ParentId="r-zzzz", ChildType="ACCOUNT")),
        ("ChildNotFoundException", "You specified a child that doesn't exist.", lambda: org.list_parents(ChildId=account)),
        ("AccountNotFoundException", None, lambda: org.move_account(AccountId=account, SourceParentId=world.root, DestinationParentId=unit)),
        ("SourceParentNotFoundException", "You specified a source parent that doesn't exist.", lambda: org.move_account(AccountId=member, SourceParentId=unit, DestinationParentId=world.root)),
        ("DestinationParentNotFoundException", "You specified a destination parent that doesn't exist.", lambda: org.move_account(AccountId=member, SourceParentId=world.root, DestinationParentId=unit)),
        ("DuplicateAccountException", "That account is already present in the specified destination.", lambda: org.move_account(AccountId=member, SourceParentId=world.root, DestinationParentId=world.root)),
        ("PolicyNotFoundException", "You specified a policy that doesn't exist.", lambda: org.describe_policy(PolicyId="p-0000000000")),
        ("PolicyNotFoundException", None, lambda: org.attach_policy(PolicyId="p-0000000000", TargetId=world.root)),
        ("TargetNotFoundException", "You specified a target that doesn't exist.", lambda: org.attach_policy(PolicyId=FULL, TargetId=unit)),
        ("TargetNotFoundException", None, lambda: org.list_policies_for_target(TargetId=account, Filter="SERVICE_CONTROL_POLICY")),
        ("TargetNotFoundException", None, lambda: org.tag_resource(ResourceId=unit, Tags=[{"Key": "a", "Value": "b"}])),
        ("RootNotFoundException", "You specified a root that doesn't exist.", lambda: org.enable_policy_type(RootId="r-zzzz", PolicyType="RESOURCE_CONTROL_POLICY")),
    ]:
        with refused(code, message):
            call()


def test_members_are_held_against_the_model(world, org):
    pattern = "You provided a value that does not match the required pattern."
    with invalid("INVALID_PATTERN", pattern):
        org.describe_account(AccountId="1")
    with invalid("INVALID_PATTERN", pattern):
        org.describe_organizational_unit(OrganizationalUnitId="ou-x")
    with invalid("INVALID_PATTERN", pattern):
        org.create_account(Email="nobody", AccountName="x")
    with invalid("INPUT_REQUIRED", "1 validation error detected: Value null at 'parentId' failed to satisfy constraint: Member must not be null"):
        org.create_organizational_unit(Name="x")
    with invalid("MAX_VALUE_EXCEEDED", None):
        org.list_accounts(MaxResults=21)
    with invalid("INVALID_ENUM", None):
        org.list_policies(Filter="NO_POLICY")
    with invalid("DUPLICATE_TAG_KEY", None):
        org.tag_resource(ResourceId=world.root, Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])
    with invalid("INVALID_SYSTEM_TAGS_PARAMETER", None):
        org.tag_resource(ResourceId=world.root, Tags=[{"Key": "aws:a", "Value": "1"}])


def test_everything_has_tags(world, org):
    unit = world.unit("Tagged")
    scp = world.policy("Tagged", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    for thing in (world.root, unit, scp, world.account()):
        org.tag_resource(ResourceId=thing, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        org.tag_resource(ResourceId=thing, Tags=[{"Key": "a", "Value": "3"}])
        org.untag_resource(ResourceId=thing, TagKeys=["b"])
        assert org.list_tags_for_resource(ResourceId=thing)["Tags"] == [{"Key": "a", "Value": "3"}]


# --- policies ---


def test_a_policy_lives_attached_and_dies_detached(world, org):
    deny = {"Effect": "Deny", "Action": "kms:DisableKey", "Resource": "*"}
    made = org.create_policy(Name="Life", Description="d", Type="SERVICE_CONTROL_POLICY", Content=policy(deny))["Policy"]
    summary = made["PolicySummary"]
    id = summary["Id"]
    assert summary == {
        "Id": id,
        "Arn": f"arn:aws:organizations::{ACCOUNT}:policy/{world.id}/service_control_policy/{id}",
        "Name": "Life",
        "Description": "d",
        "Type": "SERVICE_CONTROL_POLICY",
        "AwsManaged": False,
    }
    assert json.loads(made["Content"]) == json.loads(policy(deny))
    message = "A policy with the specified name and type already exists."
    with refused("DuplicatePolicyException", message):
        world.policy("Life", deny)
    account = world.account()
    org.attach_policy(PolicyId=id, TargetId=account)
    with refused("DuplicatePolicyAttachmentException", "The selected policy is already attached to the specified target."):
        org.attach_policy(PolicyId=id, TargetId=account)
    attached = org.list_policies_for_target(TargetId=account, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert [policy["Id"] for policy in attached] == sorted([id, FULL])
    (target,) = org.list_targets_for_policy(PolicyId=id)["Targets"]
    assert (target["TargetId"], target["Type"]) == (account, "ACCOUNT")
    with refused("PolicyInUseException"):
        org.delete_policy(PolicyId=id)
    updated = org.update_policy(PolicyId=id, Description="new")["Policy"]
    assert updated["PolicySummary"]["Description"] == "new"
    assert updated["Content"] == made["Content"]
    org.detach_policy(PolicyId=id, TargetId=account)
    with refused("PolicyNotAttachedException"):
        org.detach_policy(PolicyId=id, TargetId=account)
    org.delete_policy(PolicyId=id)
    with refused("PolicyNotFoundException"):
        org.describe_policy(PolicyId=id)


def test_aws_own_policies_stay_as_they_are(world, org):
    found = org.describe_policy(PolicyId=FULL)["Policy"]
    assert found["PolicySummary"]["Arn"] == f"arn:aws:organizations::aws:policy/service_control_policy/{FULL}"
    assert found["PolicySummary"]["AwsManaged"]
    for change in (org.delete_policy, lambda PolicyId: org.update_policy(PolicyId=PolicyId, Name="x")):
        with reason_is("InvalidInputException", "IMMUTABLE_POLICY"):
            change(PolicyId=FULL)
    account = world.account()
    with reason_is("ConstraintViolationException", "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"):
        org.detach_policy(PolicyId=FULL, TargetId=account)


def test_a_new_organization_has_no_policy_type_enabled(own_server):
    """As Terraform makes it: the organization first, then each type."""
    org = own_server.client("organizations")
    org.create_organization(FeatureSet="ALL")
    (root,) = org.list_roots()["Roots"]
    assert root["PolicyTypes"] == []
    enabled = org.enable_policy_type(RootId=root["Id"], PolicyType="SERVICE_CONTROL_POLICY")["Root"]
    assert enabled["PolicyTypes"] == [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    (full,) = org.list_policies_for_target(TargetId=root["Id"], Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert full["Id"] == FULL


@pytest.mark.parametrize("kind,most", [("SERVICE_CONTROL_POLICY", 10), ("RESOURCE_CONTROL_POLICY", 5)])
def test_so_many_policies_of_a_type_stand_on_a_target(own_server, kind, most):
    world = OwnWorld(own_server)
    if kind == "RESOURCE_CONTROL_POLICY":
        world.org.enable_policy_type(RootId=world.root, PolicyType=kind)
    account = world.account()
    deny = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
    if kind == "RESOURCE_CONTROL_POLICY":
        deny["Principal"] = "*"
    # AWS's own is one of them.
    policies = [world.policy(f"Many {n}", deny, kind=kind) for n in range(most)]
    for id in policies[:-1]:
        world.org.attach_policy(PolicyId=id, TargetId=account)
    message = "You have attached the maximum number of policies to the specified target."
    with reason_is("ConstraintViolationException", "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", message):
        world.org.attach_policy(PolicyId=policies[-1], TargetId=account)


def test_a_policys_text_is_checked_for_its_type(world):
    for kind, statements in [
        ("SERVICE_CONTROL_POLICY", [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]),
        ("SERVICE_CONTROL_POLICY", [{"Effect": "Deny", "Action": "*"}]),
        ("RESOURCE_CONTROL_POLICY", [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]),
        ("RESOURCE_CONTROL_POLICY", [{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]),
        ("RESOURCE_CONTROL_POLICY", [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]),
    ]:
        with refused("MalformedPolicyDocumentException"):
            world.policy("Bad", *statements, kind=kind)
    long = {"Effect": "Deny", "Action": ["kms:" + "x" * 100] * 110, "Resource": "*"}
    with reason_is("ConstraintViolationException", "POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the maximum policy size."):
        world.policy("Long", long)


def test_white_space_counts_in_a_policys_size(world, org):
    for kind, most, more in [
        ("SERVICE_CONTROL_POLICY", 10_240, {}),
        ("RESOURCE_CONTROL_POLICY", 5120, {"Principal": "*"}),
    ]:
        text = policy({"Effect": "Deny", **more, "Action": "kms:DisableKey", "Resource": "*"})
        put = {"Description": "", "Type": kind, "Content": text.ljust(most)}
        made = org.create_policy(Name=f"Wide {kind}", **put)["Policy"]
        assert made["Content"] == text.ljust(most)
        with reason_is("ConstraintViolationException", "POLICY_CONTENT_LIMIT_EXCEEDED"):
            org.create_policy(Name=f"Wider {kind}", **{**put, "Content": text.ljust(most + 1)})


def test_types_that_are_not_served_are_refused(world, org):
    message = "TAG_POLICY is not supported by this version of Keyward."
    with refused("PolicyTypeNotAvailableForOrganizationException", message):
        world.policy("Tag", {"Effect": "Deny", "Action": "*", "Resource": "*"}, kind="TAG_POLICY")
    with refused("PolicyTypeNotAvailableForOrganizationException", message):
        org.enable_policy_type(RootId=world.root, PolicyType="TAG_POLICY")
    assert org.list_policies(Filter="TAG_POLICY")["Policies"] == []


def test_a_type_is_enabled_before_its_policies_are_attached(own_server):
    world = OwnWorld(own_server)
    org = world.org
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    id = world.policy("RCP", deny, kind="RESOURCE_CONTROL_POLICY")
    message = "This operation can be performed only for enabled policy types."
    with refused("PolicyTypeNotEnabledException", message):
        org.attach_policy(PolicyId=id, TargetId=world.root)
    with refused("PolicyTypeNotEnabledException"):
        org.disable_policy_type(RootId=world.root, PolicyType="RESOURCE_CONTROL_POLICY")
    enabled = org.enable_policy_type(RootId=world.root, PolicyType="RESOURCE_CONTROL_POLICY")["Root"]
    assert [kind["Type"] for kind in enabled["PolicyTypes"]] == ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
    with refused("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled."):
        org.enable_policy_type(RootId=world.root, PolicyType="RESOURCE_CONTROL_POLICY")
    with reason_is("InvalidInputException", "NON_DETACHABLE_POLICY"):
        org.detach_policy(PolicyId=FULL_RCP, TargetId=world.root)
    org.attach_policy(PolicyId=id, TargetId=world.root)
    assert org.list_roots()["Roots"] == [enabled]
    # What was attached is gone when the type comes back.
    org.disable_policy_type(RootId=world.root, PolicyType="RESOURCE_CONTROL_POLICY")
    org.enable_policy_type(RootId=world.root, PolicyType="RESOURCE_CONTROL_POLICY")
    (only,) = org.list_policies_for_target(TargetId=world.root, Filter="RESOURCE_CONTROL_POLICY")["Policies"]
    assert only["Id"] == FULL_RCP


# --- services, and what there is none of ---


def test_services_are_let_into_the_organization(own_server):
    org = OwnWorld(own_server).org

    def services():
        return [each["ServicePrincipal"] for each in org.list_aws_service_access_for_organization()["EnabledServicePrincipals"]]

    assert services() == []
    for name in ("sso.amazonaws.com", "cloudtrail.amazonaws.com", "sso.amazonaws.com"):
        org.enable_aws_service_access(ServicePrincipal=name)
    assert services() == ["cloudtrail.amazonaws.com", "sso.amazonaws.com"]
    first = org.list_aws_service_access_for_organization(MaxResults=1)
    rest = org.list_aws_service_access_for_organization(NextToken=first["NextToken"])
    assert [each["ServicePrincipal"] for each in rest["EnabledServicePrincipals"]] == ["sso.amazonaws.com"]
    assert abs(rest["EnabledServicePrincipals"][0]["DateEnabled"].timestamp() - time.time()) < 600
    own_server.restart()
    org = own_server.client("organizations")
    for _ in range(2):
        org.disable_aws_service_access(ServicePrincipal="sso.amazonaws.com")
    assert services() == ["cloudtrail.amazonaws.com"]
    unrecognized = "You specified an unrecognized service principal."
    for change in (org.enable_aws_service_access, org.disable_aws_service_access):
        with invalid("UNRECOGNIZED_SERVICE_PRINCIPAL", unrecognized):
            change(ServicePrincipal="sso.example.com")
        with reason_is("InvalidInputException", "INPUT_REQUIRED"):
            change()


def test_policies_tell_services_apart(world):
    world.iam.create_user(UserName="trusted-access")
    only = {"StringEquals": {"organizations:ServicePrincipal": "ssm.amazonaws.com"}}
    document = policy({"Effect": "Allow", "Action": "organizations:*", "Resource": "*", "Condition": only})
    world.iam.put_user_policy(UserName="trusted-access", PolicyName="p", PolicyDocument=document)
    key = world.iam.create_access_key(UserName="trusted-access")["AccessKey"]
    org = world.server.client("organizations", credentials=(key["AccessKeyId"], key["SecretAccessKey"]))
    org.enable_aws_service_access(ServicePrincipal="ssm.amazonaws.com")
    org.list_delegated_administrators(ServicePrincipal="ssm.amazonaws.com")
    for call in (
        lambda: org.enable_aws_service_access(ServicePrincipal="sso.amazonaws.com"),
        lambda: org.disable_aws_service_access(ServicePrincipal="sso.amazonaws.com"),
        lambda: org.list_delegated_administrators(),
    ):
        with refused("AccessDeniedException"):
            call()


def test_what_an_organization_has_none_of_is_said_as_aws_says_it(world, org):
    assert org.list_delegated_administrators()["DelegatedAdministrators"] == []
    assert org.list_handshakes_for_organization()["Handshakes"] == []
    assert org.list_handshakes_for_account(Filter={"ActionType": "INVITE"})["Handshakes"] == []
    registered = "The provided account is not a registered delegated administrator for your organization."
    with refused("AccountNotRegisteredException", registered):
        org.list_delegated_services_for_account(AccountId=world.account())
    with refused("AccountNotFoundException", "You specified an account that doesn't exist."):
        org.list_delegated_services_for_account(AccountId="000000000001")
    with refused("ResourcePolicyNotFoundException"):
        org.describe_resource_policy()
    for call in (org.list_delegated_administrators, org.list_handshakes_for_organization, org.list_handshakes_for_account):
        with invalid("INVALID_NEXT_TOKEN", "You provided a NextToken that isn't valid."):
            call(NextToken="x")
        with reason_is("InvalidInputException", "MAX_VALUE_EXCEEDED"):
            call(MaxResults=21)
    with reason_is("InvalidInputException", "INVALID_ENUM"):
        org.list_handshakes_for_account(Filter={"ActionType": "NONE"})
    with reason_is("InvalidInputException", "INVALID_PATTERN"):
        org.list_handshakes_for_account(Filter={"ParentHandshakeId": "x"})


def test_who_is_in_no_organization_has_no_handshakes_and_may_ask_nothing_else(world):
    outsider = world.server.client("organizations", credentials=world.outsider)
    assert outsider.list_handshakes_for_account()["Handshakes"] == []
    for call in (
        outsider.list_aws_service_access_for_organization,
        outsider.list_delegated_administrators,
        outsider.list_handshakes_for_organization,
        outsider.describe_resource_policy,
        lambda: outsider.enable_aws_service_access(ServicePrincipal="sso.amazonaws.com"),
        lambda: outsider.list_delegated_services_for_account(AccountId=OUTSIDER),
    ):
        with refused("AWSOrganizationsNotInUseException", "Your account is not a member of an organization."):
            call()


class OwnWorld(World):
    """As World, with nothing outside of the organization."""

    def __init__(self, server):
        (server.data_dir / f"credentials-{OUTSIDER}").write_text(
            "[default]\naws_access_key_id = none\naws_secret_access_key = none\n"
        )
        super().__init__(server)


# --- who may ask ---


def test_identity_policies_decide_who_manages_the_organization(world):
    unit = world.unit("Managed")
    made = world.iam.create_user(UserName="manager")["User"]["Arn"]
    key = world.iam.create_access_key(UserName="manager")["AccessKey"]
    org = world.server.client("organizations", credentials=(key["AccessKeyId"], key["SecretAccessKey"]))
    arn = f"arn:aws:organizations::{ACCOUNT}:ou/{world.id}/{unit}"
    message = (
        f"User: {made} is not authorized to perform: organizations:DescribeOrganizationalUnit "
        f"on resource: {arn} because no identity-based policy allows the "
        "organizations:DescribeOrganizationalUnit action"
    )
    with refused("AccessDeniedException", message):
        org.describe_organizational_unit(OrganizationalUnitId=unit)
    with refused("AccessDeniedException"):
        org.list_accounts()
    document = policy({"Effect": "Allow", "Action": "organizations:Describe*", "Resource": arn})
    world.iam.put_user_policy(UserName="manager", PolicyName="p", PolicyDocument=document)
    assert org.describe_organizational_unit(OrganizationalUnitId=unit)
    only_scps = {"StringEquals": {"organizations:PolicyType": "SERVICE_CONTROL_POLICY"}}
    document = policy({"Effect": "Allow", "Action": "organizations:*", "Resource": "*", "Condition": only_scps})
    world.iam.put_user_policy(UserName="manager", PolicyName="p", PolicyDocument=document)
    assert org.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert org.describe_policy(PolicyId=FULL)
    for call in (lambda: org.list_policies(Filter="RESOURCE_CONTROL_POLICY"), lambda: org.describe_policy(PolicyId=FULL_RCP), org.list_roots):
        with refused("AccessDeniedException"):
            call()


def test_tags_at_creation_need_the_permission_to_tag(world):
    made = world.iam.create_user(UserName="creator")["User"]["Arn"]
    key = world.iam.create_access_key(UserName="creator")["AccessKey"]
    org = world.server.client("organizations", credentials=(key["AccessKeyId"], key["SecretAccessKey"]))
    create = {"Effect": "Allow", "Action": "organizations:Create*", "Resource": "*"}
    no_tags = {"Effect": "Deny", "Action": "organizations:TagResource", "Resource": "*"}
    world.iam.put_user_policy(UserName="creator", PolicyName="p", PolicyDocument=policy(create, no_tags))
    tags = {"Tags": [{"Key": "team", "Value": "finance"}]}
    text = policy({"Effect": "Deny", "Action": "kms:*", "Resource": "*"})
    scp = {"Content": text, "Description": "", "Name": "tagged", "Type": "SERVICE_CONTROL_POLICY"}
    root = f"arn:aws:organizations::{ACCOUNT}:root/{world.id}/{world.root}"
    for call, resource in (
        (lambda **more: org.create_policy(**scp, **more), None),
        (lambda **more: org.create_organizational_unit(ParentId=world.root, Name="tagged", **more), root),
        (lambda **more: org.create_account(Email="tagged@example.com", AccountName="tagged", **more), None),
    ):
        with refused("AccessDeniedException") as caught:
            call(**tags)
        message = caught.value.response["Error"]["Message"]
        assert message.startswith(f"User: {made} is not authorized to perform: organizations:TagResource on resource: ")
        assert "with an explicit deny in an identity-based policy" in message
        assert resource is None or resource in message
        call()
