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


OTHER_KEY = KEY.replace("1234abcd", "00000000")


def on_resources(result):
    return [(r["EvalResourceName"], r["EvalResourceDecision"]) for r in result["ResourceSpecificResults"]]


def test_an_action_has_one_result_with_what_it_came_to_on_each_resource(iam):
    one = policy({"Effect": "Allow", "Action": "kms:*", "Resource": KEY})
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:Sign"]
    found = custom(iam, one, actions=actions, ResourceArns=[KEY, OTHER_KEY])["EvaluationResults"]
    assert [result["EvalActionName"] for result in found] == actions
    for result in found:
        assert on_resources(result) == [(KEY, "allowed"), (OTHER_KEY, "implicitDeny")]
        # The most restrictive decision stands for all.
        assert (result["EvalDecision"], result["MatchedStatements"]) == ("implicitDeny", [])
        assert result["EvalResourceName"] == "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}"
        ours, theirs = result["ResourceSpecificResults"]
        assert [m["SourcePolicyId"] for m in ours["MatchedStatements"]] == ["PolicyInputList.1"]
        assert theirs["MatchedStatements"] == []
    mixed = custom(iam, one, ResourceArns=[KEY, "*"])["EvaluationResults"][0]
    assert (mixed["EvalResourceName"], on_resources(mixed)[1]) == ("*", ("*", "implicitDeny"))
    pages = iam.get_paginator("simulate_custom_policy").paginate(
        PolicyInputList=[one],
        ActionNames=actions,
        ResourceArns=[KEY, OTHER_KEY],
        PaginationConfig={"PageSize": 2},
    )
    paged = [[result["EvalActionName"] for result in page["EvaluationResults"]] for page in pages]
    assert paged == [actions[:2], actions[2:]]


def test_an_explicit_deny_on_one_resource_stands_for_all(iam):
    """Its statements alone are the result's; the other resource keeps its own."""
    text = policy(
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:*", "Resource": KEY},
        {"Effect": "Deny", "Action": "*", "Resource": KEY},
    )
    (result,) = custom(iam, text, ResourceArns=[KEY, OTHER_KEY])["EvaluationResults"]
    assert result["EvalDecision"] == "explicitDeny"
    assert on_resources(result) == [(KEY, "explicitDeny"), (OTHER_KEY, "allowed")]
    denied, allowed = result["ResourceSpecificResults"]
    assert len(denied["MatchedStatements"]) == 2
    assert result["MatchedStatements"] == denied["MatchedStatements"]
    assert len(allowed["MatchedStatements"]) == 1
    assert allowed["MatchedStatements"][0] not in denied["MatchedStatements"]


def test_every_statement_that_determines_the_result_is_shown(iam, user):
    one = policy(
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "sts:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:Enc*", "Resource": "*"},
    )
    found = custom(iam, one, ENCRYPT)["EvaluationResults"][0]["MatchedStatements"]
    assert [m["SourcePolicyId"] for m in found] == ["PolicyInputList.1", "PolicyInputList.1", "PolicyInputList.2"]
    starts = [m["StartPosition"]["Column"] for m in found]
    assert starts[:2] == [one.index('{"Effect"') + 1, one.rindex('{"Effect"') + 1]
    denied = custom(iam, one, DENY_ALL, DENY_ALL)["EvaluationResults"][0]["MatchedStatements"]
    assert [m["SourcePolicyId"] for m in denied] == ["PolicyInputList.2", "PolicyInputList.3"]
    # Boundaries and service control policies limit, and are told of elsewhere.
    level = [{"ServiceControlPolicyInputList": [DENY_ALL]}]
    found = custom(iam, one, OrderedOrganizationPolicyInputList=level)["EvaluationResults"][0]
    assert (found["EvalDecision"], found["MatchedStatements"]) == ("explicitDeny", [])
    assert found["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}


def test_statements_are_shown_up_to_a_limit(iam):
    """A page ends before it, as AWS may answer fewer results than were asked for; one action alone
    is refused."""
    many = '{"Version":"2012-10-17","Statement":[%s]}'
    text = many % ",".join(['{"Effect":"Allow","Action":"*","Resource":"*"}'] * 200)
    keys = [KEY.replace("1234abcd", f"{number:08}") for number in range(30)]
    page = custom(iam, text, actions=["kms:Encrypt", "kms:Decrypt"], ResourceArns=keys)
    assert [len(result["ResourceSpecificResults"]) for result in page["EvaluationResults"]] == [30]
    assert page["IsTruncated"]
    rest = custom(iam, text, actions=["kms:Encrypt", "kms:Decrypt"], ResourceArns=keys, Marker=page["Marker"])
    assert [result["EvalActionName"] for result in rest["EvaluationResults"]] == ["kms:Decrypt"]
    assert not rest["IsTruncated"]
    more = [KEY.replace("1234abcd", f"{number:08}") for number in range(100)]
    with refused("InvalidInput", "Too many statements apply to one action: name fewer resources."):
        custom(iam, text, ResourceArns=more)


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


def test_an_empty_list_of_boundaries_counts_as_absent(iam):
    more = {"PermissionsBoundaryPolicyInputList": [], "ContextEntries": [], "ResourceArns": []}
    found = custom(iam, ENCRYPT, actions=["kms:Encrypt"], **more)
    assert decisions(found) == ["allowed"]


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


def test_who_is_said_to_call_may_be_a_user_a_role_or_a_group_there_or_not(iam):
    """A key policy that names the one who calls lets it in, whoever else it names."""
    user, role, group = (f"arn:aws:iam::{ACCOUNT}:{noun}/x/nobody" for noun in ("user", "role", "group"))
    stranger = "arn:aws:iam::111122223333:role/nowhere"

    def tried(caller, *named):
        principal = {"AWS": list(named)}
        text = policy({"Effect": "Allow", "Principal": principal, "Action": "kms:Decrypt", "Resource": "*"})
        call = {"actions": ["kms:Decrypt"], "ResourceArns": [KEY], "ResourcePolicy": text}
        return decisions(custom(iam, ENCRYPT, **call, CallerArn=caller))

    assert tried(user, user, stranger) == tried(role, role, stranger) == ["allowed"]
    assert tried(user, role) == tried(role, user) == ["implicitDeny"]
    assert tried(group, user, role) == ["implicitDeny"]
    assert tried(stranger, stranger) == ["implicitDeny"]
    own = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": {"ArnEquals": {"aws:PrincipalArn": role}}})
    assert decisions(custom(iam, own, actions=["kms:Decrypt"], CallerArn=role)) == ["allowed"]
    assert decisions(custom(iam, own, actions=["kms:Decrypt"], CallerArn=user)) == ["implicitDeny"]


def test_somebody_may_be_said_to_call_with_anothers_policies(iam, user, other_user):
    user.allow("kms:Encrypt", Condition={"StringEquals": {"aws:username": other_user.name}})
    assert decisions(simulated(iam, user.arn, "kms:Encrypt")) == ["implicitDeny"]
    assert decisions(simulated(iam, user.arn, "kms:Encrypt", CallerArn=other_user.arn)) == ["allowed"]


ROLE = f"arn:aws:iam::{ACCOUNT}:role/target"


def test_a_trust_policy_counts_for_assuming_a_role(iam):
    caller = f"arn:aws:iam::{ACCOUNT}:user/caller"
    may = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE})
    may_not = policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})

    def trust(principal, **more):
        return policy({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more})

    def tried(text, own):
        call = {"actions": ["sts:AssumeRole"], "ResourceArns": [ROLE], "CallerArn": caller}
        (result,) = custom(iam, own, **call, ResourcePolicy=text)["EvaluationResults"]
        assert result["EvalResourceName"] == "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"
        return result["EvalDecision"], [m["SourcePolicyId"] for m in result["MatchedStatements"]]

    # A role lets in whom it names; if it names the account, the account's policies decide.
    assert tried(trust(caller), may_not) == ("allowed", ["ResourcePolicy"])
    assert tried(trust(ACCOUNT), may) == ("allowed", ["ResourcePolicy", "PolicyInputList.1"])
    assert tried(trust(ACCOUNT), may_not) == ("implicitDeny", [])
    assert tried(trust(f"arn:aws:iam::{ACCOUNT}:user/other"), may) == ("implicitDeny", [])
    mfa = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
    assert tried(trust(caller, **mfa), may) == ("implicitDeny", [])
    deny = policy({"Effect": "Deny", "Principal": {"AWS": caller}, "Action": "sts:AssumeRole"})
    assert tried(deny, may) == ("explicitDeny", ["ResourcePolicy"])


def test_the_owner_of_a_resource_is_named_by_an_arn_alone(iam, user):
    bucket, text = "arn:aws:s3:::bucket", policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    call = {"actions": ["s3:GetObject"], "ResourceArns": [bucket], "CallerArn": user.arn}
    theirs = policy({"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "s3:*", "Resource": "*"})
    nobody = policy({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:*", "Resource": "*"})
    foreign = "arn:aws:iam::111122223333:root"
    # In an account one side is enough; another account's resource is not the caller's to give.
    assert decisions(custom(iam, text, **call, ResourcePolicy=nobody)) == ["allowed"]
    assert decisions(custom(iam, text, **call, ResourcePolicy=nobody, ResourceOwner=foreign)) == ["implicitDeny"]
    # A resource whose ARN names its owner has that one.
    call["ResourceArns"], call["actions"] = [KEY], ["kms:Encrypt"]
    named = theirs.replace("s3:", "kms:")
    assert decisions(custom(iam, ENCRYPT, **call, ResourcePolicy=named, ResourceOwner=foreign)) == ["allowed"]
    for owner in (ACCOUNT, user.arn, "nobody"):
        with refused("InvalidInput", f"'{owner}' is not a valid as a Resource Owner."):
            custom(iam, text, ResourceOwner=owner)


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


@pytest.fixture
def full(iam, user):
    """The user with a policy of every type, of which each allows an action of its own."""

    def allowing(*actions):
        return policy({"Effect": "Allow", "Action": list(actions), "Resource": "*"})

    user.managed = make_policy(iam, allowing("kms:Sign"), Path="/left/out/")
    user.group = new_name("group")
    iam.create_group(GroupName=user.group)
    iam.add_user_to_group(GroupName=user.group, UserName=user.name)
    iam.put_group_policy(GroupName=user.group, PolicyName="groups", PolicyDocument=allowing("kms:Verify"))
    user.allow("kms:Encrypt", name="own")
    user.allow("kms:Decrypt", name="second")
    iam.attach_user_policy(UserName=user.name, PolicyArn=user.managed)
    iam.attach_group_policy(GroupName=user.group, PolicyArn=AWS_POLICY + "AWSKeyManagementServicePowerUser")
    boundary = make_policy(iam, allowing("kms:E*", "kms:D*", "kms:S*", "kms:V*", "kms:CreateKey"))
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=boundary)
    user.boundary = boundary
    return user


# The policies of the user above, by the action that each alone allows.
ACTIONS = {
    "own": "kms:Encrypt",
    "second": "kms:Decrypt",
    "groups": "kms:Verify",
    "managed": "kms:Sign",
    "aws": "kms:CreateKey",
    "bounded": "kms:TagResource",
}


def inline(name, noun, of):
    return {"InlinePolicyIdentifier": {"PolicyName": name, "AttachmentType": noun, "AttachmentName": of}}


@pytest.mark.parametrize(
    "make,left_out",
    [
        (lambda u: [], []),
        (lambda u: [{"PolicyType": "inline"}], ["own", "second", "groups"]),
        (lambda u: [{"PolicyType": "user-managed"}], ["managed"]),
        (lambda u: [{"PolicyType": "aws-managed"}], ["aws"]),
        (lambda u: [{"PolicyType": "scp"}, {"PolicyType": "rcp"}], []),
        (lambda u: [{"PolicyArn": u.managed}], ["managed"]),
        (lambda u: [{"PolicyArn": u.managed[:-3] + "???"}], ["managed"]),
        (lambda u: [{"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/left/*"}], ["managed"]),
        (lambda u: [{"PolicyArn": AWS_POLICY + "*"}], ["aws"]),
        (lambda u: [{"PolicyArn": u.boundary}], []),
        (lambda u: [{"PolicyArn": AWS_POLICY + "SomethingElse"}], []),
        (lambda u: [inline("own", "user", u.name)], ["own"]),
        (lambda u: [inline("own", "user", "*")], ["own"]),
        (lambda u: [inline("groups", "group", u.group[:3] + "*")], ["groups"]),
        (lambda u: [inline("own", "group", "*"), inline("own", "user", "nobody")], []),
        (lambda u: [inline("own", "user", u.name), inline("second", "user", u.name[:-1] + "?")], ["own", "second"]),
    ],
)
def test_policies_are_left_out_by_type_by_arn_and_by_name(iam, full, make, left_out):
    found = simulated(iam, full.arn, *ACTIONS.values(), PolicyExclusionList=make(full))
    seen = [name for name, decision in zip(ACTIONS, decisions(found)) if decision != "allowed"]
    assert sorted(seen) == sorted([*left_out, "bounded"])


def test_the_boundary_is_left_out_by_its_type(iam, full):
    full.allow("kms:TagResource", name="own")
    assert decisions(simulated(iam, full.arn, "kms:TagResource")) == ["implicitDeny"]
    without = [{"PolicyType": "permission-boundary"}]
    found = simulated(iam, full.arn, "kms:TagResource", PolicyExclusionList=without)
    assert decisions(found) == ["allowed"]
    assert "PermissionsBoundaryDecisionDetail" not in found["EvaluationResults"][0]
    # What is given with the request is never left out.
    given = {"PermissionsBoundaryPolicyInputList": [ENCRYPT], "PolicyExclusionList": without + [{"PolicyType": "inline"}]}
    found = simulated(iam, full.arn, "kms:TagResource", "kms:Encrypt", PolicyInputList=[ENCRYPT], **given)
    assert decisions(found) == ["implicitDeny", "allowed"]


@pytest.mark.parametrize(
    "identifier,message",
    [
        ({"PolicyArn": "x" * 20}, "ARN xxxxxxxxxxxxxxxxxxxx is not valid."),
        ({"PolicyArn": f"arn:aws:iam::{ACCOUNT}:user/x"}, f"ARN arn:aws:iam::{ACCOUNT}:user/x is not valid."),
        ({"PolicyArn": "arn:aws:iam::*:policy/x"}, "ARN arn:aws:iam::*:policy/x is not valid."),
        ({"PolicyArn": AWS_POLICY + "a*b*"}, f"ARN {AWS_POLICY}a*b* is not valid."),
        (inline("p", "user", "*x*"), "The inline policy identifier is not valid."),
        ({"InlinePolicyIdentifier": {"PolicyName": "p"}}, "The inline policy identifier is not valid."),
        (
            {"PolicyType": "inline", "PolicyArn": AWS_POLICY + "a"},
            "A policy identifier must have exactly one of PolicyType, PolicyArn and InlinePolicyIdentifier.",
        ),
    ],
)
def test_an_identifier_that_makes_no_sense_is_refused(server, identifier, message):
    """By hand: boto3 refuses some of them itself."""
    import botocore.serialize
    import botocore.session

    from wire import Wire

    model = botocore.session.get_session().get_service_model("iam").operation_model("SimulatePrincipalPolicy")
    asked = {
        "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/x",
        "ActionNames": ["kms:Encrypt"],
        "PolicyExclusionList": [identifier],
    }
    serializer = botocore.serialize.create_serializer("query", include_validation=False)
    answer = Wire(server).query("iam", serializer.serialize_to_request(asked, model)["body"])
    assert f"<Code>InvalidInput</Code><Message>{message}</Message>" in answer.body.decode()


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
        (
            {"CallerArn": "arn:aws:sts::000000000000:assumed-role/x/y"},
            "Invalid Entity Arn: arn:aws:sts::000000000000:assumed-role/x/y does not clearly define entity type and name.",
        ),
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
    for arn in (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/x/session",
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:iam::{ACCOUNT}:policy/x",
    ):
        with refused("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name."):
            simulated(iam, arn, "kms:Encrypt")
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
