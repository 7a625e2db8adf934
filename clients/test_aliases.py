"""Aliases: CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

import uuid

import pytest

from errors import at_least, at_most, from_value, invalid, matching, NOT_NULL, refused, to_value
from keyward import ACCOUNT, alias_arn, key_arn

PATTERN = matching("^[a-zA-Z0-9:/_-]+$")
PREFIX = (
    'Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)


def listed(kms, key):
    return kms.list_aliases(KeyId=key)["Aliases"]


def test_an_alias_is_listed_with_its_key_and_dates(kms, key, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    (found,) = listed(kms, key)
    assert found.pop("CreationDate") == found.pop("LastUpdatedDate")
    assert found == {"AliasName": alias, "AliasArn": alias_arn(alias), "TargetKeyId": key}


def test_an_alias_takes_a_key_arn_as_target(kms, key, arn, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == key


@pytest.mark.parametrize("target", ["alias/none", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/none"])
def test_an_alias_is_no_target(kms, target, alias):
    with refused("ValidationException", "Aliases must refer to keys. Not aliases"):
        kms.create_alias(AliasName=alias, TargetKeyId=target)


def test_an_alias_that_exists_cannot_be_created_again(kms, key, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    text = f"An alias with the name {alias_arn(alias)} already exists"
    with refused("AlreadyExistsException", text):
        kms.create_alias(AliasName=alias, TargetKeyId=key)


def test_alias_names_have_their_rules(kms, key):
    with refused("ValidationException", PREFIX):
        kms.create_alias(AliasName="payroll", TargetKeyId=key)
    with refused("NotAuthorizedException", ""):
        kms.create_alias(AliasName="alias/aws/s3", TargetKeyId=key)
    with refused("NotAuthorizedException", ""):
        kms.delete_alias(AliasName="alias/aws/s3")
    with invalid(("'alias/a b'", "aliasName", PATTERN)):
        kms.create_alias(AliasName="alias/a b", TargetKeyId=key)
    with invalid(("''", "aliasName", at_least(1)), ("''", "aliasName", PATTERN)):
        kms.create_alias(AliasName="", TargetKeyId=key)
    long = "alias/" + "a" * 251
    with invalid((f"'{long}'", "aliasName", at_most(256))):
        kms.create_alias(AliasName=long, TargetKeyId=key)
    with invalid(("null", "aliasName", NOT_NULL), ("null", "targetKeyId", NOT_NULL)):
        kms.create_alias()


def test_alias_names_know_upper_and_lower_case(kms, key, alias):
    kms.create_alias(AliasName=f"{alias}/Case", TargetKeyId=key)
    with refused("NotFoundException", f"Alias {alias_arn(f'{alias}/case')} is not found."):
        kms.describe_key(KeyId=f"{alias}/case")


def test_update_alias_moves_it_and_keeps_its_creation(kms, key, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    before = listed(kms, key)[0]
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    assert listed(kms, key) == []
    (after,) = listed(kms, other)
    assert (after["TargetKeyId"], after["CreationDate"]) == (other, before["CreationDate"])
    assert after["LastUpdatedDate"] > before["LastUpdatedDate"]
    assert kms.encrypt(KeyId=alias, Plaintext=b"x")["KeyId"] == key_arn(other)
    kms.update_alias(AliasName=alias, TargetKeyId=other)


def test_an_alias_that_is_not_there_is_not_found(kms, key, alias):
    text = f"Alias {alias_arn(alias)} is not found."
    with refused("NotFoundException", text):
        kms.update_alias(AliasName=alias, TargetKeyId=key)
    with refused("NotFoundException", text):
        kms.delete_alias(AliasName=alias)
    for named in (alias, alias_arn(alias)):
        with refused("NotFoundException", text):
            kms.describe_key(KeyId=named)
    with refused("NotFoundException", f"Alias {alias_arn('alias/aws/none')} is not found."):
        kms.describe_key(KeyId="alias/aws/none")


def test_an_alias_name_has_no_colon_and_may_end_with_a_slash(kms, key, alias):
    text = "alias/Service:Test contains invalid characters for an alias"
    with refused("ValidationException", text):
        kms.create_alias(AliasName="alias/Service:Test", TargetKeyId=key)
    with refused("ValidationException", text):
        kms.update_alias(AliasName="alias/Service:Test", TargetKeyId=key)
    with refused("ValidationException", text):
        kms.delete_alias(AliasName="alias/Service:Test")
    kms.create_alias(AliasName=f"{alias}/", TargetKeyId=key)
    assert [entry["AliasName"] for entry in listed(kms, key)] == [f"{alias}/"]
    kms.delete_alias(AliasName=f"{alias}/")


def predefined(kms):
    pages = kms.get_paginator("list_aliases").paginate()
    entries = [entry for page in pages for entry in page["Aliases"]]
    return {entry["AliasName"]: entry for entry in entries if entry["AliasName"].startswith("alias/aws/")}


def test_aliases_of_aws_managed_keys_are_listed_before_their_keys_are_there(empty_region):
    kms = empty_region
    names = "backup dynamodb ebs elasticfilesystem lambda rds s3 secretsmanager sns sqs ssm".split()
    found = predefined(kms)
    assert sorted(found) == [f"alias/aws/{name}" for name in names]
    assert all(set(entry) == {"AliasName", "AliasArn"} for entry in found.values())
    # Looking at one makes its key, once.
    key = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert (key["KeyManager"], key["KeyState"]) == ("AWS", "Enabled")
    assert key["Description"].startswith("Default key that protects my EBS data")
    by_arn = kms.describe_key(KeyId=found["alias/aws/ebs"]["AliasArn"])["KeyMetadata"]
    assert by_arn["KeyId"] == key["KeyId"]
    after = predefined(kms)
    assert after.pop("alias/aws/ebs")["TargetKeyId"] == key["KeyId"]
    found.pop("alias/aws/ebs")
    assert after == found
    assert [entry["KeyId"] for entry in kms.list_keys()["Keys"]] == [key["KeyId"]]


def test_who_may_not_describe_makes_no_managed_key(kms, user):
    with refused("AccessDeniedException"):
        user.kms.describe_key(KeyId="alias/aws/sqs")
    assert "TargetKeyId" not in predefined(kms)["alias/aws/sqs"]


def test_delete_alias_frees_the_name_and_leaves_the_key(kms, key, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    kms.delete_alias(AliasName=alias)
    with refused("NotFoundException", f"Alias {alias_arn(alias)} is not found."):
        kms.encrypt(KeyId=alias, Plaintext=b"x")
    kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.create_alias(AliasName=alias, TargetKeyId=key)


def test_a_key_has_at_most_50_aliases(kms, key, alias):
    for number in range(50):
        kms.create_alias(AliasName=f"{alias}/{number}", TargetKeyId=key)
    with refused("LimitExceededException"):
        kms.create_alias(AliasName=f"{alias}/51", TargetKeyId=key)
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"{alias}/51", TargetKeyId=other)
    with refused("LimitExceededException"):
        kms.update_alias(AliasName=f"{alias}/51", TargetKeyId=key)


def test_an_alias_can_be_moved_onto_its_own_key_even_when_that_is_full(kms, key, alias):
    for number in range(50):
        kms.create_alias(AliasName=f"{alias}/{number}", TargetKeyId=key)
    before = kms.list_aliases(KeyId=key, Limit=100)["Aliases"]
    kms.update_alias(AliasName=f"{alias}/7", TargetKeyId=key)
    after = kms.list_aliases(KeyId=key, Limit=100)["Aliases"]
    assert [entry["AliasName"] for entry in after] == [entry["AliasName"] for entry in before]
    changed = [old["AliasName"] for old, new in zip(before, after) if old != new]
    assert changed == [f"{alias}/7"], "its date alone"
    assert kms.describe_key(KeyId=f"{alias}/7")["KeyMetadata"]["KeyId"] == key


def test_list_aliases_pages_through_all_or_one_keys_aliases(empty_region):
    kms = empty_region
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    for number in range(7):
        kms.create_alias(AliasName=f"alias/n{number}", TargetKeyId=keys[number % 2])
    pages = list(kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 3}))
    names = [entry["AliasName"] for page in pages for entry in page["Aliases"]]
    own = [name for name in names if not name.startswith("alias/aws/")]
    assert sorted(own) == [f"alias/n{number}" for number in range(7)]
    assert len(names) == len(set(names)) == 18
    assert [page["Truncated"] for page in pages] == [True] * 5 + [False]
    assert {entry["AliasName"] for entry in listed(kms, keys[1])} == {"alias/n1", "alias/n3", "alias/n5"}
    # A marker of one filter is none of another.
    marker = kms.list_aliases(KeyId=keys[0], Limit=1)["NextMarker"]
    with refused("InvalidMarkerException"):
        kms.list_aliases(KeyId=keys[1], Marker=marker)


def test_list_aliases_has_limits(kms):
    with invalid(("'0'", "limit", from_value(1))):
        kms.list_aliases(Limit=0)
    with invalid(("'1001'", "limit", to_value(1000))):
        kms.list_aliases(Limit=1001)
    assert "Aliases" in kms.list_aliases(Limit=100)


def test_an_alias_lives_in_its_region(server, kms, key, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    other = server.client("kms", region="us-west-2")
    there = other.create_key()["KeyMetadata"]["KeyId"]
    other.create_alias(AliasName=alias, TargetKeyId=there)
    assert other.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == there
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == key
    with refused("NotFoundException", "Invalid arn us-east-1"):
        other.describe_key(KeyId=alias_arn(alias))


def test_the_target_of_an_alias_must_exist(kms, alias):
    missing = str(uuid.uuid4())
    with refused("NotFoundException", f"Key '{key_arn(missing)}' does not exist"):
        kms.create_alias(AliasName=alias, TargetKeyId=missing)
