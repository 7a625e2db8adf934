"""Grants: who may do what by one, under which constraints, and how they end."""

import base64
import json
import re
import subprocess
import sys
import pathlib
import threading
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from conftest import DELEGATION, ROOT_ARN, User, policy
from errors import NOT_NULL, at_least, at_most, invalid, matching, refused, to_value
from keyward import ACCOUNT, REGION, clean_environment, key_arn, user_arn

AWS = pathlib.Path(sys.executable).with_name("aws")
PRINCIPAL = matching(r"^[\w+=,.@:/-]+$")
SERVICE = matching(r"^([A-Za-z0-9\-]+)\.([A-Za-z0-9\-]+)(\.[A-Za-z0-9\-]+)+$")
NOBODY = "ARN does not refer to a valid principal: {}"
NO_GRANT = "Grant ID {} not found"
UNKNOWN = "0" * 64
DRY_RUN = "The request would have succeeded, but the DryRun option is set."


def grant(kms, key, grantee, *operations, **more):
    """Makes a grant and answers its id."""
    return make(kms, key, grantee, *operations, **more)["GrantId"]


def make(kms, key, grantee, *operations, **more):
    arn = grantee if isinstance(grantee, str) else grantee.arn
    return kms.create_grant(
        KeyId=key, GranteePrincipal=arn, Operations=list(operations) or ["Encrypt", "Decrypt"], **more
    )


def listed(kms, key, **more):
    """Every grant on the key, as the pages give them."""
    found, marker = [], {}
    while True:
        page = kms.list_grants(KeyId=key, **more, **marker)
        found += page["Grants"]
        if not page["Truncated"]:
            assert "NextMarker" not in page
            return found
        marker = {"Marker": page["NextMarker"]}


def ids(grants):
    return sorted(one["GrantId"] for one in grants)


def denied(caller, action, arn, why="no identity-based policy allows"):
    return refused(
        "AccessDeniedException",
        f"User: {caller.arn} is not authorized to perform: kms:{action} on resource: {arn} "
        f"because {why} the kms:{action} action",
    )


# The story.


def test_a_grant_lets_its_grantee_and_nobody_else(kms, key, arn, user, other_user):
    with denied(user, "Encrypt", arn):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")
    made = make(kms, key, user, "Encrypt", "Decrypt")
    assert re.fullmatch(r"[0-9a-f]{64}", made["GrantId"])
    assert 1 <= len(made["GrantToken"]) <= 8192
    blob = user.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert user.kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    with denied(user, "GenerateDataKey", arn):
        user.kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    # The token is worth nothing to others.
    with denied(other_user, "Encrypt", arn):
        other_user.kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=[made["GrantToken"]])


def test_the_story_by_the_cli(server, kms, key, user, other_user, tmp_path):
    """Made, used with its token, retired by it, as an administrator and an application do it."""
    user.allow("kms:CreateGrant", "kms:ListGrants")

    def aws(*arguments, who=user, fails=None):
        environment = {
            **clean_environment(),
            "AWS_ENDPOINT_URL": server.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": who.credentials[0],
            "AWS_SECRET_ACCESS_KEY": who.credentials[1],
        }
        done = subprocess.run([AWS, "kms", *arguments], capture_output=True, text=True, env=environment)
        if fails:
            assert done.returncode != 0 and fails in done.stderr, done.stderr
            return None
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    made = aws(
        "create-grant", "--key-id", key,
        "--grantee-principal", other_user.arn,
        "--retiring-principal", other_user.arn,
        "--operations", "GenerateDataKey", "Decrypt",
        "--constraints", "EncryptionContextSubset={Department=IT}",
        "--name", "backup",
    )  # fmt: skip
    (found,) = aws("list-grants", "--key-id", key)["Grants"]
    assert found["GrantId"] == made["GrantId"]
    assert found["Operations"] == ["GenerateDataKey", "Decrypt"]
    context = ["--encryption-context", "Department=IT,Purpose=Test"]
    token = ["--grant-tokens", made["GrantToken"]]
    generate = ["generate-data-key", "--key-id", key, "--key-spec", "AES_256", *token]
    data_key = aws(*generate, *context, who=other_user)
    blob = tmp_path / "blob"
    blob.write_bytes(base64.b64decode(data_key["CiphertextBlob"]))
    decrypt = ["decrypt", "--ciphertext-blob", f"fileb://{blob}", *token, *context]
    assert aws(*decrypt, who=other_user)["Plaintext"] == data_key["Plaintext"]
    aws(*generate, "--encryption-context", "Department=HR", who=other_user, fails="(AccessDeniedException)")
    aws("retire-grant", "--grant-token", made["GrantToken"], who=other_user)
    aws(*decrypt, who=other_user, fails="(AccessDeniedException)")
    assert aws("list-grants", "--key-id", key)["Grants"] == []


@pytest.mark.parametrize(
    "operation,request_of",
    [
        ("DescribeKey", lambda key, blob: ("describe_key", {"KeyId": key})),
        ("Encrypt", lambda key, blob: ("encrypt", {"KeyId": key, "Plaintext": b"x"})),
        ("Decrypt", lambda key, blob: ("decrypt", {"CiphertextBlob": blob})),
        ("GenerateDataKey", lambda key, blob: ("generate_data_key", {"KeyId": key, "KeySpec": "AES_128"})),
        (
            "GenerateDataKeyWithoutPlaintext",
            lambda key, blob: ("generate_data_key_without_plaintext", {"KeyId": key, "KeySpec": "AES_128"}),
        ),
    ],
)
def test_each_operation_needs_its_own_grant(kms, key, arn, user, operation, request_of):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    method, request = request_of(arn, blob)
    others = [other for other in ("Encrypt", "Decrypt", "DescribeKey") if other != operation]
    grant(kms, key, user, *others)
    with refused("AccessDeniedException"):
        getattr(user.kms, method)(**request)
    mine = grant(kms, key, user, operation)
    getattr(user.kms, method)(**request)
    kms.revoke_grant(KeyId=key, GrantId=mine)
    with refused("AccessDeniedException"):
        getattr(user.kms, method)(**request)


def test_re_encryption_needs_a_grant_on_either_key(kms, user):
    first, second = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    blob = kms.encrypt(KeyId=first, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    request = {
        "CiphertextBlob": blob,
        "SourceEncryptionContext": {"a": "1"},
        "DestinationKeyId": second,
        "DestinationEncryptionContext": {"b": "2"},
    }
    constraint = lambda pairs: {"Constraints": {"EncryptionContextEquals": pairs}}  # noqa: E731
    with refused("AccessDeniedException"):
        user.kms.re_encrypt(**request)
    grant(kms, first, user, "ReEncryptFrom", **constraint({"a": "1"}))
    with denied(user, "ReEncryptTo", key_arn(second)):
        user.kms.re_encrypt(**request)
    # Each context is held against the constraint of its own key.
    grant(kms, second, user, "ReEncryptTo", **constraint({"a": "1"}))
    with denied(user, "ReEncryptTo", key_arn(second)):
        user.kms.re_encrypt(**request)
    grant(kms, second, user, "ReEncryptTo", **constraint({"b": "2"}))
    assert user.kms.re_encrypt(**request)["KeyId"] == key_arn(second)


# Constraints.


@pytest.mark.parametrize(
    "constraints,allowed,denials",
    [
        (
            {"EncryptionContextEquals": {"a": "1", "b": "2"}},
            [{"a": "1", "b": "2"}],
            [{}, {"a": "1"}, {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "3"}, {"A": "1", "b": "2"}],
        ),
        (
            {"EncryptionContextSubset": {"a": "1"}},
            [{"a": "1"}, {"a": "1", "b": "2"}],
            [{}, {"b": "2"}, {"a": "2"}, {"A": "1"}, {"a": "1 "}],
        ),
        ({"EncryptionContextSubset": {}}, [{}, {"a": "1"}], []),
        ({"EncryptionContextEquals": {}}, [{}], [{"a": "1"}]),
        # Only calls of services have a source.
        ({"SourceArn": "arn:aws:s3:us-east-1:111122223333:bucket"}, [], [{}, {"a": "1"}]),
    ],
)
def test_constraints_hold(kms, key, user, constraints, allowed, denials):
    grant(kms, key, user, "Encrypt", Constraints=constraints)
    for context in allowed:
        user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)
    for context in denials:
        with refused("AccessDeniedException"):
            user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)


def test_a_constraint_does_not_hold_for_describe_key(kms, key, user):
    grant(
        kms, key, user, "Decrypt", "DescribeKey", Constraints={"EncryptionContextEquals": {"a": "1"}}
    )
    user.kms.describe_key(KeyId=key)


def test_many_grants_of_different_shapes_are_each_found(kms, key, user):
    contexts = [{"tenant": str(n)} for n in range(12)] + [{"tenant": "0", "row": str(n)} for n in range(12)]
    for at, context in enumerate(contexts):
        kind = "EncryptionContextEquals" if at % 2 else "EncryptionContextSubset"
        grant(kms, key, user, "GenerateDataKey", Constraints={kind: context})
    for context in contexts:
        user.kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    for context in ({}, {"tenant": "12"}, {"row": "1"}):
        with refused("AccessDeniedException"):
            user.kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)


# How a grant meets policies.


def test_a_deny_beats_a_grant(kms, key, arn, user):
    grant(kms, key, user, "Encrypt")
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    user.allow("kms:Encrypt", effect="Deny")
    text = f"User: {user.arn} is not authorized to perform: kms:Encrypt on resource: {arn} with an explicit deny in an identity-based policy"
    with refused("AccessDeniedException", text):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_a_grant_to_the_account_needs_an_identity_policy_besides(kms, key, arn, user):
    # The key policy leaves all but encryption to identity policies; the grant leaves that.
    delegation = {**DELEGATION, "NotAction": "kms:Encrypt"}
    del delegation["Action"]
    kms.put_key_policy(KeyId=key, Policy=policy(delegation))
    user.allow("kms:Encrypt")
    with denied(user, "Encrypt", arn, "no resource-based policy allows"):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")
    grant(kms, key, ROOT_ARN, "Encrypt")
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.encrypt(KeyId=key, Plaintext=b"x")
    user.allow("kms:Decrypt")
    with denied(user, "Encrypt", arn):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_a_grantee_made_anew_under_the_old_name_is_a_stranger(server, kms, iam, key, user):
    grant(kms, key, user, "Encrypt", RetiringPrincipal=user.arn)
    (found,) = listed(kms, key)
    assert (found["GranteePrincipal"], found["RetiringPrincipal"]) == (user.arn, user.arn)
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials[0])
    iam.delete_user(UserName=user.name)
    (found,) = listed(kms, key)
    assert (found["GranteePrincipal"], found["RetiringPrincipal"]) == (user.id, user.id)
    iam.create_user(UserName=user.name)
    made = iam.create_access_key(UserName=user.name)["AccessKey"]
    namesake = server.client("kms", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))
    with refused("AccessDeniedException"):
        namesake.encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDeniedException"):
        namesake.retire_grant(KeyId=key_arn(key), GrantId=found["GrantId"])
    # The old one's grants are found by its id, the new one has none.
    assert ids(listed(kms, key, GranteePrincipal=user.id)) == [found["GrantId"]]
    assert listed(kms, key, GranteePrincipal=user.arn) == []


@pytest.mark.parametrize(
    "condition,allowed",
    [
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "Encrypt"]}}, True),
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}, False),
        ({"ForAnyValue:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}, True),
        ({"StringEquals": {"kms:GranteePrincipal": "GRANTEE"}}, True),
        ({"StringNotEquals": {"kms:GranteePrincipal": "GRANTEE"}}, False),
        ({"StringEquals": {"kms:RetiringPrincipal": ROOT_ARN}}, True),
        ({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}}, True),
        ({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}}, False),
        ({"StringEquals": {"kms:EncryptionContext:tenant": "blue"}}, True),
        ({"StringEquals": {"kms:EncryptionContext:tenant": "red"}}, False),
        ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]}}, True),
        ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, False),
        ({"Bool": {"kms:GrantIsForAWSResource": "false"}}, True),
        ({"Null": {"kms:GrantConstraintSourceArn": "true"}}, True),
        ({"Null": {"kms:GranteeServicePrincipal": "true", "kms:RetiringServicePrincipal": "true"}}, True),
        ({"StringEquals": {"kms:CallerAccount": ACCOUNT}}, True),
    ],
)
def test_condition_keys_of_create_grant(kms, key, user, other_user, condition, allowed):
    condition = json.loads(json.dumps(condition).replace("GRANTEE", other_user.arn))
    user.allow("kms:CreateGrant", Condition=condition)

    def attempt():
        grant(
            user.kms,
            key,
            other_user,
            RetiringPrincipal=ROOT_ARN,
            Constraints={"EncryptionContextSubset": {"tenant": "blue"}},
        )

    if allowed:
        attempt()
    else:
        with refused("AccessDeniedException"):
            attempt()


def test_condition_keys_of_a_grant_to_a_service(kms, key, user):
    source = "arn:aws:s3:us-east-1:111122223333:bucket/logs"
    condition = {
        "StringEquals": {
            "kms:GranteeServicePrincipal": "s3.amazonaws.com",
            "kms:RetiringServicePrincipal": "s3.amazonaws.com",
        },
        "ArnLike": {"kms:GrantConstraintSourceArn": "arn:aws:s3:*:111122223333:bucket/*"},
    }
    user.allow("kms:CreateGrant", Condition=condition)

    def attempt(service):
        return user.kms.create_grant(
            KeyId=key,
            GranteeServicePrincipal=service,
            RetiringServicePrincipal="s3.amazonaws.com",
            Operations=["Decrypt"],
            Constraints={"SourceArn": source},
        )

    with refused("AccessDeniedException"):
        attempt("sqs.amazonaws.com")
    made = attempt("s3.amazonaws.com")["GrantId"]
    (found,) = listed(kms, key)
    del found["CreationDate"]
    assert found == {
        "KeyId": key_arn(key),
        "GrantId": made,
        "Name": "",
        "GranteeServicePrincipal": "s3.amazonaws.com",
        "RetiringServicePrincipal": "s3.amazonaws.com",
        "IssuingAccount": ROOT_ARN,
        "Operations": ["Decrypt"],
        "Constraints": {"SourceArn": source},
    }


@pytest.mark.parametrize(
    "call",
    [
        lambda kms, key, one: kms.list_grants(KeyId=key),
        lambda kms, key, one: kms.revoke_grant(KeyId=key, GrantId=one),
    ],
)
def test_listing_and_revoking_know_whether_a_service_calls(kms, key, user, call):
    one = grant(kms, key, user)
    services = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    user.allow("kms:ListGrants", "kms:RevokeGrant", Condition=services)
    with refused("AccessDeniedException"):
        call(user.kms, key, one)
    users = {"Bool": {"kms:GrantIsForAWSResource": "false"}}
    user.allow("kms:ListGrants", "kms:RevokeGrant", Condition=users)
    call(user.kms, key, one)


# Names and tokens.


def test_a_name_makes_a_repeated_request_answer_the_same_grant(kms, key, user, other_user):
    request = {"Name": "mine", "Constraints": {"EncryptionContextSubset": {"a": "1"}}}
    first = make(kms, key, user, "Encrypt", "Decrypt", **request)
    again = make(kms, key, user, "Encrypt", "Decrypt", **request)
    assert again["GrantId"] == first["GrantId"]
    assert again["GrantToken"] != first["GrantToken"]
    assert len(listed(kms, key)) == 1
    # Anything else makes another grant.
    others = [
        make(kms, key, other_user, "Encrypt", "Decrypt", **request),
        make(kms, key, user, "Encrypt", **request),
        make(kms, key, user, "Encrypt", "Decrypt", Name="mine"),
        make(kms, key, user, "Encrypt", "Decrypt", **{**request, "Name": "other"}),
        make(kms, key, user, "Encrypt", "Decrypt", **request, RetiringPrincipal=ROOT_ARN),
        make(kms, key, user, "Encrypt", "Decrypt", Name="mine", Constraints={"EncryptionContextEquals": {"a": "1"}}),
    ]
    assert len({first["GrantId"], *(one["GrantId"] for one in others)}) == 7
    assert len(listed(kms, key)) == 7
    # Both tokens are the grant's.
    kms.retire_grant(GrantToken=first["GrantToken"])
    with refused("NotFoundException", NO_GRANT.format(first["GrantId"])):
        kms.retire_grant(GrantToken=again["GrantToken"])
    # Once it is gone, so is its name.
    assert make(kms, key, user, "Encrypt", "Decrypt", **request)["GrantId"] != first["GrantId"]


def test_without_a_name_every_request_makes_a_grant(kms, key, user):
    assert grant(kms, key, user) != grant(kms, key, user)
    assert len(listed(kms, key)) == 2


def test_as_many_at_once_under_one_name_are_one_grant(server, kms, key, user):
    made, wrong = [], []

    def attempt():
        try:
            made.append(grant(server.client("kms"), key, user, Name="once"))
        except ClientError as error:
            wrong.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(set(made)) == 1 and ids(listed(kms, key)) == made[:1]


def test_tokens_must_be_ours_and_may_be_anybodys(kms, key, user):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    token = make(kms, other, user)["GrantToken"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=[token])["CiphertextBlob"]
    gone = make(kms, key, user)
    kms.revoke_grant(KeyId=key, GrantId=gone["GrantId"])
    tokens = [token, gone["GrantToken"]] * 5
    kms.decrypt(CiphertextBlob=blob, GrantTokens=tokens)
    kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=key, GrantTokens=tokens)
    kms.describe_key(KeyId=key, GrantTokens=tokens)
    with refused("AccessDeniedException"):
        user.kms.decrypt(CiphertextBlob=blob, GrantTokens=tokens)
    damaged = token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]
    for wrong in ("nonsense", "a" * 8192, damaged, base64.b64encode(b"\x01" * 200).decode()):
        for call, request in [
            (kms.encrypt, {"KeyId": key, "Plaintext": b"x"}),
            (kms.decrypt, {"CiphertextBlob": blob}),
            (kms.re_encrypt, {"CiphertextBlob": blob, "DestinationKeyId": key}),
            (kms.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
            (kms.generate_data_key_without_plaintext, {"KeyId": key, "KeySpec": "AES_256"}),
            (kms.describe_key, {"KeyId": key}),
            (kms.create_grant, {"KeyId": key, "GranteePrincipal": user.arn, "Operations": ["Encrypt"]}),
        ]:
            with refused("InvalidGrantTokenException", "The grant token is not valid."):
                call(**request, GrantTokens=[token, wrong])
    with refused("InvalidGrantTokenException", "The grant token is not valid."):
        kms.retire_grant(GrantToken="nonsense")


def test_a_token_is_of_one_region(server, kms, key, user):
    token = make(kms, key, user)["GrantToken"]
    elsewhere = server.client("kms", region="eu-west-1")
    with refused("InvalidGrantTokenException"):
        elsewhere.retire_grant(GrantToken=token)


def test_at_most_ten_tokens(kms, key):
    with pytest.raises(ClientError) as caught:
        kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=["t"] * 11)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["Error"]["Message"].endswith(at_most(10))


# Children.


def test_a_grantee_hands_on_no_more_than_it_has(kms, key, arn, user, other_user):
    parent = {"EncryptionContextSubset": {"tenant": "blue"}}
    grant(kms, key, user, "Decrypt", "CreateGrant", Constraints=parent)

    def child(*operations, **constraints):
        return grant(user.kms, key, other_user, *operations, Constraints=constraints)

    for operations, constraints in [
        (["Decrypt", "Encrypt"], parent),
        (["Decrypt"], {}),
        (["Decrypt"], {"EncryptionContextSubset": {"tenant": "red"}}),
        (["Decrypt"], {"EncryptionContextSubset": {"row": "1"}}),
        (["Decrypt"], {"EncryptionContextEquals": {"row": "1"}}),
        (["Decrypt", "RetireGrant"], parent),
    ]:
        with denied(user, "CreateGrant", arn):
            child(*operations, **constraints)
    child("Decrypt", **parent)
    child("Decrypt", EncryptionContextSubset={"tenant": "blue", "row": "1"})
    child("Decrypt", EncryptionContextEquals={"tenant": "blue", "row": "2"})
    # Who is allowed by policy is not bound so.
    user.allow("kms:CreateGrant")
    child("Encrypt")


def test_an_equals_constraint_is_handed_on_as_it_is(kms, key, user, other_user):
    same = {"EncryptionContextEquals": {"a": "1"}}
    grant(kms, key, user, "Decrypt", "CreateGrant", Constraints=same)
    for constraints in (
        {"EncryptionContextEquals": {"a": "1", "b": "2"}},
        {"EncryptionContextSubset": {"a": "1"}},
        {},
    ):
        with refused("AccessDeniedException"):
            grant(user.kms, key, other_user, "Decrypt", Constraints=constraints)
    grant(user.kms, key, other_user, "Decrypt", Constraints=same)


def test_the_parent_that_fits_is_found_among_many(kms, key, user, other_user):
    for operations in (["Encrypt"], ["GenerateDataKey"], ["Decrypt", "DescribeKey"], ["ReEncryptTo"]):
        grant(kms, key, user, "CreateGrant", *operations)
    grant(user.kms, key, other_user, "Decrypt", "DescribeKey")
    grant(user.kms, key, other_user, "GenerateDataKey")
    with refused("AccessDeniedException"):
        # No single one of them has both.
        grant(user.kms, key, other_user, "Encrypt", "Decrypt")


def test_a_child_may_make_children_if_its_parent_says_so(server, iam, kms, key, user, other_user):
    third = User(server, iam)
    first = grant(kms, key, user, "Decrypt", "CreateGrant")
    grant(user.kms, key, other_user, "Decrypt", "CreateGrant")
    grant(other_user.kms, key, third, "Decrypt")
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    third.kms.decrypt(CiphertextBlob=blob)
    kms.revoke_grant(KeyId=key, GrantId=first)
    with refused("AccessDeniedException"):
        grant(user.kms, key, third, "Decrypt")
    # As in AWS, what was handed on stays.
    third.kms.decrypt(CiphertextBlob=blob)


# The end of a grant.


def test_a_revoked_grant_is_gone(kms, key, arn, user):
    one = grant(kms, key, user, "Encrypt", Name="n", RetiringPrincipal=user.arn)
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    answer = kms.revoke_grant(KeyId=arn, GrantId=one)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    with denied(user, "Encrypt", arn):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")
    assert listed(kms, key) == []
    assert listed(kms, key, GrantId=one) == []
    assert listed(kms, key, GranteePrincipal=user.arn) == []
    assert one not in ids(retirable(kms, user.arn))
    with refused("NotFoundException", NO_GRANT.format(one)):
        kms.revoke_grant(KeyId=key, GrantId=one)
    with refused("NotFoundException", NO_GRANT.format(one)):
        kms.retire_grant(KeyId=arn, GrantId=one)


def test_only_the_keys_side_revokes(kms, key, arn, user):
    one = grant(kms, key, user, "Encrypt", "RetireGrant", RetiringPrincipal=user.arn)
    with denied(user, "RevokeGrant", arn):
        user.kms.revoke_grant(KeyId=key, GrantId=one)
    user.allow("kms:RevokeGrant")
    user.kms.revoke_grant(KeyId=key, GrantId=one)


def test_the_retiring_principal_retires(kms, key, arn, user, other_user):
    one = grant(kms, key, user, "Encrypt", RetiringPrincipal=other_user.arn)
    with denied(user, "RetireGrant", arn):
        user.kms.retire_grant(KeyId=arn, GrantId=one)
    answer = other_user.kms.retire_grant(KeyId=arn, GrantId=one)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    assert listed(kms, key) == []


def test_the_grantee_retires_if_the_grant_says_so(kms, key, user, other_user):
    made = make(kms, key, user, "Encrypt", "RetireGrant", Constraints={"EncryptionContextEquals": {"a": "1"}})
    with refused("AccessDeniedException"):
        other_user.kms.retire_grant(GrantToken=made["GrantToken"])
    user.kms.retire_grant(GrantToken=made["GrantToken"])
    assert listed(kms, key) == []


def test_the_issuing_account_retires_and_lets_its_users(kms, key, arn, user, other_user):
    first, second = grant(kms, key, user), grant(kms, key, user)
    kms.retire_grant(KeyId=arn, GrantId=first)
    other_user.allow("kms:RetireGrant", resource=arn)
    other_user.kms.retire_grant(KeyId=arn, GrantId=second)
    assert listed(kms, key) == []


def test_a_key_policy_says_nothing_about_retiring(kms, key, arn, user, other_user):
    one = grant(kms, key, user)
    statement = {"Effect": "Allow", "Principal": {"AWS": other_user.arn}, "Action": "kms:*", "Resource": "*"}
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, statement))
    with refused("AccessDeniedException"):
        other_user.kms.retire_grant(KeyId=arn, GrantId=one)
    deny = {**statement, "Effect": "Deny", "Principal": "*", "Action": "kms:RetireGrant"}
    kms.put_key_policy(KeyId=key, Policy=policy(DELEGATION, deny))
    kms.retire_grant(KeyId=arn, GrantId=one)


def test_an_identity_policy_denies_retiring(kms, key, arn, user):
    condition = {"StringEquals": {"kms:EncryptionContext:a": "1"}}
    user.allow("kms:RetireGrant", effect="Deny", Condition=condition)
    made = [
        grant(kms, key, user, RetiringPrincipal=user.arn, Constraints={"EncryptionContextSubset": {"a": value}})
        for value in ("1", "2")
    ]
    with refused(
        "AccessDeniedException",
        f"User: {user.arn} is not authorized to perform: kms:RetireGrant on resource: {arn} with an explicit deny in an identity-based policy",
    ):
        user.kms.retire_grant(KeyId=arn, GrantId=made[0])
    user.kms.retire_grant(KeyId=arn, GrantId=made[1])


@pytest.mark.parametrize("state", ["disabled", "pending deletion"])
def test_grants_end_in_every_state_and_are_made_in_one(kms, key, arn, user, state):
    first, second = grant(kms, key, user, RetiringPrincipal=user.arn), grant(kms, key, user)
    if state == "disabled":
        kms.disable_key(KeyId=key)
        code, text = "DisabledException", f"{arn} is disabled."
    else:
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        code, text = "KMSInvalidStateException", f"{arn} is pending deletion."
    with refused(code, text):
        grant(kms, key, user)
    with refused(code, text):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")
    assert ids(listed(kms, key)) == sorted([first, second])
    user.kms.retire_grant(KeyId=arn, GrantId=first)
    kms.revoke_grant(KeyId=key, GrantId=second)
    assert listed(kms, key) == []


@pytest.mark.parametrize("end", ["revoke_grant", "retire_grant", "retire_grant by token"])
def test_no_use_begun_after_a_grant_ended_succeeds(server, kms, key, arn, user, end):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    for round_number in range(12):
        constraints = [{}, {"EncryptionContextEquals": {"a": "1"}}, {"EncryptionContextSubset": {"a": "1"}}]
        made = make(
            kms, key, user, "Decrypt", RetiringPrincipal=ROOT_ARN, Constraints=constraints[round_number % 3]
        )
        ended, finish, wrong, right = threading.Event(), threading.Event(), [], []

        def reader():
            client = server.client("kms", credentials=user.credentials)
            while not finish.is_set():
                late = ended.is_set()
                try:
                    client.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1"}, GrantTokens=[made["GrantToken"]])
                    (wrong if late else right).append(round_number)
                except ClientError as error:
                    assert error.response["Error"]["Code"] == "AccessDeniedException"

        readers = [threading.Thread(target=reader) for _ in range(3)]
        for thread in readers:
            thread.start()
        while not right:
            pass
        if end == "revoke_grant":
            kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
        elif end == "retire_grant":
            kms.retire_grant(KeyId=arn, GrantId=made["GrantId"])
        else:
            kms.retire_grant(GrantToken=made["GrantToken"])
        ended.set()
        for _ in range(3):
            with refused("AccessDeniedException"):
                user.kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1"})
        finish.set()
        for thread in readers:
            thread.join()
        assert not wrong


def test_grants_survive_a_crash(own_server):
    kms, iam = own_server.client("kms"), own_server.client("iam")
    user = User(own_server, iam)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kept, ended = grant(kms, key, user, "Encrypt"), grant(kms, key, user, "GenerateDataKey")
    kms.revoke_grant(KeyId=key, GrantId=ended)
    own_server.restart()
    kms, again = own_server.client("kms"), own_server.client("kms", credentials=user.credentials)
    assert ids(listed(kms, key)) == [kept]
    again.encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDeniedException"):
        again.generate_data_key(KeyId=key, KeySpec="AES_256")


# Lists.


def test_a_grant_is_listed_whole(kms, key, arn, user, other_user):
    one = grant(
        kms,
        arn,
        user,
        "Decrypt",
        "Encrypt",
        "Decrypt",
        "RetireGrant",
        Name="a:b/c_d-e",
        RetiringPrincipal=other_user.arn,
        Constraints={"EncryptionContextEquals": {"b": "2", "a": "1"}},
    )
    (found,) = listed(kms, key)
    assert abs(found.pop("CreationDate").timestamp() - time.time()) < 60
    assert found == {
        "KeyId": arn,
        "GrantId": one,
        "Name": "a:b/c_d-e",
        "GranteePrincipal": user.arn,
        "RetiringPrincipal": other_user.arn,
        "IssuingAccount": ROOT_ARN,
        "Operations": ["Decrypt", "Encrypt", "RetireGrant"],
        "Constraints": {"EncryptionContextEquals": {"a": "1", "b": "2"}},
    }


def test_lists_are_paged_and_filtered(kms, key, user, other_user):
    mine = [grant(kms, key, user, "Encrypt") for _ in range(7)]
    theirs = [grant(kms, key, other_user, "Encrypt") for _ in range(4)]
    assert ids(listed(kms, key, Limit=3)) == sorted(mine + theirs)
    assert ids(listed(kms, key, Limit=3, GranteePrincipal=user.arn)) == sorted(mine)
    assert ids(listed(kms, key, Limit=100, GranteePrincipal=other_user.arn)) == sorted(theirs)
    assert ids(listed(kms, key, GrantId=mine[0])) == [mine[0]]
    assert listed(kms, key, GrantId=mine[0], GranteePrincipal=other_user.arn) == []
    assert listed(kms, key, GrantId=UNKNOWN) == []
    page = kms.list_grants(KeyId=key, Limit=7, GranteePrincipal=user.arn)
    assert (len(page["Grants"]), page["Truncated"]) == (7, False)
    marker = kms.list_grants(KeyId=key, Limit=1)["NextMarker"]
    for more in ({"GranteePrincipal": user.arn}, {"GrantId": mine[0]}):
        with refused("InvalidMarkerException"):
            kms.list_grants(KeyId=key, Marker=marker, **more)
    with refused("InvalidMarkerException"):
        kms.list_grants(KeyId=key, Marker="nonsense")


def retirable(kms, principal, **more):
    found, marker = [], {}
    while True:
        page = kms.list_retirable_grants(RetiringPrincipal=principal, **more, **marker)
        found += page["Grants"]
        if not page["Truncated"]:
            return found
        marker = {"Marker": page["NextMarker"]}


def test_retirable_grants_are_found_on_all_keys(kms, user, other_user):
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3)]
    made = [grant(kms, key, other_user, RetiringPrincipal=user.arn) for key in keys for _ in range(2)]
    grant(kms, keys[0], user, "RetireGrant", "Encrypt")
    assert ids(retirable(kms, user.arn, Limit=4)) == sorted(made)
    assert {one["KeyId"] for one in retirable(kms, user.arn)} == {key_arn(key) for key in keys}
    with refused(
        "AccessDeniedException",
        f"User: {user.arn} is not authorized to perform: kms:ListRetirableGrants on resource: * because "
        "no identity-based policy allows the kms:ListRetirableGrants action",
    ):
        retirable(user.kms, user.arn)
    user.allow("kms:ListRetirableGrants")
    assert len(retirable(user.kms, user.arn)) == 6
    for one in made:
        user.kms.retire_grant(KeyId=next(g["KeyId"] for g in retirable(kms, user.arn) if g["GrantId"] == one), GrantId=one)
    assert retirable(kms, user.arn) == []


# Every error.


def test_create_grant_checks_its_members(kms, key, user):
    with invalid(
        ("null", "keyId", NOT_NULL),
        ("null", "operations", NOT_NULL),
    ):
        kms.create_grant(GranteePrincipal=user.arn)
    for member, path in (("GranteePrincipal", "granteePrincipal"), ("RetiringPrincipal", "retiringPrincipal")):
        request = {"KeyId": key, "GranteePrincipal": user.arn, "Operations": ["Encrypt"]}
        with invalid(("'a b'", path, PRINCIPAL)):
            kms.create_grant(**{**request, member: "a b"})
        with invalid((f"'{'a' * 257}'", path, at_most(256))):
            kms.create_grant(**{**request, member: "a" * 257})
    with invalid(("'no'", "granteeServicePrincipal", SERVICE)):
        kms.create_grant(KeyId=key, GranteeServicePrincipal="no", Operations=["Encrypt"])
    with invalid(("'a b'", "name", matching("^[a-zA-Z0-9:/_-]+$"))):
        grant(kms, key, user, Name="a b")
    source = matching("^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$")
    with invalid(("'arn:aws:s3:::a-bucket-of-mine'", "constraints.sourceArn", source)):
        grant(kms, key, user, Constraints={"SourceArn": "arn:aws:s3:::a-bucket-of-mine"})
    with pytest.raises(ClientError) as caught:
        grant(kms, key, user, "Encrypt", "Dance")
    message = caught.value.response["Error"]["Message"]
    assert message.startswith(
        "1 validation error detected: Value '[Encrypt, Dance]' at 'operations' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must satisfy enum value set: [Decrypt, Encrypt, "
    )


@pytest.mark.parametrize(
    "change,text",
    [
        ({"Operations": ["CreateGrant"]}, "Grants must not contain only the CreateGrant operation."),
        ({"Operations": ["CreateGrant", "CreateGrant"]}, "Grants must not contain only the CreateGrant operation."),
        ({"Operations": []}, "Grants must contain at least one operation."),
        ({"GranteePrincipal": None}, "Specify either GranteePrincipal or GranteeServicePrincipal."),
        (
            {"GranteeServicePrincipal": "s3.amazonaws.com"},
            "Specify either GranteePrincipal or GranteeServicePrincipal.",
        ),
        (
            {"RetiringPrincipal": ROOT_ARN, "RetiringServicePrincipal": "s3.amazonaws.com"},
            "Specify either RetiringPrincipal or RetiringServicePrincipal.",
        ),
        (
            {"GranteePrincipal": None, "GranteeServicePrincipal": "s3.amazonaws.com", "RetiringPrincipal": ROOT_ARN},
            "GranteeServicePrincipal requires a SourceArn constraint and a RetiringPrincipal or RetiringServicePrincipal.",
        ),
        (
            {
                "GranteePrincipal": None,
                "GranteeServicePrincipal": "s3.amazonaws.com",
                "Constraints": {"SourceArn": "arn:aws:s3:us-east-1:111122223333:bucket"},
            },
            "GranteeServicePrincipal requires a SourceArn constraint and a RetiringPrincipal or RetiringServicePrincipal.",
        ),
        (
            {"Constraints": {"EncryptionContextEquals": {"a": "1"}, "EncryptionContextSubset": {"a": "1"}}},
            "EncryptionContextEquals and EncryptionContextSubset cannot be used together.",
        ),
        (
            {"Constraints": {"EncryptionContextSubset": {str(n): "1" for n in range(9)}}},
            "A grant constraint must not have more than 8 pairs.",
        ),
        (
            {"Constraints": {"EncryptionContextEquals": {"a": "x" * 385}}},
            "A value in a grant constraint must not be longer than 384 characters.",
        ),
    ],
)
def test_rules_between_the_members_of_create_grant(kms, key, user, change, text):
    request = {"KeyId": key, "GranteePrincipal": user.arn, "Operations": ["Encrypt"], **change}
    request = {name: value for name, value in request.items() if value is not None}
    with refused("ValidationException", text):
        kms.create_grant(**request)


@pytest.mark.parametrize("operation", ["Sign", "Verify", "GetPublicKey", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate"])
def test_an_operation_that_the_key_cannot_do_is_refused(kms, key, arn, user, operation):
    text = f"Operation {operation} is not supported for {arn} with key usage ENCRYPT_DECRYPT."
    with refused("ValidationException", text):
        grant(kms, key, user, "Encrypt", operation)


def test_every_operation_of_a_symmetric_key_can_be_granted(kms, key, user):
    operations = [
        "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
        "CreateGrant", "RetireGrant", "DescribeKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
    ]  # fmt: skip
    grant(kms, key, user, *operations)
    assert listed(kms, key)[0]["Operations"] == operations


@pytest.mark.parametrize("member", ["GranteePrincipal", "RetiringPrincipal"])
@pytest.mark.parametrize(
    "principal",
    [
        user_arn("nobody-of-that-name"),
        f"arn:aws:iam::{ACCOUNT}:role/nobody-of-that-name",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/nobody-of-that-name/s",
        f"arn:aws:iam::{ACCOUNT}:group/some",
        "arn:aws:iam::999999999999:root",
        "arn:aws-cn:iam::000000000000:root",
        ACCOUNT,
        "AIDAJQABLZS4A3QDU576Q",
        "ec2.amazonaws.com",
        "nonsense",
    ],
)
def test_a_principal_must_exist(kms, key, user, member, principal):
    request = {"KeyId": key, "GranteePrincipal": user.arn, "Operations": ["Encrypt"], member: principal}
    with refused("InvalidArnException", NOBODY.format(principal)):
        kms.create_grant(**request)


def test_who_may_not_make_grants_learns_nothing_of_principals(kms, key, arn, user):
    with denied(user, "CreateGrant", arn):
        grant(user.kms, key, user_arn("nobody-of-that-name"), "Encrypt")


def test_the_key_is_named_by_id_or_arn(kms, key, user, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    for call in (
        lambda name: grant(kms, name, user),
        lambda name: kms.list_grants(KeyId=name),
        lambda name: kms.revoke_grant(KeyId=name, GrantId=UNKNOWN),
        lambda name: kms.retire_grant(KeyId=name, GrantId=UNKNOWN),
    ):
        with refused("InvalidArnException", "Key Aliases are not supported for this operation."):
            call(alias)
        missing = str(uuid.uuid4())
        with refused("NotFoundException", f"Key '{key_arn(missing)}' does not exist"):
            call(missing)


def test_a_grant_id_is_64_digits_of_a_grant(kms, key, user):
    for wrong in ("x", "A" * 64, "0" * 63, "0" * 128):
        for call in (kms.revoke_grant, kms.retire_grant, kms.list_grants):
            with refused("InvalidGrantIdException", "The grant ID is not valid."):
                call(KeyId=key, GrantId=wrong)
    for call in (kms.revoke_grant, kms.retire_grant):
        with refused("NotFoundException", NO_GRANT.format(UNKNOWN)):
            call(KeyId=key, GrantId=UNKNOWN)
        with invalid((f"'{'0' * 129}'", "grantId", at_most(128))):
            call(KeyId=key, GrantId="0" * 129)
    # A grant is of one key.
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    one = grant(kms, other, user)
    with refused("NotFoundException", NO_GRANT.format(one)):
        kms.revoke_grant(KeyId=key, GrantId=one)
    with invalid(("null", "keyId", NOT_NULL), ("null", "grantId", NOT_NULL)):
        kms.revoke_grant()


def test_retire_grant_names_the_grant_in_one_way(kms, key, user):
    made = make(kms, key, user)
    for request in (
        {},
        {"KeyId": key},
        {"GrantId": made["GrantId"]},
        {"GrantToken": made["GrantToken"], "KeyId": key},
        {"GrantToken": made["GrantToken"], "GrantId": made["GrantId"]},
    ):
        with refused("ValidationException", "Specify either GrantToken, or KeyId and GrantId."):
            kms.retire_grant(**request)
    with invalid(("''", "grantToken", at_least(1))):
        kms.retire_grant(GrantToken="")


def test_lists_check_their_members(kms, key, user):
    with invalid(("'1001'", "limit", to_value(1000))):
        kms.list_grants(KeyId=key, Limit=1001)
    with invalid(("'a b'", "granteePrincipal", PRINCIPAL)):
        kms.list_grants(KeyId=key, GranteePrincipal="a b")
    nobody = user_arn("nobody-of-that-name")
    with refused("InvalidArnException", NOBODY.format(nobody)):
        kms.list_grants(KeyId=key, GranteePrincipal=nobody)
    with refused("ValidationException", "GranteeServicePrincipal can only be used by AWS services."):
        kms.list_grants(KeyId=key, GranteeServicePrincipal="s3.amazonaws.com")
    with refused("ValidationException", "Specify either GranteePrincipal or GranteeServicePrincipal."):
        kms.list_grants(KeyId=key, GranteePrincipal=user.arn, GranteeServicePrincipal="s3.amazonaws.com")
    with refused("ValidationException", "RetiringServicePrincipal can only be used by AWS services."):
        kms.list_retirable_grants(RetiringServicePrincipal="s3.amazonaws.com")
    both = {"RetiringPrincipal": user.arn, "RetiringServicePrincipal": "s3.amazonaws.com"}
    for request in ({}, both):
        with refused("ValidationException", "Specify either RetiringPrincipal or RetiringServicePrincipal."):
            kms.list_retirable_grants(**request)
    for principal in (nobody, "arn:aws:iam::999999999999:root", "nonsense"):
        with refused("InvalidArnException", NOBODY.format(principal)):
            kms.list_retirable_grants(RetiringPrincipal=principal)
    with refused("InvalidMarkerException"):
        kms.list_retirable_grants(RetiringPrincipal=user.arn, Marker="nonsense")


def test_dry_runs_change_nothing(kms, key, arn, user):
    with refused("DryRunOperationException", DRY_RUN):
        grant(kms, key, user, DryRun=True)
    assert listed(kms, key) == []
    with refused("InvalidArnException"):
        grant(kms, key, user_arn("nobody-of-that-name"), DryRun=True)
    with refused("AccessDeniedException"):
        grant(user.kms, key, user, DryRun=True)
    made = make(kms, key, user, Name="n")
    with refused("DryRunOperationException", DRY_RUN):
        grant(kms, key, user, Name="n", DryRun=True)
    with refused("DryRunOperationException", DRY_RUN):
        kms.revoke_grant(KeyId=key, GrantId=made["GrantId"], DryRun=True)
    with refused("DryRunOperationException", DRY_RUN):
        kms.retire_grant(GrantToken=made["GrantToken"], DryRun=True)
    for call in (kms.revoke_grant, kms.retire_grant):
        with refused("NotFoundException"):
            call(KeyId=arn, GrantId=UNKNOWN, DryRun=True)
    assert ids(listed(kms, key)) == [made["GrantId"]]
    with refused("DryRunOperationException", DRY_RUN):
        user.kms.encrypt(KeyId=key, Plaintext=b"x", DryRun=True)


def test_the_quota_holds(tmp_path):
    from keyward import Server

    config = tmp_path / "config.toml"
    config.write_text("[quotas]\ngrants_per_key = 3\n")
    server = Server(tmp_path / "data", "--config", config)
    try:
        kms, user = server.client("kms"), User(server, server.client("iam"))
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        made = [grant(kms, key, user) for _ in range(3)]
        text = f"Cannot exceed quota of 3 grants for key {key_arn(key)}"
        with refused("LimitExceededException", text):
            grant(kms, key, user)
        # They are counted anew after a start.
        server.restart()
        kms = server.client("kms")
        with refused("LimitExceededException", text):
            grant(kms, key, user)
        kms.revoke_grant(KeyId=key, GrantId=made[0])
        grant(kms, key, user)
        grant(kms, kms.create_key()["KeyMetadata"]["KeyId"], user)
    finally:
        server.kill()


def test_the_trail_shows_the_grant_and_never_a_token(own_server):
    kms, user = own_server.client("kms"), User(own_server, own_server.client("iam"))
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    made = make(
        kms,
        key,
        user,
        "Encrypt",
        "RetireGrant",
        Name="n",
        RetiringPrincipal=user.arn,
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )
    token, one = made["GrantToken"], made["GrantId"]
    user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "1"}, GrantTokens=[token])
    listed(kms, key)
    user.kms.retire_grant(GrantToken=token)
    other = grant(kms, key, user)
    kms.revoke_grant(KeyId=key, GrantId=other)
    own_server.drain()
    trail = (own_server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
    assert token not in trail
    events = {}
    for line in trail.splitlines():
        if '"eventName"' in line:
            event = json.loads(line)
            events.setdefault(event["eventName"], []).append(event)
    create = events["CreateGrant"][0]
    assert create["requestParameters"] == {
        "keyId": key,
        "granteePrincipal": user.arn,
        "retiringPrincipal": user.arn,
        "operations": ["Encrypt", "RetireGrant"],
        "constraints": {"encryptionContextSubset": {"a": "1"}},
        "name": "n",
    }
    assert create["responseElements"] == {"grantId": one, "keyId": key_arn(key)}
    assert create["readOnly"] is False
    (retire,) = events["RetireGrant"]
    assert retire["requestParameters"] is None
    assert retire["additionalEventData"] == {"grantId": one}
    assert [resource["ARN"] for resource in retire["resources"]] == [key_arn(key)]
    (revoke,) = events["RevokeGrant"]
    assert revoke["requestParameters"] == {"keyId": key, "grantId": other}
    assert revoke["responseElements"] == {"keyId": key_arn(key)}
    (encrypt,) = events["Encrypt"]
    (decision,) = encrypt["keyward"]["decisions"]
    assert decision["by"] == {"grant": one}
    assert events["ListGrants"][0]["readOnly"] is True
