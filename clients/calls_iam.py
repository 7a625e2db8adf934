"""The rows of IAM in the table of calls (`calls.py`)."""

from conftest import policy
from keyward import ACCOUNT

ALLOW = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
TRUST = policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"})
TAGS = [{"Key": "team", "Value": "red"}]
LINKED = "cks.kms.amazonaws.com"
LINKED_ROLE = "AWSServiceRoleForKeyManagementServiceCustomKeyStores"


def user(w, suffix):
    return {"UserName": w.user(suffix)}


def group(w, suffix):
    w.root.iam.create_group(GroupName=w.name(suffix))
    return {"GroupName": w.name(suffix)}


def role(w, suffix):
    w.root.iam.create_role(RoleName=w.name(suffix), AssumeRolePolicyDocument=TRUST)
    return {"RoleName": w.name(suffix)}


def managed(w, suffix, versions=1):
    made = w.root.iam.create_policy(PolicyName=w.name(suffix), PolicyDocument=ALLOW)
    arn = made["Policy"]["Arn"]
    for _ in range(versions - 1):
        w.root.iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)
    return {"PolicyArn": arn}


def source(w, suffix):
    """The ARN of a user, for what asks about its policies."""
    return w.root.iam.get_user(**user(w, suffix))["User"]["Arn"]


def access_key(w, suffix):
    named = user(w, suffix)
    made = w.root.iam.create_access_key(**named)["AccessKey"]
    return {**named, "AccessKeyId": made["AccessKeyId"]}


def member(w, suffix):
    named = {**user(w, suffix), **group(w, suffix)}
    w.root.iam.add_user_to_group(**named)
    return named


def embedded(w, noun, named):
    getattr(w.root.iam, f"put_{noun}_policy")(**named, PolicyName="p", PolicyDocument=ALLOW)
    return {**named, "PolicyName": "p"}


def attached(w, noun, named, suffix):
    both = {**named, **managed(w, suffix)}
    getattr(w.root.iam, f"attach_{noun}_policy")(**both)
    return both


def bounded(w, noun, named, suffix):
    boundary = managed(w, suffix)["PolicyArn"]
    getattr(w.root.iam, f"put_{noun}_permissions_boundary")(**named, PermissionsBoundary=boundary)
    return named


def linked(w):
    w.root.iam.create_service_linked_role(AWSServiceName=LINKED)
    return {"RoleName": LINKED_ROLE}


def unlinked(w, answer):
    """Takes a linked role away again, since an account has one at most."""
    w.root.iam.delete_service_linked_role(RoleName=LINKED_ROLE)
    return answer


def deletion(w):
    task = w.root.iam.delete_service_linked_role(**linked(w))
    return {"DeletionTaskId": task["DeletionTaskId"]}


def alias(w):
    """An account has one alias at most, so a row takes it away again or makes its own."""
    name = w.name("alias").lower()
    w.root.iam.create_account_alias(AccountAlias=name)
    return {"AccountAlias": name}


def aliased(w):
    name = w.name("named").lower()
    answer = w.iam.create_account_alias(AccountAlias=name)
    w.root.iam.delete_account_alias(AccountAlias=name)
    return answer


def instance_profile(w, suffix):
    w.root.iam.create_instance_profile(InstanceProfileName=w.name(suffix))
    return {"InstanceProfileName": w.name(suffix)}


def profile_and_role(w, suffix):
    return {**instance_profile(w, suffix), **role(w, suffix)}


def profile_with_role(w, suffix):
    both = profile_and_role(w, suffix)
    w.root.iam.add_role_to_instance_profile(**both)
    return both


def instance_profiles():
    return {
        "AddRoleToInstanceProfile": lambda w: w.iam.add_role_to_instance_profile(**profile_and_role(w, "put-in")),
        "CreateInstanceProfile": lambda w: w.iam.create_instance_profile(
            InstanceProfileName=w.name("made"), Path="/team/", Tags=TAGS
        ),
        "DeleteInstanceProfile": lambda w: w.iam.delete_instance_profile(**instance_profile(w, "gone")),
        "DeleteInstanceProfile-conflict": lambda w: w.iam.delete_instance_profile(
            InstanceProfileName=profile_with_role(w, "holding")["InstanceProfileName"]
        ),
        "GetInstanceProfile": lambda w: w.iam.get_instance_profile(**instance_profile(w, "shown")),
        "ListInstanceProfileTags": lambda w: w.iam.list_instance_profile_tags(**instance_profile(w, "tagged")),
        "ListInstanceProfiles": lambda w: w.iam.list_instance_profiles(MaxItems=1),
        "ListInstanceProfilesForRole": lambda w: w.iam.list_instance_profiles_for_role(
            RoleName=profile_with_role(w, "profiles")["RoleName"]
        ),
        "RemoveRoleFromInstanceProfile": lambda w: w.iam.remove_role_from_instance_profile(
            **profile_with_role(w, "taken-out")
        ),
        "TagInstanceProfile": lambda w: w.iam.tag_instance_profile(**instance_profile(w, "tag"), Tags=TAGS),
        "UntagInstanceProfile": lambda w: w.iam.untag_instance_profile(
            **instance_profile(w, "untag"), TagKeys=["team"]
        ),
    }


def report(w):
    w.root.iam.generate_credential_report()
    return {}


def job(w, suffix):
    made = w.root.iam.generate_service_last_accessed_details(Arn=source(w, suffix))
    return {"JobId": made["JobId"]}


def audits():
    """What auditors ask for, most of which is never there."""
    return {
        "GenerateCredentialReport": lambda w: w.iam.generate_credential_report(**report(w)),
        "GetCredentialReport": lambda w: w.iam.get_credential_report(**report(w)),
        "GenerateServiceLastAccessedDetails": lambda w: w.iam.generate_service_last_accessed_details(
            Arn=source(w, "access")
        ),
        "GetServiceLastAccessedDetails": lambda w: w.iam.get_service_last_accessed_details(**job(w, "accessed")),
        "GetServiceLastAccessedDetailsWithEntities": lambda w: (
            w.iam.get_service_last_accessed_details_with_entities(**job(w, "accessing"), ServiceNamespace="kms")
        ),
        "GetAccountPasswordPolicy-none": lambda w: w.iam.get_account_password_policy(),
        "GetSAMLProvider-none": lambda w: w.iam.get_saml_provider(
            SAMLProviderArn=f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
        ),
        "GetServerCertificate-none": lambda w: w.iam.get_server_certificate(ServerCertificateName="c"),
        "ListSAMLProviders": lambda w: w.iam.list_saml_providers(),
        "ListServerCertificates": lambda w: w.iam.list_server_certificates(),
    }


NOUNS = {"user": user, "group": group, "role": role}


def of_each_noun():
    """What users, groups and roles have alike."""
    rows = {}
    for noun, make in NOUNS.items():
        word = noun.title()

        def row(name, operation, named, rows=rows):
            rows[name] = lambda w: getattr(w.iam, operation)(**named(w))

        def put(w, make=make):
            return {**make(w, "put"), "PolicyName": "p", "PolicyDocument": ALLOW}

        row(f"Put{word}Policy", f"put_{noun}_policy", put)
        row(f"Attach{word}Policy", f"attach_{noun}_policy", lambda w, make=make, noun=noun: {
            **make(w, "attach"), **managed(w, f"attach-{noun}")
        })
        row(f"Detach{word}Policy", f"detach_{noun}_policy", lambda w, make=make, noun=noun: attached(
            w, noun, make(w, "detach"), f"detach-{noun}"
        ))
        row(f"ListAttached{word}Policies", f"list_attached_{noun}_policies", lambda w, make=make, noun=noun: {
            **make(w, "attached")
        })
        for verb in ("get", "delete"):
            row(f"{verb.title()}{word}Policy", f"{verb}_{noun}_policy", lambda w, make=make, noun=noun, verb=verb: embedded(
                w, noun, make(w, f"{verb}-inline")
            ))
        row(f"List{word}Policies", f"list_{noun}_policies", lambda w, make=make: make(w, "inline"))
    return rows


def tags():
    rows = {}
    for noun, make in {"user": user, "role": role, "policy": managed}.items():
        word = noun.title()
        rows[f"Tag{word}"] = lambda w, make=make, noun=noun: getattr(w.iam, f"tag_{noun}")(
            **make(w, f"tag-{noun}"), Tags=TAGS
        )
        rows[f"Untag{word}"] = lambda w, make=make, noun=noun: getattr(w.iam, f"untag_{noun}")(
            **make(w, f"untag-{noun}"), TagKeys=["team"]
        )
        rows[f"List{word}Tags"] = lambda w, make=make, noun=noun: getattr(w.iam, f"list_{noun}_tags")(
            **make(w, f"tags-{noun}")
        )
    return rows


def boundaries():
    rows = {}
    for noun, make in {"user": user, "role": role}.items():
        word = noun.title()
        rows[f"Put{word}PermissionsBoundary"] = lambda w, make=make, noun=noun: getattr(
            w.iam, f"put_{noun}_permissions_boundary"
        )(**make(w, "bound"), PermissionsBoundary=managed(w, f"bound-{noun}")["PolicyArn"])
        rows[f"Delete{word}PermissionsBoundary"] = lambda w, make=make, noun=noun: getattr(
            w.iam, f"delete_{noun}_permissions_boundary"
        )(**bounded(w, noun, make(w, "unbound"), f"unbound-{noun}"))
    return rows


def empty_lists():
    return {
        "ListMFADevices": lambda w: w.iam.list_mfa_devices(**user(w, "mfa")),
        "ListSSHPublicKeys": lambda w: w.iam.list_ssh_public_keys(**user(w, "ssh")),
        "ListServiceSpecificCredentials": lambda w: w.iam.list_service_specific_credentials(**user(w, "specific")),
        "ListSigningCertificates": lambda w: w.iam.list_signing_certificates(**user(w, "signing")),
        "ListVirtualMFADevices": lambda w: w.iam.list_virtual_mfa_devices(),
        "GetLoginProfile-none": lambda w: w.iam.get_login_profile(**user(w, "login")),
        "DeleteLoginProfile-none": lambda w: w.iam.delete_login_profile(**user(w, "no-login")),
    }


CALLS = {
    **of_each_noun(),
    **tags(),
    **boundaries(),
    **empty_lists(),
    **instance_profiles(),
    **audits(),
    "AddUserToGroup": lambda w: w.iam.add_user_to_group(**user(w, "add"), **group(w, "add")),
    "CreateAccessKey": lambda w: w.iam.create_access_key(**user(w, "1")),
    "CreateAccountAlias": aliased,
    "CreateGroup": lambda w: w.iam.create_group(GroupName=w.name("made"), Path="/team/"),
    "CreatePolicy": lambda w: w.iam.create_policy(
        PolicyName=w.name("made"), PolicyDocument=ALLOW, Description="golden", Tags=TAGS
    ),
    "CreatePolicyVersion": lambda w: w.iam.create_policy_version(
        **managed(w, "versioned"), PolicyDocument=ALLOW, SetAsDefault=True
    ),
    "CreateRole": lambda w: w.iam.create_role(
        RoleName=w.name("made"), AssumeRolePolicyDocument=TRUST, Description="golden", Tags=TAGS
    ),
    "CreateServiceLinkedRole": lambda w: unlinked(w, w.iam.create_service_linked_role(AWSServiceName=LINKED)),
    "CreateUser": lambda w: w.iam.create_user(UserName=w.name("2"), Path="/team/"),
    "DeleteAccessKey": lambda w: w.iam.delete_access_key(**access_key(w, "4")),
    "DeleteAccountAlias": lambda w: w.iam.delete_account_alias(**alias(w)),
    "DeleteGroup": lambda w: w.iam.delete_group(**group(w, "gone")),
    "DeletePolicy": lambda w: w.iam.delete_policy(**managed(w, "gone")),
    "DeletePolicyVersion": lambda w: w.iam.delete_policy_version(**managed(w, "less", 2), VersionId="v2"),
    "DeleteRole": lambda w: w.iam.delete_role(**role(w, "gone")),
    "DeleteRole-conflict": lambda w: w.iam.delete_role(
        RoleName=embedded(w, "role", role(w, "held"))["RoleName"]
    ),
    "DeleteServiceLinkedRole": lambda w: w.iam.delete_service_linked_role(**linked(w)),
    "DeleteUser": lambda w: w.iam.delete_user(**user(w, "5")),
    "DeleteUser-not-found": lambda w: w.iam.delete_user(UserName="nobody"),
    "GetAccessKeyLastUsed": lambda w: w.iam.get_access_key_last_used(AccessKeyId=access_key(w, "used")["AccessKeyId"]),
    "GetAccountAuthorizationDetails": lambda w: w.iam.get_account_authorization_details(Filter=["Group"]),
    "GetAccountSummary": lambda w: w.iam.get_account_summary(),
    "GetContextKeysForCustomPolicy": lambda w: w.iam.get_context_keys_for_custom_policy(PolicyInputList=[ALLOW]),
    "GetContextKeysForPrincipalPolicy": lambda w: w.iam.get_context_keys_for_principal_policy(
        PolicySourceArn=source(w, "asked")
    ),
    "GetGroup": lambda w: w.iam.get_group(**group(w, "shown")),
    "GetPolicy": lambda w: w.iam.get_policy(**managed(w, "shown")),
    "GetPolicyVersion": lambda w: w.iam.get_policy_version(**managed(w, "text"), VersionId="v1"),
    "GetRole": lambda w: w.iam.get_role(**role(w, "shown")),
    "GetServiceLinkedRoleDeletionStatus": lambda w: w.iam.get_service_linked_role_deletion_status(**deletion(w)),
    "GetUser": lambda w: w.iam.get_user(**user(w, "shown")),
    "ListAccessKeys": lambda w: w.iam.list_access_keys(**user(w, "keys")),
    "ListAccountAliases": lambda w: w.iam.list_account_aliases(),
    "ListEntitiesForPolicy": lambda w: w.iam.list_entities_for_policy(**managed(w, "held-by"), EntityFilter="User"),
    "ListGroups": lambda w: w.iam.list_groups(MaxItems=1),
    "ListGroupsForUser": lambda w: w.iam.list_groups_for_user(**user(w, "in")),
    "ListPolicies": lambda w: w.iam.list_policies(Scope="Local", OnlyAttached=True, MaxItems=1),
    "ListPolicyVersions": lambda w: w.iam.list_policy_versions(**managed(w, "all")),
    "ListRoles": lambda w: w.iam.list_roles(PathPrefix="/nowhere/"),
    "ListUsers": lambda w: w.iam.list_users(MaxItems=1),
    "RemoveUserFromGroup": lambda w: w.iam.remove_user_from_group(**member(w, "out")),
    "SetDefaultPolicyVersion": lambda w: w.iam.set_default_policy_version(**managed(w, "default", 2), VersionId="v2"),
    "SimulateCustomPolicy": lambda w: w.iam.simulate_custom_policy(
        PolicyInputList=[ALLOW], ActionNames=["kms:Decrypt", "kms:Encrypt"], ResourceArns=["*"]
    ),
    "SimulatePrincipalPolicy": lambda w: w.iam.simulate_principal_policy(
        PolicySourceArn=source(w, "tried"), ActionNames=["kms:Decrypt"]
    ),
    "UpdateAccessKey": lambda w: w.iam.update_access_key(**access_key(w, "off"), Status="Inactive"),
    "UpdateAssumeRolePolicy": lambda w: w.iam.update_assume_role_policy(**role(w, "trust"), PolicyDocument=TRUST),
    "UpdateGroup": lambda w: w.iam.update_group(**group(w, "old"), NewGroupName=w.name("new")),
    "UpdateRole": lambda w: w.iam.update_role(**role(w, "longer"), MaxSessionDuration=7200),
    "UpdateRoleDescription": lambda w: w.iam.update_role_description(**role(w, "said"), Description="new"),
    "UpdateUser": lambda w: w.iam.update_user(**user(w, "old"), NewUserName=w.name("new"), NewPath="/team/"),
}
