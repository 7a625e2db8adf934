"""The account: its alias, its numbers, everything at once, and what tools ask for before they
delete."""

import pytest

from conftest import policy
from errors import refused
from iam_kit import ALLOW_ALL, TRUST, loaded, make_policy, new_name, not_allowed
from keyward import Server


def test_an_account_has_one_alias(own_server):
    iam = own_server.client("iam")
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias="first-one")
    with refused("EntityAlreadyExists", "The account alias first-one already exists.", 409):
        iam.create_account_alias(AccountAlias="first-one")
    assert iam.list_account_aliases()["AccountAliases"] == ["first-one"]
    iam.create_account_alias(AccountAlias="second")
    assert iam.list_account_aliases()["AccountAliases"] == ["second"]
    with refused("NoSuchEntity", "The account alias first-one cannot be found.", 404):
        iam.delete_account_alias(AccountAlias="first-one")
    iam.create_account_alias(AccountAlias="first-one")
    iam.delete_account_alias(AccountAlias="first-one")
    assert iam.list_account_aliases()["AccountAliases"] == []
    for bad in ("ab", "-ab", "a--b", "Ab1", "x" * 64):
        with refused("ValidationError"):
            iam.create_account_alias(AccountAlias=bad)


def test_a_quota_of_the_account_is_told_by_its_name(tmp_path):
    config = tmp_path / "keyward.toml"
    config.write_text("[quotas]\nusers = 1\nroles = 1\ngroups = 1\npolicies = 1\n")
    server = Server(tmp_path / "data", "--config", config)
    iam = server.client("iam")
    try:
        for quota, make in [
            ("UsersPerAccount", lambda: iam.create_user(UserName=new_name())),
            ("GroupsPerAccount", lambda: iam.create_group(GroupName=new_name())),
            ("RolesPerAccount", lambda: iam.create_role(RoleName=new_name(), AssumeRolePolicyDocument=TRUST)),
            ("PoliciesPerAccount", lambda: make_policy(iam)),
        ]:
            make()
            with refused("LimitExceeded", f"Cannot exceed quota for {quota}: 1", 409):
                make()
        for number in range(100):
            iam.create_open_id_connect_provider(Url=f"https://idp-{number}.example")
        with refused("LimitExceeded", "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100", 409):
            iam.create_open_id_connect_provider(Url="https://one-more.example")
        # Far over a role's limit, white space not counted.
        large = TRUST.replace('"Version"', '"Id": "%s", "Version"' % ("x" * 9000))
        name = iam.list_roles()["Roles"][0]["RoleName"]
        with refused("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 8192", 409):
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=large)
    finally:
        server.kill()


def test_the_summary_counts(iam, user):
    before = iam.get_account_summary()["SummaryMap"]
    assert (before["UsersQuota"], before["VersionsPerPolicyQuota"], before["AccountMFAEnabled"]) == (5000, 5, 0)
    iam.create_user(UserName=new_name())
    iam.create_group(GroupName=new_name())
    iam.create_role(RoleName=new_name(), AssumeRolePolicyDocument=TRUST)
    make_policy(iam)
    after = iam.get_account_summary()["SummaryMap"]
    for noun in ("Users", "Groups", "Roles", "Policies"):
        assert after[noun] == before[noun] + 1, noun


def everything(iam, **filters):
    found = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
    pages = 0
    for page in iam.get_paginator("get_account_authorization_details").paginate(
        PaginationConfig={"PageSize": 3}, **filters
    ):
        assert sum(len(page[member]) for member in found) <= 3
        pages += 1
        for member, items in found.items():
            items += page[member]
    assert pages > 1
    return found


def test_everything_that_decides_is_told_at_once(own_server):
    iam = own_server.client("iam")
    arn = make_policy(iam, name="mine", Description="d")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy({"Effect": "Deny", "Action": "*", "Resource": "*"}))
    tags = [{"Key": "k", "Value": "v"}]
    iam.create_user(UserName="u", Tags=tags, PermissionsBoundary=arn)
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Tags=tags)
    iam.add_user_to_group(GroupName="g", UserName="u")
    for word in ("user", "group", "role"):
        name = {f"{word.title()}Name": word[0]}
        getattr(iam, f"put_{word}_policy")(**name, PolicyName="p", PolicyDocument=ALLOW_ALL)
        getattr(iam, f"attach_{word}_policy")(**name, PolicyArn=arn)
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.attach_group_policy(GroupName="g", PolicyArn=administrator)
    iam.create_instance_profile(InstanceProfileName="i")
    iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="r")
    found = everything(iam)
    (user,), (group,), (role,) = found["UserDetailList"], found["GroupDetailList"], found["RoleDetailList"]
    attached = [{"PolicyName": "mine", "PolicyArn": arn}]
    for detail, word in ((user, "User"), (group, "Group"), (role, "Role")):
        assert detail["AttachedManagedPolicies"][:1] == attached
        (embedded,) = detail[f"{word}PolicyList"]
        assert (embedded["PolicyName"], loaded(embedded["PolicyDocument"])) == ("p", loaded(ALLOW_ALL))
    assert (user["GroupList"], user["Tags"]) == (["g"], tags)
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    (profile,) = role["InstanceProfileList"]
    assert (profile["InstanceProfileName"], profile["Roles"][0]["RoleName"]) == ("i", "r")
    assert (role["RoleLastUsed"], role["Tags"]) == ({}, tags)
    (mine,) = [one for one in found["Policies"] if one["PolicyName"] == "mine"]
    assert (mine["AttachmentCount"], mine["PermissionsBoundaryUsageCount"], mine["Description"]) == (3, 1, "d")
    versions = {version["VersionId"]: version for version in mine["PolicyVersionList"]}
    assert versions["v1"]["IsDefaultVersion"] and loaded(versions["v1"]["Document"]) == loaded(ALLOW_ALL)
    # Of AWS's own, those in use.
    assert [one["Arn"] for one in found["Policies"]] == [administrator, arn]
    found = iam.get_account_authorization_details(Filter=["Role", "LocalManagedPolicy"])
    assert (found["UserDetailList"], len(found["RoleDetailList"]), len(found["Policies"])) == ([], 1, 1)


def test_the_overview_is_a_right_of_its_own(server, user):
    theirs = server.client("iam", credentials=user.credentials)
    for call, action in [
        (theirs.get_account_summary, "iam:GetAccountSummary"),
        (theirs.get_account_authorization_details, "iam:GetAccountAuthorizationDetails"),
        (theirs.list_account_aliases, "iam:ListAccountAliases"),
        (theirs.list_virtual_mfa_devices, "iam:ListVirtualMFADevices"),
    ]:
        with refused("AccessDenied", not_allowed(user.arn, action, "*"), 403):
            call()


@pytest.mark.parametrize(
    "operation,member",
    [
        ("list_signing_certificates", "Certificates"),
        ("list_ssh_public_keys", "SSHPublicKeys"),
        ("list_service_specific_credentials", "ServiceSpecificCredentials"),
        ("list_mfa_devices", "MFADevices"),
    ],
)
def test_what_a_user_never_has_is_an_empty_list(iam, user, operation, member):
    found = getattr(iam, operation)(UserName=user.name)
    assert (found[member], found["IsTruncated"]) == ([], False)
    with refused("NoSuchEntity", "The user with name nobody cannot be found.", 404):
        getattr(iam, operation)(UserName="nobody")


def test_service_specific_credentials_of_all_users_are_a_right_of_its_own(server, iam, user):
    assert iam.list_service_specific_credentials(AllUsers=True, ServiceName="bedrock.amazonaws.com")["ServiceSpecificCredentials"] == []
    with refused("ValidationError", "AllUsers cannot be specified together with UserName.", 400):
        iam.list_service_specific_credentials(AllUsers=True, UserName=user.name)
    theirs = server.client("iam", credentials=user.credentials)
    with refused("AccessDenied", not_allowed(user.arn, "iam:ListServiceSpecificCredentials", "*"), 403):
        theirs.list_service_specific_credentials(AllUsers=True)


def test_no_user_has_a_password_and_there_are_no_devices(iam, user):
    text = f"Login Profile for User {user.name} cannot be found."
    with refused("NoSuchEntity", text, 404):
        iam.get_login_profile(UserName=user.name)
    with refused("NoSuchEntity", text, 404):
        iam.delete_login_profile(UserName=user.name)
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
