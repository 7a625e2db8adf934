"""IAM groups and who is in them: a member has the group's rights as long as it is one."""

import re

import pytest

from conftest import policy
from errors import refused
from iam_kit import ALLOW_ALL, all_pages, iam_arn, make_policy, new_name, not_allowed


@pytest.fixture
def group(iam):
    name = new_name("group")
    iam.create_group(GroupName=name)
    return name


def test_a_group_is_shown_as_it_was_made(iam):
    name = new_name("group")
    made = iam.create_group(GroupName=name, Path="/g/")["Group"]
    assert re.fullmatch(r"AGPA[A-Z2-7]{17}", made["GroupId"])
    assert made["Arn"] == iam_arn("group", name, "/g/")
    found = iam.get_group(GroupName=name)
    assert (found["Group"], found["Users"], found["IsTruncated"]) == (made, [], False)
    with refused("EntityAlreadyExists", f"Group with name {name} already exists.", 409):
        iam.create_group(GroupName=name)
    with refused("NoSuchEntity", "The group with name nothing cannot be found.", 404):
        iam.get_group(GroupName="nothing")


def test_a_member_has_the_groups_rights_until_it_leaves(iam, user, group, key):
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=ALLOW_ALL)
    with refused("AccessDeniedException"):
        user.kms.describe_key(KeyId=key)
    iam.add_user_to_group(GroupName=group, UserName=user.name)
    user.kms.describe_key(KeyId=key)
    iam.remove_user_from_group(GroupName=group, UserName=user.name)
    with refused("AccessDeniedException"):
        user.kms.describe_key(KeyId=key)


def test_a_policy_attached_to_a_group_speaks_for_its_members(iam, user, group, key):
    arn = make_policy(iam, policy({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"}))
    iam.add_user_to_group(GroupName=group, UserName=user.name)
    iam.attach_group_policy(GroupName=group, PolicyArn=arn)
    user.kms.describe_key(KeyId=key)
    iam.detach_group_policy(GroupName=group, PolicyArn=arn)
    with refused("AccessDeniedException"):
        user.kms.describe_key(KeyId=key)


def test_members_and_groups_are_listed_from_both_sides(iam, group):
    names = [f"{letter}{new_name()}" for letter in "bac"]
    for name in names:
        iam.create_user(UserName=name)
        iam.add_user_to_group(GroupName=group, UserName=name)
        # Who is in already stays in once.
        iam.add_user_to_group(GroupName=group, UserName=name)
    found, pages = all_pages(iam.get_group, "Users", GroupName=group)
    assert ([user["UserName"] for user in found], pages) == (sorted(names), 2)
    groups, _ = all_pages(iam.list_groups_for_user, "Groups", UserName=names[0])
    assert [found["GroupName"] for found in groups] == [group]
    with refused("DeleteConflict", "Cannot delete entity, must remove users from group first.", 409):
        iam.delete_group(GroupName=group)
    for name in names:
        iam.remove_user_from_group(GroupName=group, UserName=name)
        iam.delete_user(UserName=name)
    assert iam.get_group(GroupName=group)["Users"] == []
    iam.delete_group(GroupName=group)
    with refused("NoSuchEntity", f"The group with name {group} cannot be found.", 404):
        iam.delete_group(GroupName=group)


def test_a_user_is_in_ten_groups_at_most(iam, user):
    groups = [new_name("group") for _ in range(11)]
    for name in groups:
        iam.create_group(GroupName=name)
    for name in groups[:10]:
        iam.add_user_to_group(GroupName=name, UserName=user.name)
    with refused("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10", 409):
        iam.add_user_to_group(GroupName=groups[10], UserName=user.name)


def test_a_renamed_group_keeps_its_members(iam, user, group, key):
    iam.add_user_to_group(GroupName=group, UserName=user.name)
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=ALLOW_ALL)
    new = new_name("group")
    iam.update_group(GroupName=group, NewGroupName=new, NewPath="/x/")
    found = iam.get_group(GroupName=new)
    assert found["Group"]["Arn"] == iam_arn("group", new, "/x/")
    assert [user["UserName"] for user in found["Users"]] == [user.name]
    user.kms.describe_key(KeyId=key)


def test_groups_are_listed_in_the_order_of_their_names(iam):
    path = f"/{new_name('list')}/"
    names = [f"{letter}{new_name()}" for letter in "cba"]
    for name in names:
        iam.create_group(GroupName=name, Path=path)
    found, pages = all_pages(iam.list_groups, "Groups", PathPrefix=path)
    assert ([group["GroupName"] for group in found], pages) == (sorted(names), 2)


def test_what_hangs_on_a_group_goes_first(iam, group):
    arn = make_policy(iam)
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=ALLOW_ALL)
    iam.attach_group_policy(GroupName=group, PolicyArn=arn)
    with refused("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409):
        iam.delete_group(GroupName=group)
    iam.detach_group_policy(GroupName=group, PolicyArn=arn)
    with refused("DeleteConflict", "Cannot delete entity, must delete policies first.", 409):
        iam.delete_group(GroupName=group)


def test_letting_somebody_in_is_a_right_on_the_group(server, iam, user, group):
    theirs = server.client("iam", credentials=user.credentials)
    arn = iam_arn("group", group)
    user.allow("iam:AddUserToGroup", resource=user.arn)
    with refused("AccessDenied", not_allowed(user.arn, "iam:AddUserToGroup", arn), 403):
        theirs.add_user_to_group(GroupName=group, UserName=user.name)
    user.allow("iam:AddUserToGroup", resource=arn)
    theirs.add_user_to_group(GroupName=group, UserName=user.name)
    with refused("NoSuchEntity", "The user with name nobody cannot be found.", 404):
        theirs.add_user_to_group(GroupName=group, UserName="nobody")


def test_of_a_missing_user_and_a_missing_group_the_user_is_told(iam, user):
    for call in (iam.add_user_to_group, iam.remove_user_from_group):
        with refused("NoSuchEntity", "The user with name nobody cannot be found.", 404):
            call(GroupName="nothing", UserName="nobody")
        with refused("NoSuchEntity", "The group with name nothing cannot be found.", 404):
            call(GroupName="nothing", UserName=user.name)
