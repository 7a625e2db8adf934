"""IAM users: made, shown, renamed, listed, tagged, bounded and deleted."""

import re

import pytest

from conftest import policy
from errors import refused
from iam_kit import ALLOW_ALL, Kind, all_pages, iam_arn, make_policy, new_name, not_allowed
from keyward import ACCOUNT, key_arn

BOUNDARY_MISSING = "Scope ARN: {} does not exist or is not attachable."


@pytest.fixture
def name():
    return new_name("user")


def test_a_user_is_shown_as_it_was_made(iam, name):
    tags = [{"Key": "team", "Value": "red"}, {"Key": "empty", "Value": ""}]
    boundary = make_policy(iam)
    made = iam.create_user(UserName=name, Path="/a/b/", Tags=tags, PermissionsBoundary=boundary)["User"]
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", made["UserId"])
    assert made["Arn"] == iam_arn("user", name, "/a/b/")
    assert made["Tags"] == tags
    assert made["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": boundary,
    }
    assert iam.get_user(UserName=name)["User"] == made
    assert iam.get_user(UserName=name.upper())["User"] == made


def test_get_user_without_a_name_shows_the_caller(server, iam, user):
    user.allow("iam:GetUser", resource=user.arn)
    theirs = server.client("iam", credentials=user.credentials)
    assert theirs.get_user()["User"]["UserName"] == user.name
    root = iam.get_user()["User"]
    assert (root["UserId"], root["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")


def test_who_may_not_ask_does_not_learn_who_is_there(server, user, name):
    theirs = server.client("iam", credentials=user.credentials)
    with refused("AccessDenied", not_allowed(user.arn, "iam:GetUser", f"user {name}"), 403):
        theirs.get_user(UserName=name)
    with refused("AccessDenied", not_allowed(user.arn, "iam:GetUser", user.arn), 403):
        theirs.get_user(UserName=user.name)
    user.allow("iam:GetUser", resource=iam_arn("user", name))
    with refused("NoSuchEntity", f"The user with name {name} cannot be found.", 404):
        theirs.get_user(UserName=name)


def test_a_boundary_must_be_there(iam, name):
    missing = iam_arn("policy", "nowhere")
    there = Kind(iam, "User"), Kind(iam, "Role")
    calls = [lambda arn, kind=kind: kind.make(name, PermissionsBoundary=arn) for kind in there]
    for kind in there:
        bearer, put = kind.make(), f"put_{kind.noun}_permissions_boundary"
        calls.append(lambda arn, kind=kind, bearer=bearer, put=put: kind.call(put, bearer, PermissionsBoundary=arn))
    for call in calls:
        with refused("NoSuchEntity", BOUNDARY_MISSING.format(missing), 404):
            call(missing)
        invalid = f"arn:aws:iam::{ACCOUNT}:not_a_policy/x"
        with refused("InvalidInput", f"ARN {invalid} is not valid."):
            call(invalid)
        with refused("ValidationError", "Invalid ARN:  Could not be parsed!"):
            call("longpolicynamebutnoarn")
    with refused("NoSuchEntity", None, 404):
        iam.get_user(UserName=name)


def test_a_renamed_user_keeps_its_id_and_its_rights(server, iam, kms, user):
    """A key policy that names the user follows it to its new name and path."""
    named = {"Sid": "u", "Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "kms:*", "Resource": "*"}
    root = {**named, "Sid": "r", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    key = kms.create_key(Policy=policy(root, named))["KeyMetadata"]["KeyId"]
    user.kms.describe_key(KeyId=key)
    new = new_name("renamed")
    iam.update_user(UserName=user.name, NewUserName=new, NewPath="/moved/")
    found = iam.get_user(UserName=new)["User"]
    assert (found["UserId"], found["Arn"]) == (user.id, iam_arn("user", new, "/moved/"))
    with refused("NoSuchEntity", f"The user with name {user.name} cannot be found.", 404):
        iam.get_user(UserName=user.name)
    user.kms.describe_key(KeyId=key)
    assert found["Arn"] in kms.get_key_policy(KeyId=key)["Policy"]
    # The old name is free, and who takes it has none of the rights.
    iam.create_user(UserName=user.name)
    made = iam.create_access_key(UserName=user.name)["AccessKey"]
    stranger = server.client("kms", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))
    with refused("AccessDeniedException"):
        stranger.describe_key(KeyId=key)


def test_a_user_may_change_the_case_of_its_name_but_not_take_anothers(iam, name):
    iam.create_user(UserName=name)
    iam.update_user(UserName=name, NewUserName=name.upper())
    assert iam.get_user(UserName=name)["User"]["UserName"] == name.upper()
    other = new_name("user")
    iam.create_user(UserName=other)
    with refused("EntityAlreadyExists", f"User with name {other} already exists.", 409):
        iam.update_user(UserName=name, NewUserName=other)
    iam.update_user(UserName=name)


def test_renaming_wants_the_right_on_both_names(server, user, iam, name):
    iam.create_user(UserName=name)
    new = new_name("user")
    theirs = server.client("iam", credentials=user.credentials)
    user.allow("iam:UpdateUser", resource=iam_arn("user", name))
    with refused("AccessDenied", not_allowed(user.arn, "iam:UpdateUser", iam_arn("user", new)), 403):
        theirs.update_user(UserName=name, NewUserName=new)
    user.allow("iam:UpdateUser", resource=[iam_arn("user", name), iam_arn("user", new)])
    theirs.update_user(UserName=name, NewUserName=new)


def test_users_are_listed_by_path_in_the_order_of_their_names(iam):
    path = f"/{new_name('list')}/"
    names = [f"{letter}{new_name()}" for letter in "cAbDe"]
    for name in names:
        iam.create_user(UserName=name, Path=path, Tags=[{"Key": "k", "Value": "v"}])
    found, pages = all_pages(iam.list_users, "Users", PathPrefix=path)
    assert [user["UserName"] for user in found] == sorted(names, key=str.lower)
    assert pages == 3
    assert all("Tags" not in user for user in found)
    assert iam.list_users(PathPrefix=path + "deeper/")["Users"] == []


def test_a_marker_is_good_where_it_was_given_alone(iam):
    path = f"/{new_name('list')}/"
    for _ in range(2):
        iam.create_user(UserName=new_name(), Path=path)
    marker = iam.list_users(PathPrefix=path, MaxItems=1)["Marker"]
    for call in (
        lambda: iam.list_users(Marker=marker),
        lambda: iam.list_groups(PathPrefix=path, Marker=marker),
        lambda: iam.list_users(PathPrefix=path, Marker="made-up"),
    ):
        with refused("ValidationError", "Invalid Marker."):
            call()


def test_listing_is_a_right_on_the_path(server, user):
    theirs = server.client("iam", credentials=user.credentials)
    resource = f"arn:aws:iam::{ACCOUNT}:user/"
    with refused("AccessDenied", not_allowed(user.arn, "iam:ListUsers", resource), 403):
        theirs.list_users()
    user.allow("iam:ListUsers", resource=f"arn:aws:iam::{ACCOUNT}:user/red/*")
    theirs.list_users(PathPrefix="/red/blue/")
    with refused("AccessDenied", None, 403):
        theirs.list_users(PathPrefix="/")


def test_a_boundary_limits_a_user_from_the_moment_it_is_put(iam, kms, user, key):
    user.allow("kms:*")
    user.kms.describe_key(KeyId=key)
    boundary = make_policy(iam, policy({"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}))
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=boundary)
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    text = (
        f"User: {user.arn} is not authorized to perform: kms:DescribeKey on resource: {key_arn(key)} "
        "because no permissions boundary allows the kms:DescribeKey action"
    )
    with refused("AccessDeniedException", text):
        user.kms.describe_key(KeyId=key)
    assert iam.get_policy(PolicyArn=boundary)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    with refused("DeleteConflict", "Cannot delete a policy attached to entities.", 409):
        iam.delete_policy(PolicyArn=boundary)
    other = make_policy(iam)
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=other)
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=other)
    user.kms.describe_key(KeyId=key)
    iam.delete_policy(PolicyArn=boundary)
    iam.delete_user_permissions_boundary(UserName=user.name)
    iam.delete_policy(PolicyArn=other)
    with refused("NoSuchEntity", f"The permissions boundary of user {user.name} cannot be found.", 404):
        iam.delete_user_permissions_boundary(UserName=user.name)


def test_a_boundary_dies_with_its_user(iam, name):
    boundary = make_policy(iam)
    iam.create_user(UserName=name, PermissionsBoundary=boundary)
    iam.delete_user(UserName=name)
    iam.delete_policy(PolicyArn=boundary)


def test_who_may_make_users_only_with_a_boundary_can_make_no_other(server, iam, user, name):
    boundary, other = make_policy(iam), make_policy(iam)
    only = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    user.allow("iam:CreateUser", "iam:PutUserPermissionsBoundary", "iam:PutUserPolicy", Condition=only)
    theirs = server.client("iam", credentials=user.credentials)
    with refused("AccessDenied", None, 403):
        theirs.create_user(UserName=name)
    with refused("AccessDenied", None, 403):
        theirs.create_user(UserName=name, PermissionsBoundary=other)
    theirs.create_user(UserName=name, PermissionsBoundary=boundary)
    with refused("AccessDenied", None, 403):
        theirs.put_user_permissions_boundary(UserName=name, PermissionsBoundary=other)
    # The key stands for the boundary that is there where none is put.
    theirs.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    free = new_name("user")
    iam.create_user(UserName=free)
    with refused("AccessDenied", None, 403):
        theirs.put_user_policy(UserName=free, PolicyName="p", PolicyDocument=ALLOW_ALL)


def test_delete_user_names_what_must_go_first(iam, name):
    attached, group = make_policy(iam), new_name("group")
    iam.create_user(UserName=name)
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    iam.attach_user_policy(UserName=name, PolicyArn=attached)
    for words, remove in [
        ("detach all policies", lambda: iam.detach_user_policy(UserName=name, PolicyArn=attached)),
        ("delete policies", lambda: iam.delete_user_policy(UserName=name, PolicyName="p")),
        ("delete access keys", lambda: iam.delete_access_key(UserName=name, AccessKeyId=key)),
        ("remove users from group", lambda: iam.remove_user_from_group(GroupName=group, UserName=name)),
    ]:
        with refused("DeleteConflict", f"Cannot delete entity, must {words} first.", 409):
            iam.delete_user(UserName=name)
        remove()
    iam.delete_user(UserName=name)


@pytest.mark.parametrize(
    "member,value,constraint",
    [
        ("UserName", "x" * 65, "Member must have length less than or equal to 64"),
        ("PermissionsBoundary", "arn:aws:iam", "Member must have length greater than or equal to 20"),
    ],
)
def test_the_models_constraints_hold(iam, name, member, value, constraint):
    path = member[0].lower() + member[1:]
    text = f"1 validation error detected: Value at '{path}' failed to satisfy constraint: {constraint}"
    with refused("ValidationError", text):
        iam.create_user(**{"UserName": name, member: value})
