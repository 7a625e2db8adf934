"""Roles that are linked to services: made from a table, named by key policies, deleted by a task."""

import pytest

from conftest import DELEGATION, policy
from errors import refused
from iam_kit import iam_arn, loaded
from keyward import ACCOUNT, ROOT

TABLE = [
    line.split("\t")
    for line in (ROOT / "apis/iam/src/role/linked_services.tsv").read_text().splitlines()
]
AUTO_SCALING = "autoscaling.amazonaws.com"
SUFFIXED = {"autoscaling.amazonaws.com", "connect.amazonaws.com", "lexv2.amazonaws.com"}


@pytest.fixture
def linked(iam):
    """Makes roles that are linked to a service, and takes them away again."""
    made = []

    def make(service, **more):
        role = iam.create_service_linked_role(AWSServiceName=service, **more)["Role"]
        made.append(role["RoleName"])
        return role

    yield make
    for name in made:
        try:
            iam.delete_service_linked_role(RoleName=name)
        except iam.exceptions.NoSuchEntityException:
            pass


@pytest.mark.parametrize("service,name,attached,suffix,description", TABLE)
def test_every_service_of_the_table_gets_its_role(iam, linked, service, name, attached, suffix, description):
    made = linked(service)
    path = f"/aws-service-role/{service}/"
    assert (made["RoleName"], made["Path"]) == (name, path)
    assert made["Arn"] == iam_arn("role", name, path)
    found = iam.get_role(RoleName=name)["Role"]
    assert found.get("Description", "") == description
    assert found["MaxSessionDuration"] == 3600
    assert loaded(found["AssumeRolePolicyDocument"]) == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }
    policies = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert policies == [
        {"PolicyName": attached, "PolicyArn": f"arn:aws:iam::aws:policy/aws-service-role/{attached}"}
    ]
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/{service}/{name}/")
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    if suffix != "suffix":
        with refused("InvalidInput", f"Custom suffix is not allowed for {service}"):
            iam.create_service_linked_role(AWSServiceName=service, CustomSuffix="x")


def test_the_services_that_take_a_suffix_are_those_of_aws():
    assert {row[0] for row in TABLE if row[3] == "suffix"} == SUFFIXED


def test_a_suffix_makes_another_role(iam, linked):
    plain = linked(AUTO_SCALING)
    other = linked(AUTO_SCALING, CustomSuffix="team", Description="of the team")
    assert plain["RoleName"] == "AWSServiceRoleForAutoScaling"
    assert other["RoleName"] == "AWSServiceRoleForAutoScaling_team"
    assert other["Arn"] == iam_arn("role", other["RoleName"], f"/aws-service-role/{AUTO_SCALING}/")
    assert iam.get_role(RoleName=other["RoleName"])["Role"]["Description"] == "of the team"
    for name, more in ((plain["RoleName"], {}), (other["RoleName"], {"CustomSuffix": "team"})):
        text = f"Service role name {name} has been taken in this account, please try a different suffix."
        with refused("InvalidInput", text):
            iam.create_service_linked_role(AWSServiceName=AUTO_SCALING, **more)
    long = "x" * 36
    text = (
        f"1 validation error detected: Value 'AWSServiceRoleForAutoScaling_{long}' at 'roleName' failed to "
        "satisfy constraint: Member must have length less than or equal to 64"
    )
    with refused("ValidationError", text):
        iam.create_service_linked_role(AWSServiceName=AUTO_SCALING, CustomSuffix=long)


def test_a_service_that_is_not_in_the_table_has_no_role(iam):
    for service in ("nothing.amazonaws.com", "Autoscaling.amazonaws.com", "autoscaling"):
        text = f"Cannot find Service Linked Role template for {service}"
        with refused("AccessDenied", text, 403):
            iam.create_service_linked_role(AWSServiceName=service)


def auto_scaling_statements(role):
    """What AWS's documentation has in the key policy for encrypted volumes of Auto Scaling."""
    return [
        {
            "Sid": "Allow service-linked role use of the customer managed key",
            "Effect": "Allow",
            "Principal": {"AWS": [role]},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
        },
        {
            "Sid": "Allow attachment of persistent resources",
            "Effect": "Allow",
            "Principal": {"AWS": [role]},
            "Action": ["kms:CreateGrant"],
            "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": True}},
        },
    ]


def test_the_documented_key_policy_of_auto_scaling_works(iam, kms, linked, key):
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{AUTO_SCALING}/AWSServiceRoleForAutoScaling"
    document = policy(DELEGATION, *auto_scaling_statements(role))
    text = "Policy contains a statement with one or more invalid principals."
    with refused("MalformedPolicyDocumentException", text):
        kms.put_key_policy(KeyId=key, Policy=document)
    assert linked(AUTO_SCALING)["Arn"] == role
    kms.put_key_policy(KeyId=key, Policy=document)
    assert role in kms.get_key_policy(KeyId=key)["Policy"]
    made = kms.create_key(Policy=document)["KeyMetadata"]["KeyId"]
    assert role in kms.get_key_policy(KeyId=made)["Policy"]
    # The other documented way: a grant to the role.
    grant = kms.create_grant(
        KeyId=key,
        GranteePrincipal=role,
        Operations=["Encrypt", "Decrypt", "GenerateDataKeyWithoutPlaintext", "DescribeKey", "CreateGrant"],
    )["GrantId"]
    assert grant in [one["GrantId"] for one in kms.list_grants(KeyId=key)["Grants"]]
    # As for every role, its id is shown when it is gone.
    found = iam.get_role(RoleName="AWSServiceRoleForAutoScaling")["Role"]["RoleId"]
    iam.delete_service_linked_role(RoleName="AWSServiceRoleForAutoScaling")
    assert found in kms.get_key_policy(KeyId=key)["Policy"]
