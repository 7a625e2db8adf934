"""Several accounts in one server: made offline, kept apart, and what they may do with each
other's keys."""

import base64
import configparser
import json
import stat
import subprocess

import pytest

from conftest import policy
from errors import refused
from keyward import ACCOUNT, Server, alias_arn, binary, clean_environment, eventually, key_arn

OTHER = "111122223333"
ABSENT_ACCOUNT = "999999999999"
HIDDEN = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)


def keyward(*arguments, fails=None):
    """Runs the program; answers what it prints."""
    done = subprocess.run(
        [binary(), *arguments], capture_output=True, text=True, env=clean_environment()
    )
    if fails is None:
        assert done.returncode == 0, done.stderr
        return done.stdout
    assert done.returncode != 0
    assert fails in done.stderr, done.stderr
    return done.stderr


def credentials_in(path, profile="default"):
    parser = configparser.ConfigParser()
    parser.read(path)
    section = parser[profile]
    return section["aws_access_key_id"], section["aws_secret_access_key"]


def user_of(server, credentials, name):
    """An IAM user with an access key; answers its ARN and a KMS client."""
    iam = server.client("iam", credentials=credentials)
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    made = iam.create_access_key(UserName=name)["AccessKey"]
    key = (made["AccessKeyId"], made["SecretAccessKey"])
    return arn, server.client("kms", credentials=key)


def allow(server, credentials, name, *actions, resource="*", effect="Allow"):
    iam = server.client("iam", credentials=credentials)
    document = policy({"Effect": effect, "Action": list(actions), "Resource": resource})
    iam.put_user_policy(UserName=name, PolicyName=f"p-{effect}", PolicyDocument=document)


class World:
    """A server with a second account beside the first."""

    def __init__(self, server):
        self.server = server
        self.kms = server.client("kms")
        self.other = credentials_in(server.data_dir / f"credentials-{OTHER}")
        self.other_kms = server.client("kms", credentials=self.other)

    def key(self, *statements):
        """The ARN of a key of the first account whose policy has these statements, too."""
        own = {
            "Sid": "own",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        made = self.kms.create_key(Policy=policy(own, *statements))
        return made["KeyMetadata"]["Arn"]

    def user(self, name):
        return user_of(self.server, self.other, name)

    def allow(self, name, *actions, **more):
        allow(self.server, self.other, name, *actions, **more)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("accounts") / "data")
    assert server.drain() == 0
    keyward("account", "create", "--data-dir", server.data_dir, "--account-id", OTHER, "--name", "Second")
    server.start()
    yield World(server)
    server.kill()


def statement(principal, *actions, effect="Allow", **more):
    return {
        "Effect": effect,
        "Principal": {"AWS": principal},
        "Action": list(actions),
        "Resource": "*",
        **more,
    }


# --- made offline ---


def test_an_account_is_made_with_credentials_that_work(world):
    path = world.server.data_dir / f"credentials-{OTHER}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = world.server.client("sts", credentials=world.other).get_caller_identity()
    assert (found["Account"], found["Arn"]) == (OTHER, f"arn:aws:iam::{OTHER}:root")


def test_the_trail_records_it(world):
    def recorded():
        events = []
        for segment in sorted((world.server.data_dir / "audit").glob("*")):
            for line in segment.read_bytes().splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                events.append(event)
        made = [
            event
            for event in events
            if event.get("eventName") == "CreateRootAccessKey" and event["recipientAccountId"] == OTHER
        ]
        return made

    (event,) = eventually(recorded)
    assert event["serviceEventDetails"] == {"accessKeyId": world.other[0]}
    paths = {change["path"] for change in event["keyward"]["changes"]}
    assert f"aws/{OTHER}/global/account" in paths


def test_a_running_server_is_left_alone(own_server):
    text = keyward("account", "create", "--data-dir", own_server.data_dir, fails="in use by another keyward process")
    assert "stop it first" in text
    keyward("account", "list", "--data-dir", own_server.data_dir, fails="in use by another keyward process")


def test_accounts_are_listed_and_refused(own_server, tmp_path):
    data = own_server.data_dir
    own_server.drain()
    keyward("account", "create", "--data-dir", data, "--account-id", OTHER, "--name", "A b", "--email", "A@b.example")
    keyward("account", "create", "--data-dir", data, "--account-id", OTHER, fails=f"account {OTHER} already exists")
    keyward(
        "account", "create", "--data-dir", data, "--email", "a@B.example",
        fails=f"account {OTHER} already has this e-mail address",
    )
    keyward("account", "create", "--data-dir", data, "--account-id", "1", fails="use twelve digits")
    keyward("account", "create", "--data-dir", data, "--name", "x" * 51, fails="1 to 50 visible ASCII")
    keyward("account", "create", "--data-dir", data, "--email", "nobody", fails="one `@`")

    file = tmp_path / "keys"
    printed = keyward(
        "account", "create", "--data-dir", data, "--credentials", file, "--profile", "third"
    )
    third = printed.split()[1]
    assert len(third) == 12 and third.isdigit()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    taken = (
        f"the credentials cannot be written: {file} is there already and may hold other credentials: "
        "move it away, or choose another file"
    )
    keyward("account", "create", "--data-dir", data, "--credentials", file, fails=taken)
    assert not list(data.glob(f"credentials-{third}"))

    lines = [line.split() for line in keyward("account", "list", "--data-dir", data).splitlines()]
    assert lines[0] == ["ACCOUNT", "PARTITION", "CREATED", "NAME"]
    listed = {line[0]: (line[1], " ".join(line[3:])) for line in lines[1:]}
    assert listed == {
        ACCOUNT: ("aws", "-"),
        OTHER: ("aws", "A b"),
        third: ("aws", "-"),
    }
    own_server.start()
    found = own_server.client("sts", credentials=credentials_in(file, "third")).get_caller_identity()
    assert found["Account"] == third


def test_a_directory_without_a_store_is_not_made_one(tmp_path):
    keyward("account", "create", "--data-dir", tmp_path / "none", fails="there is no data directory")
    assert not (tmp_path / "none").exists()


# --- kept apart ---


def test_keys_and_users_of_accounts_are_kept_apart(world):
    own = world.other_kms.create_key()["KeyMetadata"]
    assert own["Arn"] == key_arn(own["KeyId"], account=OTHER)
    assert own["AWSAccountId"] == OTHER
    listed = [key["KeyId"] for key in world.other_kms.list_keys()["Keys"]]
    first = world.kms.create_key()["KeyMetadata"]["KeyId"]
    assert own["KeyId"] in listed and first not in listed
    # A key id means a key of the caller's own account.
    with refused("NotFoundException", f"Key '{key_arn(first, account=OTHER)}' does not exist"):
        world.other_kms.describe_key(KeyId=first)


def test_the_same_alias_leads_to_each_accounts_own_key(world):
    for kms in (world.kms, world.other_kms):
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/same", TargetKeyId=key)
        assert kms.describe_key(KeyId="alias/same")["KeyMetadata"]["KeyId"] == key


# --- cross-account use ---


def test_both_sides_are_needed(world):
    arn, kms = world.user("both")
    key = world.key(statement(OTHER, "kms:Encrypt", "kms:Decrypt"))
    message = (
        f"User: {arn} is not authorized to perform: kms:Encrypt on this resource "
        "because no identity-based policy allows the kms:Encrypt action"
    )
    with refused("AccessDeniedException", message):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    world.allow("both", "kms:Encrypt", "kms:Decrypt", resource=key)
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    # The key's own account reads it as well.
    assert world.kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_naming_the_very_user_does_not_make_up_for_its_own_side(world):
    arn, kms = world.user("named")
    key = world.key(statement(arn, "kms:Encrypt"))
    message = (
        f"User: {arn} is not authorized to perform: kms:Encrypt on this resource "
        "because no identity-based policy allows the kms:Encrypt action"
    )
    with refused("AccessDeniedException", message):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    world.allow("named", "kms:*", resource=key)
    assert kms.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key


def test_the_other_accounts_root_user_needs_no_policy_of_its_own(world):
    key = world.key(statement(OTHER, "kms:Encrypt"))
    assert world.other_kms.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key


def test_an_own_policy_for_another_arn_is_not_enough(world):
    arn, kms = world.user("elsewhere")
    key, another = world.key(statement(OTHER, "kms:*")), world.key()
    world.allow("elsewhere", "kms:Encrypt", resource=another)
    message = (
        f"User: {arn} is not authorized to perform: kms:Encrypt on this resource "
        "because no identity-based policy allows the kms:Encrypt action"
    )
    with refused("AccessDeniedException", message):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDeniedException", f"User: {arn} is not authorized to perform: kms:Encrypt on this resource {HIDDEN}"):
        kms.encrypt(KeyId=another, Plaintext=b"x")


def test_an_own_explicit_deny_is_told(world):
    arn, kms = world.user("denied")
    key = world.key(statement(arn, "kms:Encrypt"))
    world.allow("denied", "kms:*")
    world.allow("denied", "kms:Encrypt", effect="Deny")
    message = (
        f"User: {arn} is not authorized to perform: kms:Encrypt on this resource "
        "with an explicit deny in an identity-based policy"
    )
    with refused("AccessDeniedException", message):
        kms.encrypt(KeyId=key, Plaintext=b"x")


def test_an_alias_arn_of_another_account_leads_to_its_key(world):
    arn, kms = world.user("by-alias")
    key = world.key(statement(OTHER, "kms:DescribeKey"))
    world.kms.create_alias(AliasName="alias/shared", TargetKeyId=key)
    world.allow("by-alias", "kms:*")
    found = kms.describe_key(KeyId=alias_arn("alias/shared"))["KeyMetadata"]
    assert found["Arn"] == key


@pytest.mark.parametrize(
    "call",
    [
        lambda kms, key: kms.disable_key(KeyId=key),
        lambda kms, key: kms.put_key_policy(KeyId=key, Policy=policy(statement("*", "kms:*"))),
        lambda kms, key: kms.get_key_policy(KeyId=key),
        lambda kms, key: kms.schedule_key_deletion(KeyId=key),
        lambda kms, key: kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}]),
        lambda kms, key: kms.enable_key_rotation(KeyId=key),
    ],
    ids=["disable", "put policy", "get policy", "delete", "tag", "rotate"],
)
def test_management_is_refused_even_if_both_sides_allow_it(world, call):
    key = world.key(statement("*", "kms:*"))
    with refused("AccessDeniedException") as caught:
        call(world.other_kms, key)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith(f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: kms:")
    assert message.endswith(f"on this resource {HIDDEN}")


def test_nothing_tells_whether_a_foreign_key_exists(world):
    arn, kms = world.user("curious")
    world.allow("curious", "kms:*")
    there = world.key()
    denying = world.key(statement(arn, "kms:Encrypt", effect="Deny"))
    world.kms.create_alias(AliasName="alias/secret", TargetKeyId=there)
    absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
    texts = set()
    for name in [
        there,
        denying,
        key_arn(absent),
        key_arn(absent, account=ABSENT_ACCOUNT),
        alias_arn("alias/secret"),
        alias_arn("alias/none"),
        alias_arn("alias/none", account=ABSENT_ACCOUNT),
    ]:
        with refused("AccessDeniedException") as caught:
            kms.encrypt(KeyId=name, Plaintext=b"x")
        texts.add(caught.value.response["Error"]["Message"])
    assert texts == {f"User: {arn} is not authorized to perform: kms:Encrypt on this resource {HIDDEN}"}


def test_a_foreign_ciphertext_tells_nothing_of_its_key(world):
    arn, kms = world.user("finder")
    world.allow("finder", "kms:*")
    key = world.key()
    blob = world.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    message = (
        f"User: {arn} is not authorized to perform: kms:Decrypt on the resource associated with "
        f"this ciphertext {HIDDEN}"
    )
    with refused("AccessDeniedException", message):
        kms.decrypt(CiphertextBlob=blob)


def test_the_context_names_both_accounts(world):
    arn, kms = world.user("context")
    world.allow("context", "kms:*")
    of_caller = {"StringEquals": {"kms:CallerAccount": OTHER, "aws:ResourceAccount": ACCOUNT, "aws:PrincipalAccount": OTHER}}
    key = world.key(statement("*", "kms:Encrypt", Condition=of_caller))
    assert kms.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key
    no_organization = {"Null": {"aws:PrincipalOrgID": "true", "aws:ResourceOrgID": "true", "aws:PrincipalOrgPaths": "true"}}
    key = world.key(statement("*", "kms:Encrypt", Condition=no_organization))
    assert kms.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key


def test_re_encryption_across_accounts_needs_both_keys(world):
    theirs = world.other_kms.create_key()["KeyMetadata"]["Arn"]
    key = world.key(statement(OTHER, "kms:ReEncryptFrom"))
    blob = world.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    moved = world.other_kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=theirs)
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key, theirs)
    assert base64.b64encode(moved["CiphertextBlob"]) != base64.b64encode(blob)
    back = world.key()
    with refused("AccessDeniedException"):
        world.other_kms.re_encrypt(CiphertextBlob=moved["CiphertextBlob"], DestinationKeyId=back)



# --- the trails of both accounts ---


def events_of(world, answer, *accounts):
    """The events of a request by the account that they are for: these at least."""
    request_id = answer["ResponseMetadata"]["RequestId"]

    def found():
        events = {}
        for segment in sorted((world.server.data_dir / "audit").glob("trail-*")):
            for line in segment.read_text().splitlines():
                event = json.loads(line)
                if event.get("requestID") == request_id:
                    events[event["recipientAccountId"]] = event
        return events if set(accounts) <= set(events) else None

    return eventually(found)


def test_both_accounts_have_an_event_of_what_one_does_with_the_others_key(world):
    user, kms = world.user("shared")
    world.allow("shared", "kms:Encrypt", "kms:CreateGrant")
    arn = world.key({**statement(user, "kms:Encrypt", "kms:CreateGrant"), "Sid": "Shared"})
    answers = [
        kms.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"a": "1"}),
        kms.create_grant(KeyId=arn, GranteePrincipal=user, Operations=["Encrypt"]),
    ]
    for answer in answers:
        events = events_of(world, answer, ACCOUNT, OTHER)
        owner, caller = events[ACCOUNT], events[OTHER]
        assert owner["sharedEventID"] == caller["sharedEventID"]
        assert len({owner["eventID"], caller["eventID"], owner["sharedEventID"]}) == 3
        assert caller["userIdentity"]["arn"] == user
        identity = caller["userIdentity"]
        assert owner["userIdentity"] == {
            "type": "AWSAccount",
            "principalId": identity["principalId"],
            "accountId": OTHER,
        }
        for member in ("eventName", "requestParameters", "responseElements", "resources", "eventTime"):
            assert owner[member] == caller[member]
        assert owner["resources"] == [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": arn}]
        # The owner learns which of its own statements decided, and nothing of the caller's policies.
        assert set(owner["keyward"]) <= {"decisions", "changes"}
        (decision,) = owner["keyward"]["decisions"]
        assert decision["decision"] == "Allow"
        assert decision.get("by", {}).get("layer", "resource-based policy") == "resource-based policy"
        assert "user" in caller["keyward"]["policies"]
    usage = world.kms.get_key_last_usage(KeyId=arn)["KeyLastUsage"]
    encrypted = events_of(world, answers[0], ACCOUNT)
    assert usage["CloudTrailEventId"] == encrypted[ACCOUNT]["eventID"]


def test_what_is_denied_is_told_to_the_callers_account_alone(world):
    _, kms = world.user("alone")
    world.allow("alone", "kms:Encrypt")
    arn = world.key()
    with refused("AccessDeniedException") as caught:
        kms.encrypt(KeyId=arn, Plaintext=b"x")
    events = events_of(world, caught.value.response, OTHER)
    assert set(events) == {OTHER}
    assert "sharedEventID" not in events[OTHER]


def test_what_stays_at_home_has_one_event(world):
    answer = world.kms.encrypt(KeyId=world.key(), Plaintext=b"x")
    events = events_of(world, answer, ACCOUNT)
    assert set(events) == {ACCOUNT}
    assert "sharedEventID" not in events[ACCOUNT]
