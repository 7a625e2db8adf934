"""IAM roles: who may assume them, what can be changed, and roles that belong to a service."""

import json
import re

import pytest

from conftest import policy
from errors import refused
from iam_kit import ALLOW_ALL, TRUST, all_pages, iam_arn, loaded, make_policy, new_name, not_allowed
from keyward import ACCOUNT

ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
KMS_LINKED = "mrk.kms.amazonaws.com"
LINKED_ROLE = "AWSServiceRoleForKeyManagementServiceMultiRegionKeys"


@pytest.fixture
def name():
    return new_name("role")


@pytest.fixture
def role(iam, name):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    return name


def trusting(*arns):
    return policy({"Effect": "Allow", "Principal": {"AWS": list(arns)}, "Action": "sts:AssumeRole"})


def trusted(iam, name):
    document = loaded(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"])
    return document["Statement"][0]["Principal"]["AWS"]


def test_a_role_is_shown_as_it_was_made(iam, name):
    boundary, tags = make_policy(iam), [{"Key": "k", "Value": "v"}]
    made = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=TRUST,
        Path="/r/",
        Description="d",
        MaxSessionDuration=7200,
        PermissionsBoundary=boundary,
        Tags=tags,
    )["Role"]
    assert re.fullmatch(r"AROA[A-Z2-7]{17}", made["RoleId"])
    assert made["Arn"] == iam_arn("role", name, "/r/")
    assert (made["Description"], made["Tags"]) == ("d", tags)
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    # What was sent comes back: the account's number stays a number, and GetRole shows its root.
    assert loaded(made["AssumeRolePolicyDocument"]) == json.loads(TRUST)
    found = iam.get_role(RoleName=name)["Role"]
    shown = {"AssumeRolePolicyDocument": found["AssumeRolePolicyDocument"], "MaxSessionDuration": 7200}
    assert found == {**made, **shown, "RoleLastUsed": {}}
    assert trusted(iam, name) == ROOT_ARN
    assert sorted(made) == sorted(set(found) - {"MaxSessionDuration", "RoleLastUsed"})
    with refused("EntityAlreadyExists", f"Role with name {name.upper()} already exists.", 409):
        iam.create_role(RoleName=name.upper(), AssumeRolePolicyDocument=TRUST)


def test_a_role_has_an_hour_if_nothing_is_said(iam, role):
    found = iam.get_role(RoleName=role)["Role"]
    assert found["MaxSessionDuration"] == 3600
    assert "Description" not in found and "Tags" not in found


def test_a_role_can_be_changed(iam, role):
    iam.update_role(RoleName=role, Description="new", MaxSessionDuration=43200)
    found = iam.get_role(RoleName=role)["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("new", 43200)
    iam.update_role(RoleName=role, Description="")
    described = iam.update_role_description(RoleName=role, Description="again")["Role"]
    assert described["Description"] == "again"
    assert "MaxSessionDuration" not in described and "RoleLastUsed" not in described
    assert iam.get_role(RoleName=role)["Role"]["MaxSessionDuration"] == 43200
    text = (
        "1 validation error detected: Value at 'maxSessionDuration' failed to satisfy constraint: "
        "Member must have value greater than or equal to 3600"
    )
    with refused("ValidationError", text):
        iam.update_role(RoleName=role, MaxSessionDuration=3599)


def test_a_trust_policy_names_only_who_is_there(iam, name, user):
    missing = iam_arn("user", "nobody-at-all")
    with refused("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{missing}"'):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(user.arn, missing))
    with refused("NoSuchEntity", None, 404):
        iam.get_role(RoleName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(user.arn))
    assert trusted(iam, name) == [user.arn]
    with refused("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{missing}"'):
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusting(missing))


def test_a_trust_policy_follows_a_renamed_user_and_shows_the_id_of_a_deleted_one(iam, name, user):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(user.arn))
    new = new_name("user")
    iam.update_user(UserName=user.name, NewUserName=new)
    assert trusted(iam, name) == [iam_arn("user", new)]
    iam.delete_access_key(UserName=new, AccessKeyId=user.credentials[0])
    iam.delete_user(UserName=new)
    assert trusted(iam, name) == [user.id]
    # Made anew under the old name, it is somebody else.
    iam.create_user(UserName=new)
    assert trusted(iam, name) == [user.id]
    with refused("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{user.id}"'):
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusting(user.id))


@pytest.mark.parametrize("account", ["999999999999", "arn:aws:iam::999999999999:root"])
def test_an_account_that_is_not_there_is_named_as_it_was_sent(iam, name, account):
    with refused("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{account}"'):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(account))


def test_a_unique_id_in_a_policy_is_shown_as_its_arn_while_its_bearer_lives(iam, kms, role, user):
    """In trust policies and key policies alike; the id of who is gone stays an id."""
    name = new_name("role")
    other = iam.get_role(RoleName=role)["Role"]
    document = trusting(user.id, other["RoleId"])
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    assert loaded(made["AssumeRolePolicyDocument"]) == json.loads(document)
    assert trusted(iam, name) == [user.arn, other["Arn"]]
    root = {"Sid": "r", "Effect": "Allow", "Principal": {"AWS": ROOT_ARN}, "Action": "kms:*", "Resource": "*"}
    named = {**root, "Sid": "n", "Principal": {"AWS": [user.id, other["RoleId"]]}}
    key = kms.create_key(Policy=policy(root, named))["KeyMetadata"]["KeyId"]

    def named_by_key():
        return json.loads(kms.get_key_policy(KeyId=key)["Policy"])["Statement"][1]["Principal"]["AWS"]

    assert named_by_key() == [user.arn, other["Arn"]]
    user.kms.describe_key(KeyId=key)
    moved = new_name("user")
    iam.update_user(UserName=user.name, NewUserName=moved, NewPath="/m/")
    iam.delete_role(RoleName=role)
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    expect = [iam_arn("user", moved, "/m/"), other["RoleId"]]
    assert (trusted(iam, name), named_by_key()) == (expect, expect)
    (listed,) = [found for found in all_roles(iam) if found["RoleName"] == name]
    assert loaded(listed["AssumeRolePolicyDocument"])["Statement"][0]["Principal"]["AWS"] == expect


def all_roles(iam):
    return iam.get_paginator("list_roles").paginate().build_full_result()["Roles"]


@pytest.mark.parametrize(
    "document,message",
    [
        ("nonsense", "This policy contains invalid Json"),
        (policy({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}), "Has prohibited field Resource"),
        (policy({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (
            policy({"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt"}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            policy({"Effect": "Allow", "Principal": {"Service": "no service"}, "Action": "sts:AssumeRole"}),
            'Invalid principal in policy: "SERVICE":"no service"',
        ),
    ],
)
def test_a_malformed_trust_policy_is_refused(iam, role, document, message):
    with refused("MalformedPolicyDocument", message):
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)


def test_roles_are_listed_in_the_order_of_their_names(iam):
    path = f"/{new_name('list')}/"
    names = [f"{letter}{new_name()}" for letter in "Cba"]
    for name in names:
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "k", "Value": "v"}])
    found, pages = all_pages(iam.list_roles, "Roles", PathPrefix=path)
    assert ([role["RoleName"] for role in found], pages) == (sorted(names, key=str.lower), 2)
    assert all("Tags" not in role and "RoleLastUsed" not in role for role in found)
    assert loaded(found[0]["AssumeRolePolicyDocument"])["Version"] == "2012-10-17"


def test_what_hangs_on_a_role_goes_first(iam, role):
    """The order in which Terraform takes a role away."""
    arn, boundary = make_policy(iam), make_policy(iam)
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=ALLOW_ALL)
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    assert iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"] == []
    with refused("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409):
        iam.delete_role(RoleName=role)
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    with refused("DeleteConflict", "Cannot delete entity, must delete policies first.", 409):
        iam.delete_role(RoleName=role)
    iam.delete_role_policy(RoleName=role, PolicyName="p")
    iam.delete_role(RoleName=role)
    for made in (arn, boundary):
        iam.delete_policy(PolicyArn=made)
    with refused("NoSuchEntity", f"The role with name {role} cannot be found.", 404):
        iam.get_role(RoleName=role)
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)


def test_roles_are_tagged_and_tags_decide(server, iam, user, role):
    tags = [{"Key": "Team", "Value": "red"}]
    theirs = server.client("iam", credentials=user.credentials)
    team = {"StringEquals": {"iam:ResourceTag/team": "red"}}
    user.allow("iam:GetRole", resource=iam_arn("role", "*"), Condition=team)
    arn = iam_arn("role", role)
    with refused("AccessDenied", not_allowed(user.arn, "iam:GetRole", arn), 403):
        theirs.get_role(RoleName=role)
    iam.tag_role(RoleName=role, Tags=tags)
    assert theirs.get_role(RoleName=role)["Role"]["Tags"] == tags
    iam.tag_role(RoleName=role, Tags=[{"Key": "TEAM", "Value": "blue"}])
    assert iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "TEAM", "Value": "blue"}]
    with refused("AccessDenied", None, 403):
        theirs.get_role(RoleName=role)
    iam.untag_role(RoleName=role, TagKeys=["team"])
    assert iam.list_role_tags(RoleName=role)["Tags"] == []


@pytest.fixture
def linked(iam):
    made = iam.create_service_linked_role(AWSServiceName=KMS_LINKED)["Role"]
    yield made
    try:
        iam.delete_service_linked_role(RoleName=made["RoleName"])
    except iam.exceptions.NoSuchEntityException:
        pass


def test_a_service_linked_role_is_its_services_alone(iam, linked):
    assert linked["Arn"] == iam_arn("role", LINKED_ROLE, f"/aws-service-role/{KMS_LINKED}/")
    document = loaded(linked["AssumeRolePolicyDocument"])
    assert document["Statement"][0]["Principal"] == {"Service": KMS_LINKED}
    attached = iam.list_attached_role_policies(RoleName=LINKED_ROLE)["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == [
        "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy"
    ]
    text = (
        f"Cannot perform the operation on the protected role '{LINKED_ROLE}' - this role is only "
        "modifiable by AWS"
    )
    for call in (
        lambda: iam.delete_role(RoleName=LINKED_ROLE),
        lambda: iam.update_role(RoleName=LINKED_ROLE, Description="x"),
        lambda: iam.update_assume_role_policy(RoleName=LINKED_ROLE, PolicyDocument=TRUST),
        lambda: iam.put_role_policy(RoleName=LINKED_ROLE, PolicyName="p", PolicyDocument=ALLOW_ALL),
        lambda: iam.attach_role_policy(RoleName=LINKED_ROLE, PolicyArn=make_policy(iam)),
        lambda: iam.detach_role_policy(RoleName=LINKED_ROLE, PolicyArn=attached[0]["PolicyArn"]),
        lambda: iam.tag_role(RoleName=LINKED_ROLE, Tags=[]),
    ):
        with refused("UnmodifiableEntity", text):
            call()
    text = f"Service role name {LINKED_ROLE} has been taken in this account, please try a different suffix."
    with refused("InvalidInput", text):
        iam.create_service_linked_role(AWSServiceName=KMS_LINKED)


def test_a_service_linked_role_is_deleted_by_a_task(iam, linked, role):
    task = iam.delete_service_linked_role(RoleName=LINKED_ROLE)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/{KMS_LINKED}/{LINKED_ROLE}/")
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    for other in (task[:-1] + ("0" if task[-1] != "0" else "1"), "task/x", "nothing"):
        with refused("NoSuchEntity", f"Deletion task {other} cannot be found.", 404):
            iam.get_service_linked_role_deletion_status(DeletionTaskId=other)
    with refused("NoSuchEntity", f"The role with name {LINKED_ROLE} cannot be found.", 404):
        iam.delete_service_linked_role(RoleName=LINKED_ROLE)
    with refused("InvalidInput", f"The role with name {role} is not a service-linked role."):
        iam.delete_service_linked_role(RoleName=role)


def test_only_known_services_have_linked_roles_and_no_suffix(iam):
    with refused("InvalidInput", f"Custom suffix is not allowed for {KMS_LINKED}"):
        iam.create_service_linked_role(AWSServiceName=KMS_LINKED, CustomSuffix="x")
    with refused("AccessDenied", "Cannot find Service Linked Role template for nothing.amazonaws.com", 403):
        iam.create_service_linked_role(AWSServiceName="nothing.amazonaws.com")


def test_making_linked_roles_can_be_limited_to_a_service(server, user):
    theirs = server.client("iam", credentials=user.credentials)
    only = {"StringEquals": {"iam:AWSServiceName": "other.amazonaws.com"}}
    user.allow("iam:CreateServiceLinkedRole", Condition=only)
    with refused("AccessDenied", None, 403):
        theirs.create_service_linked_role(AWSServiceName=KMS_LINKED)
    with refused("AccessDenied", "Cannot find Service Linked Role template for other.amazonaws.com", 403):
        theirs.create_service_linked_role(AWSServiceName="other.amazonaws.com")


LINKED_PATH_REFUSED = "Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles"
RESERVED_PATH_REFUSED = "Path prefix '/aws-reserved/' can only be used by AWS"
LINKED_NAME_REFUSED = "Names that begin with 'AWSServiceRoleFor' can only be used for AWS Service linked Roles"


@pytest.mark.parametrize(
    "path, message",
    [
        ("/aws-service-role/x/", LINKED_PATH_REFUSED),
        ("/AWS-service-ROLE/", LINKED_PATH_REFUSED),
        ("/aws-reserved/sso.amazonaws.com/", RESERVED_PATH_REFUSED),
        ("/AWS-Reserved/", RESERVED_PATH_REFUSED),
    ],
)
def test_nobody_makes_anything_under_the_paths_of_aws(iam, user, name, path, message):
    document = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.create_group(GroupName=name)
    for call in [
        lambda: iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST),
        lambda: iam.create_user(UserName=name, Path=path),
        lambda: iam.update_user(UserName=user.name, NewPath=path),
        lambda: iam.create_group(GroupName=name + "2", Path=path),
        lambda: iam.update_group(GroupName=name, NewPath=path),
    ]:
        with refused("InvalidInput", message):
            call()
    with refused("InvalidInput", message):
        iam.create_policy(PolicyName=name, Path=path, PolicyDocument=document)


@pytest.mark.parametrize("prefix", ["AWSServiceRoleFor", "awsservicerolefor"])
def test_nobody_gives_the_names_of_service_linked_roles(iam, user, name, prefix):
    taken = prefix + name
    document = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.create_group(GroupName=name)
    for call in [
        lambda: iam.create_role(RoleName=taken, AssumeRolePolicyDocument=TRUST),
        lambda: iam.create_user(UserName=taken),
        lambda: iam.update_user(UserName=user.name, NewUserName=taken),
        lambda: iam.create_group(GroupName=taken),
        lambda: iam.update_group(GroupName=name, NewGroupName=taken),
        lambda: iam.create_policy(PolicyName=taken, PolicyDocument=document),
    ]:
        with refused("InvalidInput", LINKED_NAME_REFUSED):
            call()


def test_a_key_policy_that_names_a_role_shows_its_id_when_it_is_gone(iam, kms, role):
    found = iam.get_role(RoleName=role)["Role"]
    delegation = {"Sid": "r", "Effect": "Allow", "Principal": {"AWS": ROOT_ARN}, "Action": "kms:*", "Resource": "*"}
    named = {**delegation, "Sid": "n", "Principal": {"AWS": found["Arn"]}}
    key = kms.create_key(Policy=policy(delegation, named))["KeyMetadata"]["KeyId"]
    assert found["Arn"] in kms.get_key_policy(KeyId=key)["Policy"]
    iam.delete_role(RoleName=role)
    shown = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    assert shown["Statement"][1]["Principal"]["AWS"] == found["RoleId"]
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    shown = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    assert shown["Statement"][1]["Principal"]["AWS"] == found["RoleId"]
