"""One call for every operation served: the table behind the golden events and the golden matrix.

A row makes what its call needs as the root user (`w.root`, `w.key()` …) and then makes one call
as the world's caller (`w.kms`, `w.iam` …). Names come from `w.name(…)`, so that a row can run in
many worlds on one server.
"""

import types

import calls_iam
import calls_sts
from conftest import DELEGATION, ROOT_ARN, policy

CONTEXT = {"tenant": "blue"}


class World:
    """Clients of the caller (`kms`, `iam`, `sts` …), which make the one call that a row is about,
    and `root`, the clients that make what the call needs. Names begin with the world's own word,
    so that many worlds fit on one server."""

    def __init__(self, server, word, credentials=None, key_policy=None, by_arn=False):
        self.server, self.word, self.credentials = server, word, credentials
        self.key_policy, self.by_arn = key_policy, by_arn
        self.root = types.SimpleNamespace(**{service: server.client(service) for service in SERVICES})
        for service in SERVICES:
            client = server.client(service, credentials=credentials) if credentials else getattr(self.root, service)
            setattr(self, service, client)

    def name(self, suffix):
        return f"{self.word}-{suffix}"

    def alias(self, suffix):
        return f"alias/{self.word}-{suffix}"

    def key(self):
        given = {"Policy": self.key_policy} if self.key_policy else {}
        made = self.root.kms.create_key(**given)["KeyMetadata"]
        return made["Arn" if self.by_arn else "KeyId"]

    def encrypted(self, key):
        made = self.root.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)
        return made["CiphertextBlob"]

    def named(self, key, alias):
        self.root.kms.create_alias(AliasName=alias, TargetKeyId=key)
        return alias

    def pending(self, key):
        self.root.kms.schedule_key_deletion(KeyId=key)
        return key

    def tagged(self, key):
        self.root.kms.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "red"}])
        return key

    def user(self, suffix):
        """The name of a new user whom nothing allows anything."""
        self.root.iam.create_user(UserName=self.name(suffix))
        return self.name(suffix)


SERVICES = ["kms", "iam", "sts"]


def as_user(world, service, suffix):
    """A client of a new user of that name whom nothing allows anything."""
    name = world.user(suffix)
    made = world.root.iam.create_access_key(UserName=name)["AccessKey"]
    credentials = (made["AccessKeyId"], made["SecretAccessKey"])
    return world.server.client(service, credentials=credentials)


def two_keys(world):
    key, other = world.key(), world.key()
    return {
        "CiphertextBlob": world.encrypted(key),
        "SourceKeyId": key,
        "SourceEncryptionContext": CONTEXT,
        "DestinationKeyId": other,
        "DestinationEncryptionContext": {"tenant": "green"},
    }


def granted(w):
    """A new key with a grant to the account: the names of both."""
    key = w.key()
    made = w.root.kms.create_grant(KeyId=key, GranteePrincipal=ROOT_ARN, Operations=["Encrypt"])
    return {"KeyId": key, "GrantId": made["GrantId"]}


def disabled(w):
    key = w.key()
    w.root.kms.disable_key(KeyId=key)
    return key


# For each golden one call that makes its event; a name with a dash is a call that fails.
CALLS = {
    "kms": {
        "CancelKeyDeletion": lambda w: w.kms.cancel_key_deletion(KeyId=w.pending(w.key())),
        "CreateAlias": lambda w: w.kms.create_alias(AliasName=w.alias("1"), TargetKeyId=w.key()),
        "CreateGrant": lambda w: w.kms.create_grant(
            KeyId=w.key(), GranteePrincipal=ROOT_ARN, RetiringPrincipal=ROOT_ARN, Name="golden",
            Operations=["Encrypt", "RetireGrant"], Constraints={"EncryptionContextSubset": CONTEXT},
        ),
        "CreateKey": lambda w: w.kms.create_key(
            Description="golden", Policy=policy(DELEGATION), Tags=[{"TagKey": "team", "TagValue": "red"}]
        ),
        "Decrypt": lambda w: w.kms.decrypt(CiphertextBlob=w.encrypted(w.key()), EncryptionContext=CONTEXT),
        "Decrypt-denied": lambda w: as_user(w, "kms", "denied").decrypt(
            CiphertextBlob=w.encrypted(key := w.key()), KeyId=key, EncryptionContext=CONTEXT
        ),
        "Decrypt-invalid": lambda w: w.kms.decrypt(CiphertextBlob=w.encrypted(w.key())),
        "DeleteAlias": lambda w: w.kms.delete_alias(AliasName=w.named(w.key(), w.alias("2"))),
        "DescribeCustomKeyStores": lambda w: w.kms.describe_custom_key_stores(),
        "DescribeCustomKeyStores-not-found": lambda w: w.kms.describe_custom_key_stores(
            CustomKeyStoreName="golden"
        ),
        "DescribeKey": lambda w: w.kms.describe_key(KeyId=w.named(w.key(), w.alias("3"))),
        "DisableKey": lambda w: w.kms.disable_key(KeyId=w.key()),
        "DisableKeyRotation": lambda w: w.kms.disable_key_rotation(KeyId=w.key()),
        "EnableKey": lambda w: w.kms.enable_key(KeyId=disabled(w)),
        "EnableKeyRotation": lambda w: w.kms.enable_key_rotation(KeyId=w.key(), RotationPeriodInDays=180),
        "Encrypt": lambda w: w.kms.encrypt(KeyId=w.key(), Plaintext=b"x", EncryptionContext=CONTEXT),
        "Encrypt-disabled": lambda w: w.kms.encrypt(KeyId=disabled(w), Plaintext=b"x"),
        "Encrypt-dry-run": lambda w: w.kms.encrypt(KeyId=w.key(), Plaintext=b"x", DryRun=True),
        "Encrypt-malformed": lambda w: w.kms.encrypt(KeyId=w.key(), Plaintext=b""),
        "Encrypt-not-found": lambda w: w.kms.encrypt(KeyId="alias/nothing", Plaintext=b"x"),
        "GenerateDataKey": lambda w: w.kms.generate_data_key(
            KeyId=w.key(), KeySpec="AES_256", EncryptionContext=CONTEXT
        ),
        "GenerateDataKeyWithoutPlaintext": lambda w: w.kms.generate_data_key_without_plaintext(
            KeyId=w.key(), NumberOfBytes=64, EncryptionContext=CONTEXT
        ),
        "GenerateRandom": lambda w: w.kms.generate_random(NumberOfBytes=32),
        "GetKeyLastUsage": lambda w: w.kms.get_key_last_usage(KeyId=w.key()),
        "GetKeyPolicy": lambda w: w.kms.get_key_policy(KeyId=w.key(), PolicyName="default"),
        "GetKeyRotationStatus": lambda w: w.kms.get_key_rotation_status(KeyId=w.key()),
        "ListAliases": lambda w: w.kms.list_aliases(KeyId=w.key(), Limit=5),
        "ListGrants": lambda w: w.kms.list_grants(**granted(w), GranteePrincipal=ROOT_ARN, Limit=5),
        "ListKeyPolicies": lambda w: w.kms.list_key_policies(KeyId=w.key(), Limit=5),
        "ListKeyRotations": lambda w: w.kms.list_key_rotations(
            KeyId=w.key(), IncludeKeyMaterial="ALL_KEY_MATERIAL", Limit=5
        ),
        "ListKeys": lambda w: w.kms.list_keys(Limit=5),
        "ListResourceTags": lambda w: w.kms.list_resource_tags(KeyId=w.tagged(w.key()), Limit=5),
        "ListRetirableGrants": lambda w: w.kms.list_retirable_grants(RetiringPrincipal=ROOT_ARN, Limit=5),
        "PutKeyPolicy": lambda w: w.kms.put_key_policy(
            KeyId=w.key(), Policy=policy(DELEGATION), BypassPolicyLockoutSafetyCheck=True
        ),
        "ReEncrypt": lambda w: w.kms.re_encrypt(**two_keys(w)),
        "RetireGrant": lambda w: w.kms.retire_grant(**granted(w)),
        "RevokeGrant": lambda w: w.kms.revoke_grant(**granted(w)),
        "RotateKeyOnDemand": lambda w: w.kms.rotate_key_on_demand(KeyId=w.key()),
        "ScheduleKeyDeletion": lambda w: w.kms.schedule_key_deletion(KeyId=w.key(), PendingWindowInDays=7),
        "TagResource": lambda w: w.kms.tag_resource(
            KeyId=w.key(), Tags=[{"TagKey": "team", "TagValue": "red"}]
        ),
        "UntagResource": lambda w: w.kms.untag_resource(KeyId=w.tagged(w.key()), TagKeys=["team"]),
        "UpdateAlias": lambda w: w.kms.update_alias(
            AliasName=w.named(w.key(), w.alias("4")), TargetKeyId=w.key()
        ),
        "UpdateKeyDescription": lambda w: w.kms.update_key_description(KeyId=w.key(), Description="new"),
    },
    "iam": {
        **calls_iam.CALLS,
        **calls_sts.PROVIDERS,
        "CreateUser-denied": lambda w: as_user(w, "iam", "3").create_user(UserName="other"),
    },
    "sts": calls_sts.CALLS,
}
ROWS = [(service, name) for service, calls in CALLS.items() for name in calls]
