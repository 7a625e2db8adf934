"""CreateKey, DescribeKey, ListKeys, descriptions, enabling and deletion."""

import datetime
import re
import uuid

import pytest

from conftest import DELEGATION, policy
from errors import at_least, at_most, from_value, invalid, matching, NOT_NULL, refused, to_value
from keyward import ACCOUNT, REGION, eventually, key_arn

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
HEX64 = re.compile(r"[0-9a-f]{64}")


def about_now(moment, days=0):
    due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return abs((moment - due).total_seconds()) < 60


def state_of(kms, key):
    return kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]


def test_create_key_answers_the_metadata_of_a_symmetric_key(kms):
    found = kms.create_key()["KeyMetadata"]
    key = found["KeyId"]
    assert UUID.fullmatch(key)
    assert about_now(found.pop("CreationDate"))
    assert HEX64.fullmatch(found.pop("CurrentKeyMaterialId"))
    assert found == {
        "AWSAccountId": ACCOUNT,
        "KeyId": key,
        "Arn": key_arn(key),
        "Enabled": True,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }


def test_create_key_takes_every_parameter_of_a_symmetric_key(kms):
    found = kms.create_key(
        Description="payroll",
        KeySpec="SYMMETRIC_DEFAULT",
        KeyUsage="ENCRYPT_DECRYPT",
        Origin="AWS_KMS",
        MultiRegion=False,
        Policy=policy(DELEGATION),
        BypassPolicyLockoutSafetyCheck=True,
        Tags=[{"TagKey": "team", "TagValue": "red"}],
    )["KeyMetadata"]
    assert found["Description"] == "payroll"
    tags = kms.list_resource_tags(KeyId=found["KeyId"])["Tags"]
    assert tags == [{"TagKey": "team", "TagValue": "red"}]


def test_create_key_takes_the_deprecated_name_of_the_key_spec(kms):
    found = kms.create_key(CustomerMasterKeySpec="SYMMETRIC_DEFAULT")["KeyMetadata"]
    assert found["KeySpec"] == "SYMMETRIC_DEFAULT"


def test_create_key_makes_another_key_each_time(kms):
    assert kms.create_key()["KeyMetadata"]["KeyId"] != kms.create_key()["KeyMetadata"]["KeyId"]


def test_create_key_refuses_a_description_over_8192_characters(kms):
    text = "d" * 8193
    with invalid((f"'{text}'", "description", at_most(8192))):
        kms.create_key(Description=text)
    assert len(kms.create_key(Description="d" * 8192)["KeyMetadata"]["Description"]) == 8192


def test_create_key_names_every_broken_member_at_once(kms):
    with refused("ValidationException") as caught:
        kms.create_key(KeySpec="AES_256", KeyUsage="SIGN", Origin="HERE")
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("3 validation errors detected: ")
    for value, member in (("AES_256", "keySpec"), ("SIGN", "keyUsage"), ("HERE", "origin")):
        item = f"Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy enum value set: ["
        assert item in message


@pytest.mark.parametrize(
    "parameters",
    [
        {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
        {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        {"Origin": "EXTERNAL"},
        {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1234567890abcdef0"},
        {"MultiRegion": True},
    ],
    ids=lambda parameters: "-".join(str(value) for value in parameters.values()),
)
def test_create_key_refuses_clearly_what_keyward_does_not_serve(kms, parameters):
    with refused("UnsupportedOperationException") as caught:
        kms.create_key(**parameters)
    assert caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "HMAC_256"])
def test_create_key_wants_a_usage_for_all_but_symmetric_keys(kms, spec):
    with refused(
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ):
        kms.create_key(KeySpec=spec)


@pytest.mark.parametrize(
    "spec,usage",
    [
        ("SYMMETRIC_DEFAULT", "SIGN_VERIFY"),
        ("RSA_2048", "KEY_AGREEMENT"),
        ("HMAC_256", "ENCRYPT_DECRYPT"),
        ("ECC_SECG_P256K1", "KEY_AGREEMENT"),
        ("ML_KEM_768", "SIGN_VERIFY"),
    ],
)
def test_create_key_refuses_a_usage_that_the_spec_does_not_have(kms, spec, usage):
    with refused("ValidationException") as caught:
        kms.create_key(KeySpec=spec, KeyUsage=usage)
    text = f"KeyUsage {usage} is not compatible with KeySpec {spec}"
    assert caught.value.response["Error"]["Message"].rstrip(".") == text


@pytest.mark.parametrize("form", ["id", "arn", "alias", "alias arn"])
def test_describe_key_takes_every_form_of_a_key(kms, key, arn, alias, form):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    named = {"id": key, "arn": arn, "alias": alias, "alias arn": arn.split("key/")[0] + alias}[form]
    assert kms.describe_key(KeyId=named)["KeyMetadata"]["KeyId"] == key
    assert kms.describe_key(KeyId=named, GrantTokens=[])["KeyMetadata"]["Arn"] == arn


def test_describe_key_answers_what_create_key_answered(kms):
    made = kms.create_key(Description="same")["KeyMetadata"]
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"] == made


def test_a_key_that_is_not_there_is_not_found(kms):
    missing = str(uuid.uuid4())
    for named in (missing, key_arn(missing)):
        with refused("NotFoundException", f"Key '{key_arn(missing)}' does not exist"):
            kms.describe_key(KeyId=named)


def test_a_key_of_another_region_is_not_found(kms, arn):
    with refused("NotFoundException", "Invalid arn us-west-2"):
        kms.describe_key(KeyId=arn.replace(REGION, "us-west-2"))
    with refused("NotFoundException", "Invalid arn us-west-2"):
        kms.encrypt(KeyId=arn.replace(REGION, "us-west-2"), Plaintext=b"x")


@pytest.mark.parametrize("named", ["foo", "mrk-1234", "1234abcd12ab34cd56ef1234567890ab"])
def test_what_has_the_shape_of_no_key_id_is_not_found(kms, named):
    with refused("NotFoundException", f"Invalid keyId '{named}'"):
        kms.describe_key(KeyId=named)


def test_an_arn_with_the_shape_of_no_key_is_not_found(kms):
    with refused("NotFoundException", "Invalid keyId foo"):
        kms.describe_key(KeyId=key_arn("foo"))


def test_a_malformed_arn_is_an_invalid_arn(kms):
    for named in ("arn:aws:kms", "arn:aws:kms:us-east-1:000000000000", "arn:aws:s3:::bucket"):
        with refused("InvalidArnException"):
            kms.describe_key(KeyId=named)


def test_a_key_of_another_account_does_not_show_whether_it_exists(kms):
    foreign = key_arn(str(uuid.uuid4()), account="111122223333")
    with refused(
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: kms:DescribeKey on this "
        "resource because the resource does not exist in this Region, no resource-based policies "
        "allow access, or a resource-based policy explicitly denies access",
    ):
        kms.describe_key(KeyId=foreign)


def test_a_key_id_has_a_length_and_a_pattern(kms):
    with invalid(("null", "keyId", NOT_NULL)):
        kms.describe_key()
    with invalid(("''", "keyId", at_least(1)), ("''", "keyId", matching(r"^\p{ASCII}+$"))):
        kms.describe_key(KeyId="")
    with invalid((f"'{'k' * 2049}'", "keyId", at_most(2048))):
        kms.describe_key(KeyId="k" * 2049)
    with invalid(("'schlüssel'", "keyId", matching(r"^\p{ASCII}+$"))):
        kms.describe_key(KeyId="schlüssel")


def test_list_keys_pages_through_all_keys(empty_region):
    kms = empty_region
    assert kms.list_keys()["Keys"] == []
    made = {kms.create_key()["KeyMetadata"]["Arn"] for _ in range(5)}
    first = kms.list_keys(Limit=2)
    assert (len(first["Keys"]), first["Truncated"]) == (2, True)
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    listed = [entry for page in pages for entry in page["Keys"]]
    assert len(listed) == 5
    assert {entry["KeyArn"] for entry in listed} == made
    assert all(entry == {"KeyId": entry["KeyArn"].split("/")[1], "KeyArn": entry["KeyArn"]} for entry in listed)
    last = kms.list_keys()
    assert (last["Truncated"], "NextMarker" in last) == (False, False)


def test_list_keys_lists_keys_in_every_state(empty_region):
    kms = empty_region
    disabled, pending = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.disable_key(KeyId=disabled)
    kms.schedule_key_deletion(KeyId=pending)
    assert {entry["KeyId"] for entry in kms.list_keys()["Keys"]} == {disabled, pending}


def test_list_keys_takes_resource_owners(empty_region):
    kms = empty_region
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    assert [entry["KeyId"] for entry in kms.list_keys(ResourceOwners=["SELF"])["Keys"]] == [key]
    assert kms.list_keys(ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])["Keys"] == []


def test_list_keys_has_limits(kms):
    with invalid(("'0'", "limit", from_value(1))):
        kms.list_keys(Limit=0)
    with invalid(("'1001'", "limit", to_value(1000))):
        kms.list_keys(Limit=1001)


def test_a_marker_belongs_to_its_operation_and_region(server, empty_region):
    kms = empty_region
    for _ in range(3):
        kms.create_key()
    marker = kms.list_keys(Limit=1)["NextMarker"]
    assert len(kms.list_keys(Limit=1, Marker=marker)["Keys"]) == 1
    for forged in ("x", marker[:-4] + "AAAA"):
        with refused("InvalidMarkerException"):
            kms.list_keys(Marker=forged)
    with refused("InvalidMarkerException"):
        kms.list_aliases(Marker=marker)
    with refused("InvalidMarkerException"):
        server.client("kms", region=REGION).list_keys(Marker=marker)


def test_a_key_lives_in_its_region_alone(server, kms, key):
    other = server.client("kms", region="eu-central-1")
    with refused("NotFoundException", f"Key '{key_arn(key, region='eu-central-1')}' does not exist"):
        other.describe_key(KeyId=key)
    with refused("NotFoundException", f"Invalid arn {REGION}"):
        other.describe_key(KeyId=key_arn(key))


def test_update_key_description_replaces_and_clears_it(kms, key, arn):
    kms.update_key_description(KeyId=key, Description="neu: Ω")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "neu: Ω"
    kms.update_key_description(KeyId=arn, Description="")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == ""


def test_update_key_description_checks_its_members(kms, key):
    with invalid(("null", "description", NOT_NULL)):
        kms.update_key_description(KeyId=key)
    with invalid((f"'{'d' * 8193}'", "description", at_most(8192))):
        kms.update_key_description(KeyId=key, Description="d" * 8193)


def test_disable_key_and_enable_key_may_be_repeated(kms, key):
    for _ in range(2):
        kms.disable_key(KeyId=key)
    found = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (found["Enabled"], found["KeyState"]) == (False, "Disabled")
    for _ in range(2):
        kms.enable_key(KeyId=key)
    found = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (found["Enabled"], found["KeyState"]) == (True, "Enabled")


def test_schedule_key_deletion_answers_when(kms, key, arn):
    found = kms.schedule_key_deletion(KeyId=key)
    assert found["KeyId"] == arn
    assert (found["KeyState"], found["PendingWindowInDays"]) == ("PendingDeletion", 30)
    assert about_now(found["DeletionDate"], days=30)
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["Enabled"], described["KeyState"]) == (False, "PendingDeletion")
    assert described["DeletionDate"] == found["DeletionDate"]
    with refused("KMSInvalidStateException", f"{arn} is pending deletion."):
        kms.schedule_key_deletion(KeyId=key)


@pytest.mark.parametrize("days", [7, 30])
def test_schedule_key_deletion_takes_7_to_30_days(kms, key, days):
    found = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)
    assert found["PendingWindowInDays"] == days
    assert about_now(found["DeletionDate"], days=days)


def test_schedule_key_deletion_refuses_other_windows(kms, key):
    for days in (6, 31, 365):
        with refused("ValidationException"):
            kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)
    with invalid(("'0'", "pendingWindowInDays", from_value(1))):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=0)
    with invalid(("'366'", "pendingWindowInDays", to_value(365))):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=366)
    assert state_of(kms, key) == "Enabled"


@pytest.mark.parametrize("before", ["Enabled", "Disabled"])
def test_cancel_key_deletion_leaves_the_key_disabled(kms, key, arn, before):
    if before == "Disabled":
        kms.disable_key(KeyId=key)
    kms.schedule_key_deletion(KeyId=key)
    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == arn
    found = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (found["KeyState"], "DeletionDate" in found) == ("Disabled", False)
    kms.enable_key(KeyId=key)
    kms.encrypt(KeyId=key, Plaintext=b"again")


def test_cancel_key_deletion_wants_a_deletion(kms, key, arn):
    with refused("KMSInvalidStateException", f"{arn} is not pending deletion."):
        kms.cancel_key_deletion(KeyId=key)


def test_get_key_last_usage_names_the_last_use(kms, key, arn):
    before = kms.get_key_last_usage(KeyId=key)
    assert before["KeyLastUsage"] == {}
    assert before["KeyId"] in (key, arn)
    assert before["KeyCreationDate"] == kms.describe_key(KeyId=key)["KeyMetadata"]["CreationDate"]
    assert before["TrackingStartDate"] >= before["KeyCreationDate"]
    answer = kms.encrypt(KeyId=key, Plaintext=b"x")
    # Last use is gathered and written in the background.
    used = eventually(lambda: kms.get_key_last_usage(KeyId=key)["KeyLastUsage"])
    assert used["Operation"] == "Encrypt"
    assert about_now(used["Timestamp"])
    assert used["KmsRequestId"] == answer["ResponseMetadata"]["RequestId"]
    kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])
    eventually(lambda: kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "Decrypt")


def test_a_request_that_fails_is_no_use_of_the_key(kms, key):
    with refused("DryRunOperationException"):
        kms.encrypt(KeyId=key, Plaintext=b"x", DryRun=True)
    with refused("ValidationException"):
        kms.generate_data_key(KeyId=key)
    kms.disable_key(KeyId=key)
    with refused("DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"] == {}


MANAGEMENT = [
    ("cancel_key_deletion", {}),
    ("create_alias", {"AliasName": "alias/x"}),
    ("disable_key", {}),
    ("disable_key_rotation", {}),
    ("enable_key", {}),
    ("enable_key_rotation", {}),
    ("get_key_last_usage", {}),
    ("get_key_policy", {}),
    ("get_key_rotation_status", {}),
    ("list_aliases", {}),
    ("list_key_policies", {}),
    ("list_key_rotations", {}),
    ("list_resource_tags", {}),
    ("put_key_policy", {"Policy": policy(DELEGATION)}),
    ("rotate_key_on_demand", {}),
    ("schedule_key_deletion", {}),
    ("tag_resource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    ("untag_resource", {"TagKeys": ["a"]}),
    ("update_key_description", {"Description": "x"}),
]


@pytest.mark.parametrize("operation,parameters", MANAGEMENT, ids=[row[0] for row in MANAGEMENT])
def test_what_manages_a_key_wants_its_id_or_arn(kms, key, arn, alias, operation, parameters):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    call = getattr(kms, operation)
    member = "TargetKeyId" if operation == "create_alias" else "KeyId"
    if operation != "create_alias":
        for named in (alias, arn.split("key/")[0] + alias, "alias/not-there"):
            with refused("InvalidArnException", "Key Aliases are not supported for this operation."):
                call(**{member: named}, **parameters)
    missing = str(uuid.uuid4())
    with refused("NotFoundException", f"Key '{key_arn(missing)}' does not exist"):
        call(**{member: missing}, **parameters)
    with refused("NotFoundException", "Invalid keyId 'foo'"):
        call(**{member: "foo"}, **parameters)
    with refused("NotFoundException", "Invalid arn us-west-2"):
        call(**{member: arn.replace(REGION, "us-west-2")}, **parameters)
    if operation != "list_aliases":
        path = member[0].lower() + member[1:]
        with invalid(("null", path, NOT_NULL)):
            call(**parameters)


def test_there_are_no_custom_key_stores(kms):
    assert kms.describe_custom_key_stores()["CustomKeyStores"] == []
    with refused("CustomKeyStoreNotFoundException", ""):
        kms.describe_custom_key_stores(CustomKeyStoreName="hardware")
