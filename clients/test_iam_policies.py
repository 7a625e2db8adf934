"""Managed policies, their versions and attachments, and policies embedded in identities."""

import datetime
import json
import re
import time

import pytest

from conftest import policy
from errors import refused
from iam_kit import (
    ALLOW_ALL,
    AWS_POLICY,
    DENY_ALL,
    Kind,
    all_pages,
    iam_arn,
    loaded,
    make_policy,
    new_name,
    not_allowed,
)
from keyward import ACCOUNT

DESCRIBE = policy({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"})


PREFIX = (
    "The specified value for pathPrefix is invalid. It must begin with the / character and contain only alphanumeric "
    "characters and/or / characters."
)


@pytest.fixture(params=["User", "Group", "Role"])
def kind(request, iam):
    return Kind(iam, request.param)


def test_a_policy_is_shown_as_it_was_made(iam):
    name = new_name("policy")
    tags = [{"Key": "k", "Value": "v"}]
    text = '{\n  "Version": "2012-10-17",\n  "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}\n}'
    made = iam.create_policy(PolicyName=name, PolicyDocument=text, Path="/p/", Description="d é", Tags=tags)["Policy"]
    assert re.fullmatch(r"ANPA[A-Z2-7]{17}", made["PolicyId"])
    assert made["Arn"] == iam_arn("policy", name, "/p/")
    assert (made["DefaultVersionId"], made["AttachmentCount"], made["IsAttachable"]) == ("v1", 0, True)
    assert made["PermissionsBoundaryUsageCount"] == 0
    assert "Description" not in made
    found = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert found == {**made, "Description": "d é"}
    # GetPolicy alone shows that there are no tags.
    bare = iam.create_policy(PolicyName=new_name("policy"), PolicyDocument=text)["Policy"]
    assert "Tags" not in bare
    assert iam.get_policy(PolicyArn=bare["Arn"])["Policy"] == {**bare, "Tags": []}
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]
    assert (version["VersionId"], version["IsDefaultVersion"]) == ("v1", True)
    assert loaded(version["Document"]) == json.loads(text)
    taken = f"A policy called {name.upper()} already exists. Duplicate names are not allowed."
    with refused("EntityAlreadyExists", taken, 409):
        iam.create_policy(PolicyName=name.upper(), PolicyDocument=ALLOW_ALL)
    with refused("NoSuchEntity", f"Policy {iam_arn('policy', name)} was not found.", 404):
        iam.get_policy(PolicyArn=iam_arn("policy", name))


def test_a_document_comes_back_byte_for_byte_and_percent_encoded(server, iam):
    from urllib.parse import quote, unquote

    from wire import Wire

    text = '{"Version" : "2012-10-17",\t"Statement":[{"Sid":"A","Effect":"Allow","Action":"kms:*","Resource":"*~é"}]}'.replace("*~é", "*")
    arn = make_policy(iam, text)
    request = {"Action": "GetPolicyVersion", "Version": "2010-05-08", "PolicyArn": arn, "VersionId": "v1"}
    body = Wire(server).query("iam", request).body.decode()
    encoded = re.search("<Document>(.*)</Document>", body).group(1)
    assert unquote(encoded) == text
    assert encoded == quote(text, safe="-._~")


@pytest.mark.parametrize(
    "document,message",
    [
        ("nonsense", "Syntax errors in policy."),
        ('{"Statement":[]}', "Syntax errors in policy."),
        (ALLOW_ALL.replace("2012-10-17", "2008-10-17"), "Policy document must be version 2012-10-17 or greater."),
        (policy({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
        (policy({"Effect": "Allow", "Action": "kms:*"}), "Policy statement must contain resources."),
        (
            policy({"Effect": "Allow", "Action": "*", "Resource": "mine"}),
            'Resource mine must be in ARN format or "*".',
        ),
        (
            policy({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}),
            "Policy document should not specify a principal.",
        ),
    ],
)
def test_a_malformed_document_is_refused_wherever_it_goes(iam, user, document, message):
    with refused("MalformedPolicyDocument", message):
        iam.create_policy(PolicyName=new_name(), PolicyDocument=document)
    with refused("MalformedPolicyDocument", message):
        iam.put_user_policy(UserName=user.name, PolicyName="p", PolicyDocument=document)
    with refused("MalformedPolicyDocument", message):
        iam.create_policy_version(PolicyArn=make_policy(iam), PolicyDocument=document)


def test_sizes_are_counted_without_white_space(iam, kind):
    most = {"User": 2048, "Group": 5120, "Role": 10240}[kind.word]
    name = kind.make()
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    blank = len(json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Sid": ""}]}, separators=(",", ":")))

    def document(size, **layout):
        return json.dumps(
            {"Version": "2012-10-17", "Statement": [{**statement, "Sid": "s" * (size - blank)}]}, **layout
        )

    put = f"put_{kind.noun}_policy"
    kind.call(put, name, PolicyName="p", PolicyDocument=document(most, indent=8))
    text = f"Maximum policy size of {most} bytes exceeded for {kind.noun} {name}"
    with refused("LimitExceeded", text, 409):
        kind.call(put, name, PolicyName="q", PolicyDocument=ALLOW_ALL)
    # One document alone, over the limit of this kind or of every kind.
    for size in (most + 1, 10241, 40000):
        with refused("LimitExceeded", text, 409):
            kind.call(put, name, PolicyName="p", PolicyDocument=document(size, separators=(",", ":")))
    kind.call(put, name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    large = document(6145, separators=(",", ":"))
    for call in (
        lambda: iam.create_policy(PolicyName=new_name(), PolicyDocument=large),
        lambda: iam.create_policy_version(PolicyArn=make_policy(iam), PolicyDocument=large),
    ):
        with refused("LimitExceeded", "Cannot exceed quota for PolicySize: 6144", 409):
            call()


def test_white_space_never_bursts_a_record(iam, kind):
    """What would not fit is kept without it, and decides the same."""
    name = kind.make()
    padded = ALLOW_ALL.replace("{", "{" + " " * 20000)
    kind.call(f"put_{kind.noun}_policy", name, PolicyName="p", PolicyDocument=padded)
    found = kind.call(f"get_{kind.noun}_policy", name, PolicyName="p")["PolicyDocument"]
    assert loaded(found) == json.loads(ALLOW_ALL)
    arn = make_policy(iam, padded)
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=padded)
    found = iam.get_policy_version(PolicyArn=arn, VersionId="v5")["PolicyVersion"]
    assert loaded(found["Document"]) == json.loads(ALLOW_ALL)
    in_text = policy({"Effect": "Allow", "Action": "*", "Resource": "*" + " " * 20000})
    with refused("LimitExceeded", None, 409):
        iam.create_policy(PolicyName=new_name(), PolicyDocument=in_text.replace("* ", "arn:aws:kms:a:b:c "))


def test_embedded_policies_are_put_shown_listed_and_deleted(kind):
    name, put, get = kind.make(), f"put_{kind.noun}_policy", f"get_{kind.noun}_policy"
    for policy_name in ("c", "a", "B", "b"):
        kind.call(put, name, PolicyName=policy_name, PolicyDocument=DESCRIBE)
    operation = getattr(kind.iam, f"list_{kind.noun}_policies")
    found, pages = all_pages(operation, "PolicyNames", **{kind.member: name})
    assert (found, pages) == (["a", "B", "b", "c"], 2)
    kind.call(put, name, PolicyName="a", PolicyDocument=ALLOW_ALL)
    found = kind.call(get, name, PolicyName="a")
    assert (found[kind.member], found["PolicyName"]) == (name, "a")
    assert loaded(found["PolicyDocument"]) == json.loads(ALLOW_ALL)
    kind.call(f"delete_{kind.noun}_policy", name, PolicyName="a")
    missing = f"The {kind.noun} policy with name a cannot be found."
    for operation in (get, f"delete_{kind.noun}_policy"):
        with refused("NoSuchEntity", missing, 404):
            kind.call(operation, name, PolicyName="a")
        with refused("NoSuchEntity", kind.missing("nobody"), 404):
            kind.call(operation, "nobody", PolicyName="a")


def test_policies_are_attached_listed_and_detached(kind):
    name, iam = kind.make(), kind.iam
    arns = [make_policy(iam, name=f"{letter}{new_name()}", Path="/at/") for letter in "ca"]
    arns.append(AWS_POLICY + "AWSKeyManagementServicePowerUser")
    attach, detach = f"attach_{kind.noun}_policy", f"detach_{kind.noun}_policy"
    for arn in arns:
        kind.call(attach, name, PolicyArn=arn)
        kind.call(attach, name, PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arns[0])["Policy"]["AttachmentCount"] == 1
    operation = getattr(iam, f"list_attached_{kind.noun}_policies")
    found, pages = all_pages(operation, "AttachedPolicies", **{kind.member: name})
    assert pages == 2
    assert [policy["PolicyArn"] for policy in found] == [arns[1], arns[2], arns[0]]
    assert found[1]["PolicyName"] == "AWSKeyManagementServicePowerUser"
    with refused("ValidationError", PREFIX):
        operation(**{kind.member: name}, PathPrefix="/at")
    found = operation(**{kind.member: name}, PathPrefix="/at/")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in found] == [arns[1], arns[0]]
    key = f"Policy{kind.word}s"
    holders = iam.list_entities_for_policy(PolicyArn=arns[0])[key]
    assert [holder[kind.member] for holder in holders] == [name]
    with refused("DeleteConflict", "Cannot delete a policy attached to entities.", 409):
        iam.delete_policy(PolicyArn=arns[0])
    for arn in arns:
        kind.call(detach, name, PolicyArn=arn)
        with refused("NoSuchEntity", f"Policy {arn} was not found.", 404):
            kind.call(detach, name, PolicyArn=arn)
    assert iam.list_entities_for_policy(PolicyArn=arns[0])[key] == []
    iam.delete_policy(PolicyArn=arns[0])


def test_ten_policies_at_most_are_attached(kind):
    name = kind.make()
    for _ in range(10):
        kind.call(f"attach_{kind.noun}_policy", name, PolicyArn=make_policy(kind.iam))
    text = f"Cannot exceed quota for PoliciesPer{kind.word}: 10"
    with refused("LimitExceeded", text, 409):
        kind.call(f"attach_{kind.noun}_policy", name, PolicyArn=make_policy(kind.iam))


@pytest.mark.parametrize(
    "arn,code,message,status",
    [
        (iam_arn("policy", "nowhere"), "NoSuchEntity", "Policy {} does not exist or is not attachable.", 404),
        ("arn:aws:iam::111122223333:policy/theirs", "NoSuchEntity", "Policy {} does not exist or is not attachable.", 404),
        (AWS_POLICY + "NoSuchPolicyAtAll", "NoSuchEntity", "Policy {} does not exist or is not attachable.", 404),
        (f"arn:aws:iam::{ACCOUNT}:user/somebody", "InvalidInput", "ARN {} is not valid.", 400),
        (
            AWS_POLICY + "aws-service-role/AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy",
            "PolicyNotAttachable",
            "Cannot attach a Service Role Policy to a Customer Role.",
            400,
        ),
    ],
)
def test_what_cannot_be_attached(kind, arn, code, message, status):
    with refused(code, message.format(arn), status):
        kind.call(f"attach_{kind.noun}_policy", kind.make(), PolicyArn=arn)
    with refused("NoSuchEntity", kind.missing("nobody"), 404):
        kind.call(f"attach_{kind.noun}_policy", "nobody", PolicyArn=arn)


@pytest.mark.parametrize("operation", ["attach", "detach"])
def test_what_is_no_arn_is_invalid_before_anybody_is_looked_for(kind, operation):
    for name in (kind.make(), "nobody"):
        with refused("ValidationError", "Invalid ARN:  Could not be parsed!"):
            kind.call(f"{operation}_{kind.noun}_policy", name, PolicyArn="longpolicynamebutnoarn")


def test_attaching_can_be_limited_to_a_policy(server, iam, user, kind):
    mine, other, name = make_policy(iam), make_policy(iam), kind.make()
    actions = [f"iam:Attach{kind.word}Policy", f"iam:Detach{kind.word}Policy"]
    user.allow(*actions, Condition={"ArnEquals": {"iam:PolicyARN": mine}})
    theirs = Kind(server.client("iam", credentials=user.credentials), kind.word)
    text = not_allowed(user.arn, actions[0], kind.arn(name))
    with refused("AccessDenied", text, 403):
        theirs.call(f"attach_{kind.noun}_policy", name, PolicyArn=other)
    theirs.call(f"attach_{kind.noun}_policy", name, PolicyArn=mine)
    theirs.call(f"detach_{kind.noun}_policy", name, PolicyArn=mine)


def test_the_default_version_decides(iam, user, key):
    arn = make_policy(iam, DESCRIBE)
    iam.attach_user_policy(UserName=user.name, PolicyArn=arn)
    user.kms.describe_key(KeyId=key)
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY_ALL)["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v2", False)
    assert "Document" not in made
    user.kms.describe_key(KeyId=key)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    with refused("AccessDeniedException") as caught:
        user.kms.describe_key(KeyId=key)
    assert caught.value.response["Error"]["Message"].endswith(
        f"with an explicit deny in an identity-based policy: {arn}"
    )
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DESCRIBE, SetAsDefault=True)
    assert made["PolicyVersion"]["IsDefaultVersion"]
    user.kms.describe_key(KeyId=key)


def test_versions_are_five_and_their_numbers_are_never_used_again(iam):
    arn = make_policy(iam)
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=DESCRIBE)
    text = (
        "A managed policy can have up to 5 versions. Before you create a new version, you must "
        "delete an existing version."
    )
    with refused("LimitExceeded", text, 409):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=DESCRIBE)
    found, pages = all_pages(iam.list_policy_versions, "Versions", PolicyArn=arn)
    assert ([version["VersionId"] for version in found], pages) == (["v5", "v4", "v3", "v2", "v1"], 3)
    with refused("DeleteConflict", "Cannot delete the default version of a policy.", 409):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DESCRIBE)["PolicyVersion"]
    assert made["VersionId"] == "v6"
    gone = f"Policy {arn} version v5 does not exist or is not attachable."
    for operation in (iam.get_policy_version, iam.delete_policy_version, iam.set_default_policy_version):
        with refused("NoSuchEntity", gone, 404):
            operation(PolicyArn=arn, VersionId="v5")
    text = (
        "This policy has more than one version. Before you delete a policy, you must delete the "
        "policy's versions. The default version is deleted with the policy."
    )
    with refused("DeleteConflict", text, 409):
        iam.delete_policy(PolicyArn=arn)
    for version in ("v2", "v3", "v4", "v6"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    iam.delete_policy(PolicyArn=arn)
    with refused("NoSuchEntity", f"Policy {arn} was not found.", 404):
        iam.delete_policy(PolicyArn=arn)


def test_a_version_of_a_policy_that_is_not_there_is_what_is_missed(iam):
    arn = iam_arn("policy", "nowhere")
    text = f"Policy {arn} version v1 does not exist or is not attachable."
    for operation in (iam.get_policy_version, iam.delete_policy_version, iam.set_default_policy_version):
        with refused("NoSuchEntity", text, 404):
            operation(PolicyArn=arn, VersionId="v1")
        with refused("InvalidInput", f"ARN {iam_arn('user', 'x')} is not valid."):
            operation(PolicyArn=iam_arn("user", "x"), VersionId="v1")
    with refused("NoSuchEntity", f"Policy {arn} was not found.", 404):
        iam.list_policy_versions(PolicyArn=arn)


def test_a_policy_is_updated_by_a_new_version_alone(iam):
    arn = make_policy(iam)

    def updated():
        return iam.get_policy(PolicyArn=arn)["Policy"]["UpdateDate"]

    def versions():
        found = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        return {version["VersionId"]: version["CreateDate"] for version in found}

    assert updated() == iam.get_policy(PolicyArn=arn)["Policy"]["CreateDate"]
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DESCRIBE)["PolicyVersion"]
    assert updated() == made["CreateDate"] == versions()["v2"]
    wait_for_the_next_second(made["CreateDate"])
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    assert updated() == made["CreateDate"]
    later = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DESCRIBE)["PolicyVersion"]
    assert updated() == later["CreateDate"] > made["CreateDate"]


def wait_for_the_next_second(moment):
    """IAM's times are whole seconds: what happens in the same one looks like no change."""
    while datetime.datetime.now(datetime.timezone.utc) <= moment + datetime.timedelta(seconds=1):
        time.sleep(0.05)


def test_a_policy_made_anew_is_not_attached_where_the_old_one_was(iam, user):
    name = new_name("policy")
    arn = make_policy(iam, name=name)
    iam.attach_user_policy(UserName=user.name, PolicyArn=arn)
    iam.detach_user_policy(UserName=user.name, PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    assert make_policy(iam, name=name) == arn
    assert iam.list_attached_user_policies(UserName=user.name)["AttachedPolicies"] == []


def test_policies_are_listed_by_whose_they_are_and_how_they_are_used(iam, user):
    path = f"/{new_name('list')}/"
    arns = [make_policy(iam, Path=path, name=f"{letter}{new_name()}") for letter in "bac"]
    iam.attach_user_policy(UserName=user.name, PolicyArn=arns[0])
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=arns[2])

    def listed(**filters):
        found, _ = all_pages(iam.list_policies, "Policies", PathPrefix=path, **filters)
        return [policy["Arn"] for policy in found]

    assert listed() == listed(Scope="Local") == sorted(arns)
    assert listed(Scope="AWS") == []
    assert listed(OnlyAttached=True) == [arns[0], arns[2]]
    assert listed(PolicyUsageFilter="PermissionsPolicy") == [arns[0]]
    assert listed(PolicyUsageFilter="PermissionsBoundary") == [arns[2]]
    holders = iam.list_entities_for_policy(PolicyArn=arns[2], PolicyUsageFilter="PermissionsPolicy")
    assert holders["PolicyUsers"] == []
    holders = iam.list_entities_for_policy(PolicyArn=arns[2], EntityFilter="User")
    assert [holder["UserName"] for holder in holders["PolicyUsers"]] == [user.name]
    assert iam.list_entities_for_policy(PolicyArn=arns[2], EntityFilter="Role")["PolicyUsers"] == []


def test_aws_own_policies_are_there_and_nobodys_to_change(iam):
    arn = AWS_POLICY + "AdministratorAccess"
    names = [policy["PolicyName"] for policy in iam.list_policies(Scope="AWS")["Policies"]]
    assert "AdministratorAccess" in names
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])
    assert loaded(version["PolicyVersion"]["Document"])["Statement"][0]["Action"] == "*"
    for call in (
        lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW_ALL),
        lambda: iam.delete_policy(PolicyArn=arn),
        lambda: iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "k", "Value": "v"}]),
    ):
        with refused("AccessDenied", None, 403):
            call()


def test_an_aws_policy_counts_its_uses_in_the_account(iam, user):
    arn = AWS_POLICY + "IAMReadOnlyAccess"
    before = iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"]
    iam.attach_user_policy(UserName=user.name, PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == before + 1
    holders = iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]
    assert user.name in [holder["UserName"] for holder in holders]


def test_who_may_not_make_or_list_policies_is_told_as_aws_tells(server, user):
    theirs = server.client("iam", credentials=user.credentials)
    name = new_name("policy")
    with refused("AccessDenied", not_allowed(user.arn, "iam:CreatePolicy", f"policy {name}"), 403):
        theirs.create_policy(PolicyName=name, PolicyDocument=ALLOW_ALL)
    with refused("AccessDenied", not_allowed(user.arn, "iam:ListPolicies", "policy path /"), 403):
        theirs.list_policies()
    arn = iam_arn("policy", name)
    with refused("AccessDenied", not_allowed(user.arn, "iam:GetPolicy", f"policy {arn}"), 403):
        theirs.get_policy(PolicyArn=arn)
