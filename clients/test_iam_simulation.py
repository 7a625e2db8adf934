"""Simulations of policies: the server's own evaluator, asked about a made-up request."""

import pytest

from conftest import policy
from errors import refused
from iam_kit import AWS_POLICY, DENY_ALL, make_policy, new_name, not_allowed
from keyward import ACCOUNT

ENCRYPT = policy({"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"})
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
RED = {"StringEquals": {"aws:PrincipalTag/team": "red"}}


def decisions(answer):
    return [result["EvalDecision"] for result in answer["EvaluationResults"]]


def custom(iam, *policies, actions=("kms:Encrypt",), **more):
    return iam.simulate_custom_policy(PolicyInputList=list(policies), ActionNames=list(actions), **more)


def test_policies_alone_are_tried_out(iam):
    found = custom(iam, ENCRYPT, actions=["kms:Encrypt", "kms:decrypt"])
    assert decisions(found) == ["allowed", "implicitDeny"]
    first = found["EvaluationResults"][0]
    assert (first["EvalActionName"], first["EvalResourceName"]) == ("kms:Encrypt", "*")
    assert first["MissingContextValues"] == []
    assert "ResourceSpecificResults" not in first
    found = custom(iam, ENCRYPT, DENY_ALL)
    assert decisions(found) == ["explicitDeny"]
    assert found["EvaluationResults"][0]["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.2"


def test_the_statement_that_decided_is_shown_where_it_stands(iam):
    text = '{\n "Version": "2012-10-17",\n "Statement": [\n  {"Effect": "Allow", "Action": "sts:*", "Resource": "*"},\n  {"Effect": "Allow",\n   "Action": "kms:*", "Resource": "*"}\n ]\n}'
    (matched,) = custom(iam, text)["EvaluationResults"][0]["MatchedStatements"]
    assert matched == {
        "SourcePolicyId": "PolicyInputList.1",
        "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 5, "Column": 3},
        "EndPosition": {"Line": 6, "Column": 38},
    }


def test_each_action_is_tried_on_each_resource(iam):
    one = policy({"Effect": "Allow", "Action": "kms:*", "Resource": KEY})
    other = KEY.replace("1234abcd", "00000000")
    found = custom(iam, one, actions=["kms:Encrypt", "kms:Decrypt"], ResourceArns=[KEY, other])
    seen = [(r["EvalActionName"], r["EvalResourceName"], r["EvalDecision"]) for r in found["EvaluationResults"]]
    assert seen == [
        ("kms:Encrypt", KEY, "allowed"),
        ("kms:Encrypt", other, "implicitDeny"),
        ("kms:Decrypt", KEY, "allowed"),
        ("kms:Decrypt", other, "implicitDeny"),
    ]
    (inner,) = found["EvaluationResults"][0]["ResourceSpecificResults"]
    assert (inner["EvalResourceName"], inner["EvalResourceDecision"]) == (KEY, "allowed")
    pages = iam.get_paginator("simulate_custom_policy").paginate(
        PolicyInputList=[one],
        ActionNames=["kms:Encrypt", "kms:Decrypt"],
        ResourceArns=[KEY, other],
        PaginationConfig={"PageSize": 3},
    )
    paged = [decision for page in pages for decision in decisions(page)]
    assert paged == ["allowed", "implicitDeny", "allowed", "implicitDeny"]


def test_condition_keys_are_given_or_said_to_be_missing(iam):
    text = policy(
        {
            "Effect": "Allow",
            "Action": "kms:*",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestTag/team": ["red"]}, "Bool": {"aws:SecureTransport": "true"}},
        }
    )
    found = custom(iam, text)
    assert decisions(found) == ["implicitDeny"]
    assert found["EvaluationResults"][0]["MissingContextValues"] == ["aws:RequestTag/team", "aws:SecureTransport"]
    entries = [
        {"ContextKeyName": "aws:requesttag/team", "ContextKeyValues": ["red"], "ContextKeyType": "string"},
        {"ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"},
    ]
    found = custom(iam, text, ContextEntries=entries)
    assert decisions(found) == ["allowed"]
    assert found["EvaluationResults"][0]["MissingContextValues"] == []
    names = iam.get_context_keys_for_custom_policy(PolicyInputList=[text, ENCRYPT])["ContextKeyNames"]
    assert names == ["aws:RequestTag/team", "aws:SecureTransport"]


def test_boundary_and_organization_are_told_apart(iam):
    boundary = {"PermissionsBoundaryPolicyInputList": [ENCRYPT]}
    both = policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    found = custom(iam, both, actions=["kms:Encrypt", "kms:Decrypt"], **boundary)
    assert decisions(found) == ["allowed", "implicitDeny"]
    details = [r["PermissionsBoundaryDecisionDetail"] for r in found["EvaluationResults"]]
    assert details == [{"AllowedByPermissionsBoundary": True}, {"AllowedByPermissionsBoundary": False}]
    levels = [{"ServiceControlPolicyInputList": [both]}, {"ServiceControlPolicyInputList": [ENCRYPT]}]
    found = custom(iam, both, actions=["kms:Encrypt", "kms:Decrypt"], OrderedOrganizationPolicyInputList=levels)
    assert decisions(found) == ["allowed", "implicitDeny"]
    details = [r["OrganizationsDecisionDetail"] for r in found["EvaluationResults"]]
    assert details == [{"AllowedByOrganizations": True}, {"AllowedByOrganizations": False}]


def test_a_key_policy_counts_if_it_is_given(iam, user):
    key_policy = policy({"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "kms:Decrypt", "Resource": "*"})
    call = {"actions": ["kms:Decrypt", "kms:Encrypt"], "ResourceArns": [KEY]}
    assert decisions(custom(iam, ENCRYPT, **call)) == ["implicitDeny", "allowed"]
    found = custom(iam, ENCRYPT, **call, ResourcePolicy=key_policy, CallerArn=user.arn)
    # The key policy does not delegate to the account, so that the user's own policy is not enough.
    assert decisions(found) == ["allowed", "implicitDeny"]
    matched = found["EvaluationResults"][0]["MatchedStatements"][0]
    assert matched["SourcePolicyId"] == "ResourcePolicy"
    with refused("InvalidInput", "CallerArn is required if ResourcePolicy is given."):
        custom(iam, ENCRYPT, **call, ResourcePolicy=key_policy)


def simulated(iam, arn, *actions, **more):
    return iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(actions), **more)


def test_a_users_policies_groups_and_boundary_are_tried_out(iam, user):
    group, managed = new_name("group"), make_policy(iam, policy({"Effect": "Allow", "Action": "kms:Sign", "Resource": "*"}))
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=user.name)
    iam.attach_group_policy(GroupName=group, PolicyArn=AWS_POLICY + "AWSKeyManagementServicePowerUser")
    iam.attach_user_policy(UserName=user.name, PolicyArn=managed)
    user.allow("kms:Encrypt", name="inline")
    actions = ["kms:Encrypt", "kms:Sign", "kms:CreateKey", "kms:Decrypt"]
    found = simulated(iam, user.arn, *actions)
    assert decisions(found) == ["allowed", "allowed", "allowed", "implicitDeny"]
    sources = [r["MatchedStatements"][0]["SourcePolicyId"] for r in found["EvaluationResults"][:3]]
    assert sources == [f"user_{user.name}_inline", managed.rsplit("/")[-1], "AWSKeyManagementServicePowerUser"]
    found = simulated(iam, user.arn, *actions, PolicyInputList=[DENY_ALL])
    assert set(decisions(found)) == {"explicitDeny"}
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=managed)
    assert decisions(simulated(iam, user.arn, *actions)) == ["implicitDeny", "allowed", "implicitDeny", "implicitDeny"]
    other = [policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})]
    found = simulated(iam, user.arn, *actions, PermissionsBoundaryPolicyInputList=other)
    assert decisions(found) == ["allowed", "allowed", "allowed", "implicitDeny"]


def test_policies_can_be_left_out(iam, user):
    managed = make_policy(iam, DENY_ALL)
    iam.attach_user_policy(UserName=user.name, PolicyArn=managed)
    user.allow("kms:Encrypt", name="inline")
    assert decisions(simulated(iam, user.arn, "kms:Encrypt")) == ["explicitDeny"]
    without = [{"PolicyType": "user-managed", "PolicyArn": managed}]
    assert decisions(simulated(iam, user.arn, "kms:Encrypt", PolicyExclusionList=without)) == ["allowed"]
    inline = {"PolicyName": "inline", "AttachmentType": "user", "AttachmentName": user.name}
    without.append({"PolicyType": "inline", "InlinePolicyIdentifier": inline})
    assert decisions(simulated(iam, user.arn, "kms:Encrypt", PolicyExclusionList=without)) == ["implicitDeny"]


def test_the_simulation_says_what_the_server_does(iam, user, key, kms):
    """Variables and tags of the user itself count."""
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    user.allow("kms:DescribeKey", Condition=RED)
    user.allow("kms:GetKeyPolicy", Condition={"StringEquals": {"aws:username": user.name}}, name="q")
    actions = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"]
    calls = [user.kms.describe_key, user.kms.get_key_policy, user.kms.list_grants]
    for team, expect in [(None, [False, True, False]), ("red", [True, True, False])]:
        if team:
            iam.tag_user(UserName=user.name, Tags=[{"Key": "team", "Value": team}])
        found = simulated(iam, user.arn, *actions, ResourceArns=[arn])
        assert [decision == "allowed" for decision in decisions(found)] == expect
        for call, allowed in zip(calls, expect):
            if allowed:
                call(KeyId=key)
            else:
                with refused("AccessDeniedException"):
                    call(KeyId=key)


def test_roles_and_groups_are_tried_out_too(iam):
    from iam_kit import Kind

    for word in ("Group", "Role"):
        kind = Kind(iam, word)
        name = kind.make()
        kind.call(f"put_{kind.noun}_policy", name, PolicyName="p", PolicyDocument=ENCRYPT)
        assert decisions(simulated(iam, kind.arn(name), "kms:Encrypt", "kms:Decrypt")) == ["allowed", "implicitDeny"]
        with refused("NoSuchEntity", kind.missing("nobody"), 404):
            simulated(iam, kind.arn("nobody"), "kms:Encrypt")


def test_the_context_keys_of_a_principal(iam, user):
    user.allow("kms:*", Condition=RED)
    names = iam.get_context_keys_for_principal_policy(PolicySourceArn=user.arn)["ContextKeyNames"]
    assert names == ["aws:PrincipalTag/team"]
    more = policy({"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:*:*:key/${aws:username}"})
    names = iam.get_context_keys_for_principal_policy(PolicySourceArn=user.arn, PolicyInputList=[more])
    assert names["ContextKeyNames"] == ["aws:PrincipalTag/team", "aws:username"]


@pytest.mark.parametrize(
    "more,message",
    [
        ({"actions": ["Encrypt"]}, "Invalid action name: Encrypt"),
        ({"actions": ["kms:*"]}, "Invalid action name: kms:*"),
        ({"ResourceArns": ["key"]}, "ARN key is not valid."),
        ({"CallerArn": "arn:aws:iam::000000000000:role/x"}, "ARN arn:aws:iam::000000000000:role/x is not valid."),
        ({"PermissionsBoundaryPolicyInputList": [ENCRYPT, ENCRYPT]}, "Exactly one permissions boundary can be given."),
    ],
)
def test_what_cannot_be_simulated(iam, more, message):
    with refused("InvalidInput", message):
        custom(iam, ENCRYPT, **more)


def test_malformed_policies_are_invalid_input(iam, user):
    with refused("InvalidInput", "Syntax errors in policy."):
        custom(iam, "nonsense")
    with refused("InvalidInput", "Invalid ARN:  Could not be parsed!"):
        simulated(iam, "x" * 20, "kms:Encrypt")
    foreign = "arn:aws:iam::111122223333:user/x"
    with refused("InvalidInput", f"ARN {foreign} is not valid."):
        simulated(iam, foreign, "kms:Encrypt")
    with refused("ValidationError"):
        iam.simulate_custom_policy(ActionNames=["kms:Encrypt"])


def test_trying_out_is_a_right(server, user):
    theirs = server.client("iam", credentials=user.credentials)
    with refused("AccessDenied", not_allowed(user.arn, "iam:SimulatePrincipalPolicy", user.arn), 403):
        simulated(theirs, user.arn, "kms:Encrypt")
    with refused("AccessDenied", not_allowed(user.arn, "iam:SimulateCustomPolicy", "*"), 403):
        custom(theirs, ENCRYPT)
