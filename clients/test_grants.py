"""Grants: who may do what by one, under which constraints, and what can be handed on."""

import base64
import json
import pathlib
import re
import subprocess
import sys
import threading

import pytest
from botocore.exceptions import ClientError

from conftest import DELEGATION, ROOT_ARN, User, policy
from errors import at_most, refused
from grants import NO_GRANT, denied, grant, ids, listed, make, retirable
from keyward import ACCOUNT, REGION, clean_environment, key_arn

AWS = pathlib.Path(sys.executable).with_name("aws")


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
        # An empty map counts as absent, as at AWS: it constrains nothing.
        ({"EncryptionContextEquals": {}}, [{}, {"a": "1"}], []),
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


def test_roles_sessions_and_federated_users_are_bound_and_shown(kms, iam, key):
    name = f"r-{key[:8]}"
    trust = policy({"Effect": "Allow", "Principal": {"AWS": ROOT_ARN}, "Action": "sts:AssumeRole"})

    def role():
        return iam.create_role(RoleName=name, Path="/ops/", AssumeRolePolicyDocument=trust)["Role"]

    made = role()
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/s"
    federated = f"arn:aws:sts::{ACCOUNT}:federated-user/bob"
    for grantee in (made["Arn"], session, federated):
        grant(kms, key, grantee, "Encrypt", RetiringPrincipal=made["Arn"])

    def grantees(**more):
        return {one["GranteePrincipal"] for one in listed(kms, key, **more)}

    assert grantees() == {made["Arn"], session, federated}
    for grantee in (made["Arn"], session, federated):
        assert grantees(GranteePrincipal=grantee) == {grantee}
    assert len(retirable(kms, made["Arn"])) == 3
    iam.delete_role(RoleName=name)
    bound = {made["RoleId"], f"{made['RoleId']}:s", federated}
    assert grantees() == bound
    # A role made anew under the old name, and its sessions, are others.
    again = role()
    assert again["Arn"] == made["Arn"]
    assert grantees() == bound
    for grantee in (made["Arn"], session):
        assert listed(kms, key, GranteePrincipal=grantee) == []
    assert retirable(kms, made["Arn"]) == []
    assert grantees(GranteePrincipal=made["RoleId"]) == {made["RoleId"]}
    assert len(retirable(kms, made["RoleId"])) == 3


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


def test_an_empty_constraint_counts_as_absent(kms, user, key):
    pairs = {"a": "1"}
    for one, other in [("Equals", "Subset"), ("Subset", "Equals")]:
        constraints = {f"EncryptionContext{one}": pairs, f"EncryptionContext{other}": {}}
        made = kms.create_grant(
            KeyId=key, GranteePrincipal=user.arn, Operations=["Encrypt"], Constraints=constraints
        )
        found = kms.list_grants(KeyId=key, GrantId=made["GrantId"])["Grants"][0]
        assert found["Constraints"] == {f"EncryptionContext{one}": pairs}
    neither = {"EncryptionContextEquals": {}, "EncryptionContextSubset": {}}
    made = kms.create_grant(
        KeyId=key, GranteePrincipal=user.arn, Operations=["Encrypt"], Constraints=neither
    )
    assert "Constraints" not in kms.list_grants(KeyId=key, GrantId=made["GrantId"])["Grants"][0]
    user.kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=[made["GrantToken"]])
