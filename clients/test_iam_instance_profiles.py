"""Instance profiles: made, shown, given a role, tagged, deleted."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from errors import refused
from iam_kit import TRUST, all_pages, iam_arn, loaded, new_name, not_allowed
from keyward import Server

IN_PROFILE = "Cannot delete entity, must remove roles from instance profile first."


@pytest.fixture
def profile(iam):
    name = new_name("profile")
    iam.create_instance_profile(InstanceProfileName=name)
    return name


@pytest.fixture
def role(iam):
    name = new_name("role")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    return name


def missing(name):
    return f"Instance Profile {name} cannot be found."


def test_a_profile_is_shown_as_it_was_made(iam):
    name, tags = new_name("profile"), [{"Key": "team", "Value": "red"}]
    made = iam.create_instance_profile(InstanceProfileName=name, Path="/web/", Tags=tags)["InstanceProfile"]
    assert re.fullmatch(r"AIPA[A-Z2-7]{17}", made["InstanceProfileId"])
    assert made["Arn"] == iam_arn("instance-profile", name, "/web/")
    assert (made["Path"], made["InstanceProfileName"], made["Roles"], made["Tags"]) == ("/web/", name, [], tags)
    assert iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"] == made
    assert iam.get_instance_profile(InstanceProfileName=name.upper())["InstanceProfile"] == made
    with refused("EntityAlreadyExists", f"Instance Profile {name.upper()} already exists.", 409):
        iam.create_instance_profile(InstanceProfileName=name.upper())
    iam.delete_instance_profile(InstanceProfileName=name)
    for call in (iam.get_instance_profile, iam.delete_instance_profile, iam.list_instance_profile_tags):
        with refused("NoSuchEntity", missing(name), 404):
            call(InstanceProfileName=name)


def test_a_role_is_put_in_and_taken_out(iam, profile, role):
    both = {"InstanceProfileName": profile, "RoleName": role}
    iam.add_role_to_instance_profile(**both)
    found = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    (within,) = found["Roles"]
    assert (within["RoleName"], within["Arn"]) == (role, iam_arn("role", role))
    assert loaded(within["AssumeRolePolicyDocument"])["Version"] == "2012-10-17"
    (listed,) = iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"]
    assert (listed["InstanceProfileName"], listed["Roles"]) == (profile, found["Roles"])
    other = new_name("role")
    iam.create_role(RoleName=other, AssumeRolePolicyDocument=TRUST)
    for one in (role, other):
        text = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
        with refused("LimitExceeded", text, 409):
            iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=one)
    with refused("NoSuchEntity", f"Role {other} in Instance Profile {profile} cannot be found.", 404):
        iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=other)
    # Each holds the other.
    with refused("DeleteConflict", IN_PROFILE, 409):
        iam.delete_instance_profile(InstanceProfileName=profile)
    with refused("DeleteConflict", IN_PROFILE, 409):
        iam.delete_role(RoleName=role)
    iam.remove_role_from_instance_profile(**both)
    assert iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"] == []
    assert iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"] == []
    iam.delete_role(RoleName=role)
    iam.delete_instance_profile(InstanceProfileName=profile)


def test_a_role_is_not_deleted_while_it_is_put_in(iam, server):
    """Whoever is faster, no profile is left with a role that is gone."""

    def done(call, **named):
        try:
            call(**named)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    clients = [server.client("iam"), server.client("iam")]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            name, within = new_name("role"), new_name("profile")
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
            iam.create_instance_profile(InstanceProfileName=within)
            add, delete = clients[0].add_role_to_instance_profile, clients[1].delete_role
            added = pool.submit(done, add, InstanceProfileName=within, RoleName=name)
            deleted = pool.submit(done, delete, RoleName=name)
            assert (added.result(), deleted.result()) in [(None, "DeleteConflict"), ("NoSuchEntity", None)]
            roles = iam.get_instance_profile(InstanceProfileName=within)["InstanceProfile"]["Roles"]
            assert bool(roles) == (added.result() is None)


def test_a_role_may_be_in_several_profiles(iam, role):
    names = sorted(new_name("profile") for _ in range(3))
    for name in names:
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
    found, pages = all_pages(iam.list_instance_profiles_for_role, "InstanceProfiles", RoleName=role)
    assert (pages, [profile["InstanceProfileName"] for profile in found]) == (2, names)


def test_profiles_are_listed_page_by_page(iam):
    path = f"/{new_name('path')}/"
    names = [f"{letter}{new_name()}" for letter in "cAb"]
    for name in names:
        iam.create_instance_profile(InstanceProfileName=name, Path=path, Tags=[{"Key": "k", "Value": "v"}])
    found, pages = all_pages(iam.list_instance_profiles, "InstanceProfiles", PathPrefix=path)
    assert pages == 2
    assert [profile["InstanceProfileName"] for profile in found] == [names[1], names[2], names[0]]
    # Lists say nothing of tags.
    assert not any("Tags" in profile for profile in found)
    assert iam.list_instance_profiles(PathPrefix=path + "deeper/")["InstanceProfiles"] == []


def test_tags_are_added_replaced_and_removed(iam, profile):
    named = {"InstanceProfileName": profile}
    iam.tag_instance_profile(**named, Tags=[{"Key": "team", "Value": "red"}, {"Key": "a", "Value": ""}])
    iam.tag_instance_profile(**named, Tags=[{"Key": "team", "Value": "blue"}])
    # Their case counts, as in AWS for everything but users and roles.
    iam.tag_instance_profile(**named, Tags=[{"Key": "TEAM", "Value": "green"}])
    tags = {"team": "blue", "TEAM": "green", "a": ""}
    for found in (
        iam.list_instance_profile_tags(**named)["Tags"],
        iam.get_instance_profile(**named)["InstanceProfile"]["Tags"],
    ):
        assert {tag["Key"]: tag["Value"] for tag in found} == tags
    iam.untag_instance_profile(**named, TagKeys=["team"])
    found = iam.list_instance_profile_tags(**named)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in found} == {"TEAM": "green", "a": ""}


def test_what_is_not_there_is_named(iam, profile, role):
    for operation in (iam.add_role_to_instance_profile, iam.remove_role_from_instance_profile):
        with refused("NoSuchEntity", missing("nothing"), 404):
            operation(InstanceProfileName="nothing", RoleName=role)
        with refused("NoSuchEntity", "The role with name nobody cannot be found.", 404):
            operation(InstanceProfileName=profile, RoleName="nobody")
    with refused("NoSuchEntity", "The role with name nobody cannot be found.", 404):
        iam.list_instance_profiles_for_role(RoleName="nobody")


def test_a_linked_role_goes_into_no_profile(iam, profile):
    name = "AWSServiceRoleForAmazonElasticFileSystem"
    iam.create_service_linked_role(AWSServiceName="elasticfilesystem.amazonaws.com")
    text = f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
    with refused("UnmodifiableEntity", text):
        iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=name)
    iam.delete_service_linked_role(RoleName=name)


def test_who_puts_a_role_in_must_be_allowed_to_pass_it(server, iam, user, profile, role):
    theirs = server.client("iam", credentials=user.credentials)
    both = {"InstanceProfileName": profile, "RoleName": role}
    arn, role_arn = iam_arn("instance-profile", profile), iam_arn("role", role)
    with refused("AccessDenied", not_allowed(user.arn, "iam:AddRoleToInstanceProfile", arn), 403):
        theirs.add_role_to_instance_profile(**both)
    user.allow("iam:AddRoleToInstanceProfile")
    with refused("AccessDenied", not_allowed(user.arn, "iam:PassRole", role_arn), 403):
        theirs.add_role_to_instance_profile(**both)
    passed = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    user.allow("iam:PassRole", resource=role_arn, name="pass", Condition=passed)
    with refused("AccessDenied", not_allowed(user.arn, "iam:PassRole", role_arn), 403):
        theirs.add_role_to_instance_profile(**both)
    passed = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    user.allow("iam:PassRole", resource=role_arn, name="pass", Condition=passed)
    theirs.add_role_to_instance_profile(**both)


def test_tags_decide_who_may_do_what(server, iam, user):
    theirs = server.client("iam", credentials=user.credentials)
    name = new_name("profile")
    red = {"StringEquals": {"aws:RequestTag/team": "red"}}
    user.allow("iam:CreateInstanceProfile", Condition=red)
    arn = iam_arn("instance-profile", name)
    with refused("AccessDenied", not_allowed(user.arn, "iam:CreateInstanceProfile", arn), 403):
        theirs.create_instance_profile(InstanceProfileName=name, Tags=[{"Key": "team", "Value": "blue"}])
    with refused("AccessDenied", not_allowed(user.arn, "iam:TagInstanceProfile", arn), 403):
        theirs.create_instance_profile(InstanceProfileName=name, Tags=[{"Key": "team", "Value": "red"}])
    user.allow("iam:CreateInstanceProfile", "iam:TagInstanceProfile", Condition=red)
    theirs.create_instance_profile(InstanceProfileName=name, Tags=[{"Key": "team", "Value": "red"}])
    user.allow("iam:GetInstanceProfile", Condition={"StringEquals": {"iam:ResourceTag/team": "red"}})
    assert theirs.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"] == arn
    iam.untag_instance_profile(InstanceProfileName=name, TagKeys=["team"])
    with refused("AccessDenied", not_allowed(user.arn, "iam:GetInstanceProfile", arn), 403):
        theirs.get_instance_profile(InstanceProfileName=name)
    shown = not_allowed(user.arn, "iam:GetInstanceProfile", "instance profile nothing")
    with refused("AccessDenied", shown, 403):
        theirs.get_instance_profile(InstanceProfileName="nothing")
    with refused("AccessDenied", not_allowed(user.arn, "iam:ListInstanceProfiles", iam_arn("instance-profile", "")), 403):
        theirs.list_instance_profiles()


def test_the_account_tells_of_its_profiles(iam, profile, role):
    before = iam.get_account_summary()["SummaryMap"]
    assert before["InstanceProfilesQuota"] == 1000
    other = new_name("profile")
    iam.create_instance_profile(InstanceProfileName=other)
    iam.add_role_to_instance_profile(InstanceProfileName=other, RoleName=role)
    after = iam.get_account_summary()["SummaryMap"]
    assert after["InstanceProfiles"] == before["InstanceProfiles"] + 1
    pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role"])
    (detail,) = [one for page in pages for one in page["RoleDetailList"] if one["RoleName"] == role]
    (within,) = detail["InstanceProfileList"]
    assert (within["InstanceProfileName"], within["Roles"][0]["RoleName"]) == (other, role)


def test_an_account_has_so_many_profiles(tmp_path):
    config = tmp_path / "keyward.toml"
    config.write_text("[quotas]\ninstance_profiles = 2\n")
    server = Server(tmp_path / "data", "--config", config)
    iam = server.client("iam")
    for name in ("a", "b"):
        iam.create_instance_profile(InstanceProfileName=name)
    # The quota counts in the background.
    server.kill()
    server.start()
    iam = server.client("iam")
    with refused("LimitExceeded", "Cannot exceed quota for InstanceProfilesPerAccount: 2", 409):
        iam.create_instance_profile(InstanceProfileName="c")
    server.kill()
