"""Grants: every error, by code and message, and DryRun."""

import uuid

import pytest
from botocore.exceptions import ClientError

from conftest import ROOT_ARN
from errors import NOT_NULL, at_least, at_most, invalid, matching, refused, to_value
from grants import DRY_RUN, NO_GRANT, NOBODY, PRINCIPAL, SERVICE, UNKNOWN, denied, grant, ids, listed, make
from keyward import ACCOUNT, key_arn, user_arn


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
            "More than one constraint supplied",
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
    # A token, even a broken one, is not repeated.
    with invalid(("", "grantToken", at_least(1))):
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
