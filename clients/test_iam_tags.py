"""Tags of users, roles, managed policies and identity providers: whether keys count case, and how tags
decide."""

import pytest

from conftest import policy
from errors import refused
from iam_kit import Kind, make_policy, new_name
from keyward import ACCOUNT

DUPLICATE = "Duplicate tag keys found. Please note that Tag keys are case insensitive."


class Tagged:
    """Something with tags: the three operations, whatever it is."""

    def __init__(self, iam, noun):
        self.iam, self.noun = iam, noun
        self.counts_case = noun not in ("user", "role")
        if noun == "policy":
            self.named = {"PolicyArn": make_policy(iam)}
        elif noun == "open_id_connect_provider":
            made = iam.create_open_id_connect_provider(Url=f"https://{new_name()}.example")
            self.named = {"OpenIDConnectProviderArn": made["OpenIDConnectProviderArn"]}
        else:
            kind = Kind(iam, noun.title())
            self.named = {kind.member: kind.make()}

    def tag(self, **tags):
        self.tag_list(*({"Key": key, "Value": value} for key, value in tags.items()))

    def tag_list(self, *listed):
        getattr(self.iam, f"tag_{self.noun}")(**self.named, Tags=list(listed))

    def untag(self, *keys):
        getattr(self.iam, f"untag_{self.noun}")(**self.named, TagKeys=list(keys))

    def tags(self, **page):
        return getattr(self.iam, f"list_{self.noun}_tags")(**self.named, **page)


@pytest.fixture(params=["user", "role", "policy", "open_id_connect_provider"])
def tagged(request, iam):
    return Tagged(iam, request.param)


def test_tags_are_put_replaced_listed_and_removed(tagged):
    tagged.tag(b="1", A="2", c="")
    tagged.tag(b="3")
    expect = [{"Key": "A", "Value": "2"}, {"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}]
    assert tagged.tags()["Tags"] == expect
    page = tagged.tags(MaxItems=2)
    assert page["IsTruncated"]
    assert page["Tags"] + tagged.tags(Marker=page["Marker"])["Tags"] == expect
    tagged.untag("A", "c", "never-there")
    assert tagged.tags()["Tags"] == [{"Key": "b", "Value": "3"}]


def test_keys_count_case_but_for_users_and_roles(tagged):
    if tagged.counts_case:
        tagged.tag(a="1", A="2")
        assert tagged.tags()["Tags"] == [{"Key": "A", "Value": "2"}, {"Key": "a", "Value": "1"}]
        tagged.untag("a")
        assert tagged.tags()["Tags"] == [{"Key": "A", "Value": "2"}]
        twice = "Duplicate tag keys found."
    else:
        with refused("InvalidInput", DUPLICATE):
            tagged.tag(a="1", A="2")
        tagged.tag(a="1")
        tagged.tag(A="2")
        assert tagged.tags()["Tags"] == [{"Key": "A", "Value": "2"}]
        tagged.untag("a")
        assert tagged.tags()["Tags"] == []
        twice = DUPLICATE
    with refused("InvalidInput", twice):
        tagged.tag_list({"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"})


def test_the_rules_of_tags(tagged):
    with refused("InvalidInput"):
        tagged.tag(**{"aws:mine": "1"})
    for bad in ("", "x" * 129, "a*b"):
        with refused("ValidationError"):
            tagged.tag(**{bad: "v"})
    with refused("ValidationError"):
        tagged.tag(k="v" * 257)
    for start in (0, 25):
        tagged.tag(**{f"k{number}": "é 1" for number in range(start, start + 25)})
    text = "The number of tags has reached the maximum limit."
    with refused("LimitExceeded", text, 409):
        tagged.tag(more="v")
    tagged.tag(k0="again")


def test_which_tags_may_be_put_and_removed_can_be_limited(server, iam, user):
    theirs = server.client("iam", credentials=user.credentials)
    name = new_name("user")
    user.allow(
        "iam:TagUser",
        "iam:CreateUser",
        Condition={"StringEquals": {"aws:RequestTag/team": "red"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
    )
    red, blue = [{"Key": "team", "Value": "red"}], [{"Key": "team", "Value": "blue"}]
    with refused("AccessDenied", None, 403):
        theirs.create_user(UserName=name)
    with refused("AccessDenied", None, 403):
        theirs.create_user(UserName=name, Tags=red + [{"Key": "more", "Value": "x"}])
    theirs.create_user(UserName=name, Tags=red)
    with refused("AccessDenied", None, 403):
        theirs.tag_user(UserName=name, Tags=blue)
    theirs.tag_user(UserName=name, Tags=red)
    user.allow("iam:UntagUser", Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}})
    with refused("AccessDenied", None, 403):
        theirs.untag_user(UserName=name, TagKeys=["other"])
    theirs.untag_user(UserName=name, TagKeys=["team"])


@pytest.mark.parametrize("key", ["aws:ResourceTag/Team", "iam:ResourceTag/team"])
def test_tags_of_the_resource_decide(server, iam, user, key):
    theirs = server.client("iam", credentials=user.credentials)
    name = new_name("user")
    iam.create_user(UserName=name)
    user.allow("iam:GetUser", Condition={"StringEquals": {key: "red"}})
    with refused("AccessDenied", None, 403):
        theirs.get_user(UserName=name)
    iam.tag_user(UserName=name, Tags=[{"Key": "TEAM", "Value": "red"}])
    theirs.get_user(UserName=name)


def test_a_users_tags_are_its_own_to_be_judged_by(iam, user, key):
    user.allow("kms:DescribeKey", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})
    with refused("AccessDeniedException"):
        user.kms.describe_key(KeyId=key)
    iam.tag_user(UserName=user.name, Tags=[{"Key": "team", "Value": "red"}])
    user.kms.describe_key(KeyId=key)
    iam.untag_user(UserName=user.name, TagKeys=["team"])
    with refused("AccessDeniedException"):
        user.kms.describe_key(KeyId=key)


CREATED = {
    "TagUser": ("user", lambda iam, name: iam.create_user(UserName=name, Tags=TEAM)),
    "TagRole": ("role", lambda iam, name: iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=TEAM)),
    "TagPolicy": ("policy", lambda iam, name: iam.create_policy(PolicyName=name, PolicyDocument=policy(ANY), Tags=TEAM)),
    "TagInstanceProfile": (
        "instance-profile",
        lambda iam, name: iam.create_instance_profile(InstanceProfileName=name, Tags=TEAM),
    ),
    "TagOpenIDConnectProvider": (
        "oidc-provider",
        lambda iam, name: iam.create_open_id_connect_provider(Url=f"https://{name}.example", Tags=TEAM),
    ),
}
TEAM = [{"Key": "team", "Value": "finance"}]
ANY = {"Effect": "Allow", "Action": "*", "Resource": "*"}
TRUST = policy({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})


@pytest.mark.parametrize("action", CREATED)
def test_tags_at_creation_need_the_permission_to_tag(server, iam, action):
    noun, create = CREATED[action]
    creator = new_name()
    iam.create_user(UserName=creator)
    key = iam.create_access_key(UserName=creator)["AccessKey"]
    statements = [{**ANY, "Action": "iam:Create*"}, {**ANY, "Effect": "Deny", "Action": "iam:Tag*"}]
    iam.put_user_policy(UserName=creator, PolicyName="p", PolicyDocument=policy(*statements))
    theirs = server.client("iam", credentials=(key["AccessKeyId"], key["SecretAccessKey"]))
    name = new_name().lower()
    shown = {"policy": f"policy {name}", "oidc-provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{name}.example"}
    resource = shown.get(noun, f"arn:aws:iam::{ACCOUNT}:{noun}/{name}")
    message = (
        f"User: arn:aws:iam::{ACCOUNT}:user/{creator} is not authorized to perform: iam:{action}"
        f" on resource: {resource} with an explicit deny in an identity-based policy"
    )
    with refused("AccessDenied", status=403) as caught:
        create(theirs, name)
    assert caught.value.response["Error"]["Message"].startswith(message)
    # With the permission it is created, so nothing of it was before.
    iam.put_user_policy(UserName=creator, PolicyName="p", PolicyDocument=policy(ANY))
    create(theirs, name)
