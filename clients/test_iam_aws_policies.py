"""AWS's own managed policies: listed, shown, attached, deciding, and nobody's to change."""

import json

import pytest

from conftest import DELEGATION, User, policy
from errors import refused
from iam_kit import ALLOW_ALL, AWS_POLICY, Kind, all_pages, loaded, new_name
from keyward import ACCOUNT
from test_explain import keyward  # noqa: F401, a fixture

READ_ONLY = AWS_POLICY + "ReadOnlyAccess"
WELL_KNOWN = [
    "AdministratorAccess",
    "PowerUserAccess",
    "ReadOnlyAccess",
    "SecurityAudit",
    "job-function/ViewOnlyAccess",
    "IAMFullAccess",
    "IAMReadOnlyAccess",
    "AWSKeyManagementServicePowerUser",
    "AWSSupportAccess",
    "AWSOrganizationsReadOnlyAccess",
    "AmazonElasticFileSystemFullAccess",
    "AmazonElasticFileSystemClientFullAccess",
    "AmazonElasticFileSystemClientReadWriteAccess",
    "AmazonRDSFullAccess",
    "service-role/AmazonRDSEnhancedMonitoringRole",
    "AmazonEKSClusterPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "service-role/AmazonEBSCSIDriverPolicy",
    "service-role/AmazonEFSCSIDriverPolicy",
    "service-role/AWSLambdaBasicExecutionRole",
    "AWSLambdaExecute",
    "AmazonSSMManagedInstanceCore",
    "AmazonS3ReadOnlyAccess",
    "AmazonEC2ContainerRegistryReadOnly",
    "CloudWatchAgentServerPolicy",
    "AWSDenyAll",
    "aws-service-role/AutoScalingServiceRolePolicy",
]


@pytest.fixture(params=["User", "Group", "Role"])
def kind(request, iam):
    return Kind(iam, request.param)


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_a_well_known_policy_is_there_with_its_document(iam, name):
    arn = AWS_POLICY + name
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    path, _, last = ("/" + name).rpartition("/")
    assert (found["Arn"], found["PolicyName"], found["Path"]) == (arn, last, path + "/")
    assert found["Description"] and found["IsAttachable"] and not found.get("Tags")
    assert found["CreateDate"] <= found["UpdateDate"]
    (version,) = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert (version["VersionId"], version["IsDefaultVersion"]) == (found["DefaultVersionId"], True)
    assert version["CreateDate"] == found["UpdateDate"]
    shown = iam.get_policy_version(PolicyArn=arn, VersionId=version["VersionId"])["PolicyVersion"]
    assert loaded(shown["Document"])["Version"] in ("2012-10-17", "2008-10-17")
    assert loaded(shown["Document"])["Statement"]


def test_a_policy_says_what_aws_says_of_it(iam):
    found = iam.get_policy(PolicyArn=READ_ONLY)["Policy"]
    assert found["PolicyId"] == "ANPAILL3HVNFSB6DCOWYQ"
    assert found["Description"] == "Provides read-only access to AWS services and resources."
    assert found["CreateDate"].isoformat() == "2015-02-06T18:39:48+00:00"
    version = found["DefaultVersionId"]
    assert version == "v190"
    document = iam.get_policy_version(PolicyArn=READ_ONLY, VersionId=version)["PolicyVersion"]["Document"]
    # Longer than a customer's policy may be.
    assert len(json.dumps(document)) > 90_000
    missing = f"Policy {READ_ONLY} version v1 does not exist or is not attachable."
    with refused("NoSuchEntity", missing, 404):
        iam.get_policy_version(PolicyArn=READ_ONLY, VersionId="v1")


def test_policies_of_aws_are_listed_page_by_page(iam):
    found, pages = [], 0
    for page in iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 100}):
        assert len(page["Policies"]) <= 100
        found += page["Policies"]
        pages += 1
    names = [policy["PolicyName"] for policy in found]
    assert pages > 2 and len(set(names)) == len(names) > 240
    assert names == sorted(names, key=str.lower)
    assert {policy["Arn"] for policy in found} >= {AWS_POLICY + name for name in WELL_KNOWN}
    # Lists say less.
    assert not any("Description" in policy or "Tags" in policy for policy in found)
    within = iam.list_policies(Scope="AWS", PathPrefix="/job-function/")["Policies"]
    assert {policy["Path"] for policy in within} == {"/job-function/"}
    assert iam.list_policies(Scope="Local", PathPrefix="/job-function/")["Policies"] == []


def test_a_use_is_counted_where_it_is(iam, kind):
    arn = AWS_POLICY + "AmazonSSMManagedInstanceCore"

    def numbers():
        found = iam.get_policy(PolicyArn=arn)["Policy"]
        listed = all_policies(iam, Scope="AWS")[arn]
        assert listed["AttachmentCount"] == found["AttachmentCount"]
        return found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]

    attached, bounded = numbers()
    name = kind.make()
    kind.call(f"attach_{kind.noun}_policy", name, PolicyArn=arn)
    assert numbers() == (attached + 1, bounded)
    assert arn in all_policies(iam, Scope="AWS", OnlyAttached=True)
    holders = iam.list_entities_for_policy(PolicyArn=arn)[f"Policy{kind.word}s"]
    assert name in [holder[kind.member] for holder in holders]
    details = all_details(iam)
    (detail,) = [one for one in details if one["Arn"] == arn]
    assert detail["AttachmentCount"] == attached + 1 and detail["PolicyVersionList"][0]["Document"]
    # What nobody uses is in the list of policies alone.
    assert AWS_POLICY + "AmazonSSMPatchAssociation" not in [one["Arn"] for one in details]
    kind.call(f"detach_{kind.noun}_policy", name, PolicyArn=arn)
    assert numbers() == (attached, bounded)


def all_policies(iam, **filters):
    pages = iam.get_paginator("list_policies").paginate(**filters)
    return {policy["Arn"]: policy for page in pages for policy in page["Policies"]}


def all_details(iam):
    pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["AWSManagedPolicy"])
    return [policy for page in pages for policy in page["Policies"]]


def test_a_policy_of_aws_decides(server, iam, kms, user):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    theirs = server.client("iam", credentials=user.credentials)
    with refused("AccessDeniedException", None, 400):
        user.kms.list_keys()
    iam.attach_user_policy(UserName=user.name, PolicyArn=READ_ONLY)
    user.kms.list_keys()
    user.kms.describe_key(KeyId=key)
    theirs.get_user(UserName=user.name)
    with refused("AccessDeniedException", None, 400):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDenied", None, 403):
        theirs.create_user(UserName=new_name())
    iam.attach_user_policy(UserName=user.name, PolicyArn=AWS_POLICY + "AdministratorAccess")
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    iam.attach_user_policy(UserName=user.name, PolicyArn=AWS_POLICY + "AWSDenyAll")
    with refused("AccessDeniedException", None, 400):
        user.kms.list_keys()


def test_a_policy_of_aws_is_a_boundary(server, iam, kms, user):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    user.allow("*")
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    before = iam.get_policy(PolicyArn=READ_ONLY)["Policy"]["PermissionsBoundaryUsageCount"]
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=READ_ONLY)
    assert iam.get_policy(PolicyArn=READ_ONLY)["Policy"]["PermissionsBoundaryUsageCount"] == before + 1
    assert READ_ONLY in all_policies(iam, PolicyUsageFilter="PermissionsBoundary")
    user.kms.describe_key(KeyId=key)
    with refused("AccessDeniedException", None, 400):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_policies_of_aws_take_part_in_simulations(iam, user):
    for name in ("ReadOnlyAccess", "SecurityAudit", "job-function/ViewOnlyAccess"):
        iam.attach_user_policy(UserName=user.name, PolicyArn=AWS_POLICY + name)
    asked = ["kms:ListKeys", "kms:Decrypt", "ec2:DescribeInstances", "ec2:RunInstances"]
    answer = iam.simulate_principal_policy(PolicySourceArn=user.arn, ActionNames=asked)
    decided = {one["EvalActionName"]: one for one in answer["EvaluationResults"]}
    assert {name: one["EvalDecision"] for name, one in decided.items()} == {
        "kms:ListKeys": "allowed",
        "kms:Decrypt": "implicitDeny",
        "ec2:DescribeInstances": "allowed",
        "ec2:RunInstances": "implicitDeny",
    }
    sources = [one["SourcePolicyId"] for one in decided["kms:ListKeys"]["MatchedStatements"]]
    assert set(sources) <= {"ReadOnlyAccess", "SecurityAudit", "ViewOnlyAccess"} and sources
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=user.arn)
    assert isinstance(keys["ContextKeyNames"], list)


def test_policies_of_aws_take_part_in_explanations(keyward, iam, user, key):  # noqa: F811
    iam.attach_user_policy(UserName=user.name, PolicyArn=READ_ONLY)
    status, told = keyward("explain", "--principal", user.arn, "--action", "kms:DescribeKey", "--key", key)
    assert status == 0 and told.startswith("ALLOWED") and READ_ONLY in told
    status, told = keyward("explain", "--principal", user.arn, "--action", "kms:Decrypt", "--key", key)
    assert status == 3 and told.startswith("DENIED")


@pytest.mark.parametrize("who", ["root", "user"])
def test_a_policy_of_aws_cannot_be_changed_tagged_or_deleted(server, iam, who):
    caller, arn = f"arn:aws:iam::{ACCOUNT}:root", READ_ONLY
    if who == "user":
        user = User(server, iam)
        user.allow("iam:*")
        iam, caller = server.client("iam", credentials=user.credentials), user.arn
    for operation, call in {
        "CreatePolicyVersion": lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW_ALL),
        "DeletePolicy": lambda: iam.delete_policy(PolicyArn=arn),
        "DeletePolicyVersion": lambda: iam.delete_policy_version(PolicyArn=arn, VersionId="v190"),
        "SetDefaultPolicyVersion": lambda: iam.set_default_policy_version(PolicyArn=arn, VersionId="v190"),
        "TagPolicy": lambda: iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "k", "Value": "v"}]),
        "UntagPolicy": lambda: iam.untag_policy(PolicyArn=arn, TagKeys=["k"]),
    }.items():
        text = f"User: {caller} is not authorized to perform: iam:{operation} on resource: policy {arn}"
        with refused("AccessDenied", text, 403):
            call()
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == []


def test_a_policy_of_service_linked_roles_is_attached_to_nobody_else(iam, kind):
    arn = AWS_POLICY + "aws-service-role/AutoScalingServiceRolePolicy"
    text = "Cannot attach a Service Role Policy to a Customer Role."
    with refused("PolicyNotAttachable", text):
        kind.call(f"attach_{kind.noun}_policy", kind.make(), PolicyArn=arn)


def test_what_is_not_in_the_table_is_not_there(iam, user):
    for name in ("AmazonBraketFullAccess", "service-role/AdministratorAccess", "readonlyaccess"):
        text = f"Policy {AWS_POLICY}{name} does not exist or is not attachable."
        with refused("NoSuchEntity", text, 404):
            iam.attach_user_policy(UserName=user.name, PolicyArn=AWS_POLICY + name)
        with refused("NoSuchEntity", f"Policy {AWS_POLICY}{name} was not found.", 404):
            iam.get_policy(PolicyArn=AWS_POLICY + name)


def test_a_session_policy_may_be_one_of_awss(server, iam, kms, user):
    trust = policy({"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=new_name("role"), AssumeRolePolicyDocument=trust)["Role"]
    iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=AWS_POLICY + "AdministratorAccess")
    key = kms.create_key(Policy=policy(DELEGATION))["KeyMetadata"]["KeyId"]
    sts = server.client("sts", credentials=user.credentials)
    made = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session", PolicyArns=[{"arn": READ_ONLY}])["Credentials"]
    session = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    theirs = server.client("kms", credentials=session)
    theirs.describe_key(KeyId=key)
    with refused("AccessDeniedException", None, 400):
        theirs.encrypt(KeyId=key, Plaintext=b"x")
