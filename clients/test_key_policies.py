"""Key policies: what is stored, what is refused, and what they let users do."""

import json

import pytest

from conftest import DELEGATION, policy, ROOT_ARN
from errors import invalid, matching, NOT_NULL, refused, to_value
from keyward import ACCOUNT

LOCKOUT = "The new key policy will not allow you to update the key policy in the future."
PRINCIPALS = "Policy contains a statement with one or more invalid principals."


def statement(principal, *actions, effect="Allow", resource="*", **more):
    return {
        "Effect": effect,
        "Principal": {"AWS": principal} if principal != "*" else "*",
        "Action": list(actions),
        "Resource": resource,
        **more,
    }


def stored(kms, key):
    return json.loads(kms.get_key_policy(KeyId=key)["Policy"])


def test_the_default_policy_delegates_to_the_account(kms, key):
    answer = kms.get_key_policy(KeyId=key)
    assert answer["PolicyName"] == "default"
    assert json.loads(answer["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [DELEGATION],
    }
    # As AWS prints it.
    assert answer["Policy"].startswith('{\n  "Version" : "2012-10-17",\n  "Id" : "key-default-1",\n  "Statement" : [ {\n')


def test_a_policy_is_replaced_whole(kms, key, arn, user):
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, statement(user.arn, "kms:Encrypt")))
    assert len(stored(kms, key)["Statement"]) == 2
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=policy(DELEGATION, Id="mine"))
    found = stored(kms, key)
    assert (found["Id"], found["Statement"]) == ("mine", [DELEGATION])


def test_an_account_principal_is_stored_as_the_root_arn(kms, key):
    kms.put_key_policy(KeyId=key, Policy=policy({**DELEGATION, "Principal": {"AWS": ACCOUNT}}))
    assert stored(kms, key)["Statement"][0]["Principal"] == {"AWS": ROOT_ARN}


def test_list_key_policies_names_the_one(kms, key):
    answer = kms.list_key_policies(KeyId=key)
    assert (answer["PolicyNames"], answer["Truncated"]) == (["default"], False)
    with invalid(("'1001'", "limit", to_value(1000))):
        kms.list_key_policies(KeyId=key, Limit=1001)


def test_there_is_no_other_policy(kms, key):
    with refused("NotFoundException", "No such policy exists"):
        kms.get_key_policy(KeyId=key, PolicyName="other")
    with refused("NotFoundException"):
        kms.get_key_policy(KeyId=key, PolicyName="AWS_RAM")
    with refused("ValidationException", "The AWS_RAM policy can only be managed by the RAM service."):
        kms.put_key_policy(KeyId=key, PolicyName="AWS_RAM", Policy=policy(DELEGATION))
    with invalid(("'a b'", "policyName", matching(r"[\w]+"))):
        kms.get_key_policy(KeyId=key, PolicyName="a b")


def test_put_key_policy_checks_its_members(kms, key):
    with invalid(("null", "policy", NOT_NULL)):
        kms.put_key_policy(KeyId=key)
    pattern = matching(r"[\u0009\u000A\u000D\u0020-\u00FF]+")
    with invalid(("'\u0416'", "policy", pattern)):
        kms.put_key_policy(KeyId=key, Policy="\u0416")


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        '{"Version":"2012-10-17"}',
        '{"Version":"2012-10-17","Statement":[],"Extra":1}',
        policy({**DELEGATION, "Effect": "allow"}),
        policy({**DELEGATION, "Condition": {"StringSounds": {"aws:username": "x"}}}),
        policy({key: value for key, value in DELEGATION.items() if key != "Action"}),
        policy({key: value for key, value in DELEGATION.items() if key != "Resource"}),
        policy({key: value for key, value in DELEGATION.items() if key != "Principal"}),
    ],
)
def test_a_malformed_policy_is_refused(kms, key, text):
    with refused("MalformedPolicyDocumentException") as caught:
        kms.put_key_policy(KeyId=key, Policy=text)
    assert caught.value.response["Error"]["Message"]
    with refused("MalformedPolicyDocumentException"):
        kms.create_key(Policy=text)
    assert stored(kms, key)["Statement"] == [DELEGATION]


def test_a_statement_may_name_the_key_itself_by_arn_or_pattern(server, kms, key, user):
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    theirs = server.client("kms", credentials=user.credentials)
    for resource in [arn, f"arn:aws:kms:*:{ACCOUNT}:key/*", arn[:-4] + "????"]:
        named = {**statement(user.arn, "kms:Encrypt"), "Resource": resource}
        kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, named))
        assert theirs.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == arn
        assert stored(kms, key)["Statement"][1]["Resource"] == resource


def test_a_statement_that_names_another_resource_or_none_has_no_effect(server, kms, key, user):
    theirs = server.client("kms", credentials=user.credentials)
    whole = statement(user.arn, "kms:Encrypt")
    for without in [
        {**whole, "Resource": "arn:aws:s3:::bucket"},
        {**whole, "Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"},
        {name: value for name, value in whole.items() if name != "Resource"},
        {name: value for name, value in whole.items() if name != "Action"},
    ]:
        kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, without))
        with refused("AccessDeniedException", None):
            theirs.encrypt(KeyId=key, Plaintext=b"x")


def test_a_new_key_may_be_named_by_a_pattern_and_not_by_what_it_will_not_be(kms):
    pattern = {**DELEGATION, "Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"}
    kms.create_key(Policy=policy(pattern))
    other = {**DELEGATION, "Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-*"}
    with refused("MalformedPolicyDocumentException", LOCKOUT):
        kms.create_key(Policy=policy(other))


@pytest.mark.parametrize("resource", ["key", "arn", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:mars:kms:*:*:key/*"])
def test_a_resource_that_cannot_be_read_is_refused(kms, key, resource):
    text = policy(DELEGATION, {**statement(ROOT_ARN, "kms:*"), "Resource": resource})
    with refused(
        "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid resources."
    ):
        kms.put_key_policy(KeyId=key, Policy=text)


@pytest.mark.parametrize(
    "principal",
    [
        f"arn:aws:iam::{ACCOUNT}:user/nobody-of-that-name",
        f"arn:aws:iam::{ACCOUNT}:group/some",
        "AIDAJQABLZS4A3QDU576Q",
        "nonsense",
    ],
)
def test_a_principal_must_exist(kms, key, principal):
    with refused("MalformedPolicyDocumentException", PRINCIPALS):
        kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, statement(principal, "kms:Encrypt")))


def test_for_all_values_on_a_single_value_is_overly_permissive(kms, key):
    condition = {"ForAllValues:StringEquals": {"kms:EncryptionContext:a": "1"}}
    with refused(
        "MalformedPolicyDocumentException",
        "OverlyPermissiveCondition:EncryptionContext: Using the ForAllValues set operator with a "
        "single-valued condition key matches requests without the specified encryption context or "
        "with an unspecified encryption context. To fix, remove ForAllValues.",
    ):
        kms.put_key_policy(
            KeyId=key,
            Policy=policy(DELEGATION, statement(ROOT_ARN, "kms:Decrypt", Condition=condition)),
        )


def test_a_policy_over_32_kib_exceeds_the_limit(kms, key):
    text = policy({**DELEGATION, "Sid": "s" * 33000})
    with refused("LimitExceededException"):
        kms.put_key_policy(KeyId=key, Policy=text)


def test_a_policy_that_locks_the_caller_out_is_refused_unless_told(kms, key, user):
    locked = policy(statement(user.arn, "kms:*"))
    with refused("MalformedPolicyDocumentException", LOCKOUT):
        kms.put_key_policy(KeyId=key, Policy=locked)
    with refused("MalformedPolicyDocumentException", LOCKOUT):
        kms.create_key(Policy=locked)
    kms.put_key_policy(KeyId=key, Policy=locked, BypassPolicyLockoutSafetyCheck=True)
    # Not even the root user has power that the policy does not give.
    with refused(
        "AccessDeniedException",
        f"User: {ROOT_ARN} is not authorized to perform: kms:DescribeKey on resource: "
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key} because no resource-based policy allows the "
        "kms:DescribeKey action",
    ):
        kms.describe_key(KeyId=key)
    user.kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION), BypassPolicyLockoutSafetyCheck=True)
    kms.describe_key(KeyId=key)


def test_a_user_is_allowed_by_the_key_policy_alone(kms, key, user):
    with refused("AccessDeniedException"):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, statement(user.arn, "kms:Encrypt", "kms:Decrypt")))
    blob = user.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert user.kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    with refused("AccessDeniedException"):
        user.kms.describe_key(KeyId=key)
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION))
    with refused("AccessDeniedException"):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_without_delegation_an_identity_policy_is_not_enough(kms, key, arn, user):
    user.allow("kms:*")
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.put_key_policy(KeyId=key, Policy=policy(statement(ROOT_ARN, "kms:PutKeyPolicy")))
    with refused(
        "AccessDeniedException",
        f"User: {user.arn} is not authorized to perform: kms:Encrypt on resource: {arn} because no "
        "resource-based policy allows the kms:Encrypt action",
    ):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_an_explicit_deny_wins(kms, key, arn, user):
    user.allow("kms:*")
    kms.put_key_policy(
        KeyId=key, Policy=policy(DELEGATION, statement(user.arn, "kms:Decrypt", effect="Deny"))
    )
    blob = user.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    text = f"User: {user.arn} is not authorized to perform: kms:Decrypt on resource: {arn} with an explicit deny in a resource-based policy"
    with refused("AccessDeniedException", text):
        user.kms.decrypt(CiphertextBlob=blob, KeyId=key)


def test_conditions_on_the_encryption_context_hold(kms, key, user):
    condition = {"StringEquals": {"kms:EncryptionContext:tenant": "blue"}}
    rule = statement(user.arn, "kms:GenerateDataKey", Condition=condition)
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, rule))
    user.kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"tenant": "blue"})
    for context in ({}, {"tenant": "red"}):
        with refused("AccessDeniedException"):
            user.kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)


@pytest.mark.parametrize(
    "condition,named,allowed",
    [
        ({"StringEquals": {"kms:RequestAlias": "ALIAS"}}, "alias", True),
        ({"StringEquals": {"kms:RequestAlias": "ALIAS"}}, "key", False),
        ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}}, "key", True),
        ({"StringEquals": {"kms:CallerAccount": ACCOUNT}}, "key", True),
        ({"StringEquals": {"aws:ResourceTag/team": "red"}}, "key", True),
        ({"StringEquals": {"aws:ResourceTag/team": "blue"}}, "key", False),
        ({"Bool": {"aws:SecureTransport": "true"}}, "key", False),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, "key", True),
        ({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}, "key", True),
        ({"Null": {"kms:ViaService": "true"}}, "key", True),
    ],
)
def test_condition_keys_have_their_values(kms, alias, user, condition, named, allowed):
    key = kms.create_key(Tags=[{"TagKey": "team", "TagValue": "red"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    condition = json.loads(json.dumps(condition).replace("ALIAS", alias))
    rule = statement(user.arn, "kms:Encrypt", Condition=condition)
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, rule))
    name = alias if named == "alias" else key
    if allowed:
        user.kms.encrypt(KeyId=name, Plaintext=b"x")
    else:
        with refused("AccessDeniedException"):
            user.kms.encrypt(KeyId=name, Plaintext=b"x")


def test_a_deleted_user_stands_in_the_policy_by_its_id(server, kms, key, user, iam):
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, statement(user.arn, "kms:Encrypt")))
    assert stored(kms, key)["Statement"][1]["Principal"] == {"AWS": user.arn}
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials[0])
    iam.delete_user(UserName=user.name)
    assert stored(kms, key)["Statement"][1]["Principal"] == {"AWS": user.id}
    # A namesake is somebody else.
    iam.create_user(UserName=user.name)
    made = iam.create_access_key(UserName=user.name)["AccessKey"]
    namesake = server.client("kms", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))
    with refused("AccessDeniedException"):
        namesake.encrypt(KeyId=key, Plaintext=b"x")
    assert stored(kms, key)["Statement"][1]["Principal"] == {"AWS": user.id}
