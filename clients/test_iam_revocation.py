"""What IAM takes away is gone for every request that begins after its answer, under load too."""

import threading
import time

import pytest
from botocore.exceptions import ClientError

from conftest import User, policy
from iam_kit import ALLOW_ALL, DENY_ALL, make_policy, new_name

ROUNDS = 3
NOTHING = policy({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"})
DENIED = ("AccessDeniedException", "UnrecognizedClientException")


class Right:
    """A right that a user has, and the ways to take it and to give it back."""

    def __init__(self, iam, user):
        self.iam, self.user, self.named = iam, user, {"UserName": user.name}
        self.arn = None

    def managed(self):
        self.arn = make_policy(self.iam)
        self.iam.attach_user_policy(**self.named, PolicyArn=self.arn)
        return (
            lambda: self.iam.detach_user_policy(**self.named, PolicyArn=self.arn),
            lambda: self.iam.attach_user_policy(**self.named, PolicyArn=self.arn),
        )

    def version(self):
        self.managed()

        def give():
            self.iam.set_default_policy_version(PolicyArn=self.arn, VersionId="v1")
            for version in self.iam.list_policy_versions(PolicyArn=self.arn)["Versions"]:
                if not version["IsDefaultVersion"]:
                    self.iam.delete_policy_version(PolicyArn=self.arn, VersionId=version["VersionId"])

        take = lambda: self.iam.create_policy_version(  # noqa: E731
            PolicyArn=self.arn, PolicyDocument=DENY_ALL, SetAsDefault=True
        )
        return take, give

    def embedded(self):
        put = {**self.named, "PolicyName": "p"}
        self.iam.put_user_policy(**put, PolicyDocument=ALLOW_ALL)
        return (
            lambda: self.iam.delete_user_policy(**put),
            lambda: self.iam.put_user_policy(**put, PolicyDocument=ALLOW_ALL),
        )

    def membership(self):
        group = new_name("group")
        self.iam.create_group(GroupName=group)
        self.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=ALLOW_ALL)
        both = {**self.named, "GroupName": group}
        self.iam.add_user_to_group(**both)
        return (
            lambda: self.iam.remove_user_from_group(**both),
            lambda: self.iam.add_user_to_group(**both),
        )

    def group(self):
        self.membership()
        group = self.iam.list_groups_for_user(**self.named)["Groups"][0]["GroupName"]
        put = {"GroupName": group, "PolicyName": "p"}
        return (
            lambda: self.iam.put_group_policy(**put, PolicyDocument=NOTHING),
            lambda: self.iam.put_group_policy(**put, PolicyDocument=ALLOW_ALL),
        )

    def boundary(self):
        self.embedded()
        arn = make_policy(self.iam, NOTHING)
        return (
            lambda: self.iam.put_user_permissions_boundary(**self.named, PermissionsBoundary=arn),
            lambda: self.iam.delete_user_permissions_boundary(**self.named),
        )

    def access_key(self):
        self.embedded()
        key = {**self.named, "AccessKeyId": self.user.credentials[0]}
        return (
            lambda: self.iam.update_access_key(**key, Status="Inactive"),
            lambda: self.iam.update_access_key(**key, Status="Active"),
        )


@pytest.mark.parametrize(
    "way", ["managed", "version", "embedded", "membership", "group", "boundary", "access_key"]
)
def test_no_request_begun_after_a_revocation_passes(server, iam, user, key, way):
    take, give = getattr(Right(iam, user), way)()
    for round_number in range(ROUNDS):
        assert_gone_at_once(server, user, key, take)
        give()
        user.kms.describe_key(KeyId=key)


def test_a_deleted_access_key_is_gone_at_once(server, iam, key):
    for _ in range(ROUNDS):
        user = User(server, iam)
        user.allow("kms:*")
        named = {"UserName": user.name, "AccessKeyId": user.credentials[0]}
        assert_gone_at_once(server, user, key, lambda: iam.delete_access_key(**named))


def assert_gone_at_once(server, user, key, take):
    taken, finish, wrong, others = threading.Event(), threading.Event(), [], []

    def ask():
        client = server.client("kms", credentials=user.credentials)
        while not finish.is_set():
            late = taken.is_set()
            try:
                client.describe_key(KeyId=key)
                if late:
                    wrong.append(True)
            except ClientError as error:
                if error.response["Error"]["Code"] not in DENIED:
                    others.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    time.sleep(0.05)
    take()
    taken.set()
    time.sleep(0.05)
    finish.set()
    for asker in askers:
        asker.join()
    assert not others
    assert not wrong


def test_attaching_one_policy_to_many_at_once_counts_each(iam, server):
    """Both heads are rewritten in one batch, so that numbers and lists stay true."""
    arn, names = make_policy(iam), [new_name("user") for _ in range(6)]
    for name in names:
        iam.create_user(UserName=name)

    def attach(name):
        client = server.client("iam")
        while True:
            try:
                return client.attach_user_policy(UserName=name, PolicyArn=arn)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ConcurrentModification"

    threads = [threading.Thread(target=attach, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == len(names)
    holders = iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]
    assert [holder["UserName"] for holder in holders] == sorted(names)
