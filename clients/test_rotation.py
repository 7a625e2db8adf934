"""Rotation: by schedule and on demand, and what stays openable."""

import datetime

import pytest

from errors import from_value, invalid, one_of, refused, to_value

DAY = datetime.timedelta(days=1)


def in_days(moment):
    return (moment - datetime.datetime.now(datetime.timezone.utc)) / DAY


def rotations(kms, key, **parameters):
    return kms.list_key_rotations(KeyId=key, **parameters)["Rotations"]


def test_a_new_key_does_not_rotate(kms, key, arn):
    status = kms.get_key_rotation_status(KeyId=key)
    del status["ResponseMetadata"]
    assert status.pop("KeyId") == arn
    assert status == {"KeyRotationEnabled": False}


def test_rotation_is_yearly_unless_told_otherwise(kms, key):
    kms.enable_key_rotation(KeyId=key)
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    assert abs(in_days(status["NextRotationDate"]) - 365) < 0.01


@pytest.mark.parametrize("days", [90, 400, 2560])
def test_the_period_can_be_chosen_and_changed(kms, key, arn, days):
    kms.enable_key_rotation(KeyId=key)
    kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=days)
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["RotationPeriodInDays"] == days
    assert abs(in_days(status["NextRotationDate"]) - days) < 0.01


def test_the_period_has_limits_checked_before_the_key_is_looked_up(kms):
    for named in ("1234abcd-12ab-34cd-56ef-1234567890ab", "foo"):
        with invalid(("'89'", "rotationPeriodInDays", from_value(90))):
            kms.enable_key_rotation(KeyId=named, RotationPeriodInDays=89)
        with invalid(("'2561'", "rotationPeriodInDays", to_value(2560))):
            kms.enable_key_rotation(KeyId=named, RotationPeriodInDays=2561)


def test_rotation_can_be_switched_off_again(kms, key):
    kms.enable_key_rotation(KeyId=key)
    for _ in range(2):
        kms.disable_key_rotation(KeyId=key)
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"] is False
    assert not {"RotationPeriodInDays", "NextRotationDate"} & set(status)


def test_a_key_pending_deletion_does_not_rotate_until_it_is_kept(kms, key):
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    kms.schedule_key_deletion(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    kms.cancel_key_deletion(KeyId=key)
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 90)


def test_rotating_on_demand_gives_new_material_and_keeps_the_old(kms, key, arn):
    before = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert kms.rotate_key_on_demand(KeyId=key)["KeyId"] == arn
    after = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert before["KeyMaterialId"] != after["KeyMaterialId"]
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] == after["KeyMaterialId"]
    for made in (before, after):
        found = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], KeyId=key)
        assert (found["Plaintext"], found["KeyMaterialId"]) == (made["Plaintext"], made["KeyMaterialId"])
    moved = kms.re_encrypt(CiphertextBlob=before["CiphertextBlob"], DestinationKeyId=key)
    assert moved["SourceKeyMaterialId"] == before["KeyMaterialId"]
    assert moved["DestinationKeyMaterialId"] == after["KeyMaterialId"]


def test_rotating_on_demand_leaves_the_schedule_alone(kms, key):
    kms.enable_key_rotation(KeyId=key)
    due = kms.get_key_rotation_status(KeyId=key)["NextRotationDate"]
    kms.rotate_key_on_demand(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["NextRotationDate"] == due


def test_a_key_rotates_on_demand_25_times(kms, key, arn):
    blob = kms.encrypt(KeyId=key, Plaintext=b"first")["CiphertextBlob"]
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key)
    with refused(
        "LimitExceededException",
        "The on-demand rotations limit has been reached for the given keyId. No more on-demand "
        f"rotations can be performed for this key: {arn}",
    ):
        kms.rotate_key_on_demand(KeyId=key)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"first"
    assert len(rotations(kms, key)) == 25


def test_rotations_are_listed_with_or_without_the_first_material(kms, key):
    assert rotations(kms, key) == []
    first = kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    for _ in range(2):
        kms.rotate_key_on_demand(KeyId=key)
    current = kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    listed = rotations(kms, key)
    assert listed == rotations(kms, key, IncludeKeyMaterial="ROTATIONS_ONLY")
    assert len(listed) == 2
    for entry in listed:
        assert entry["RotationType"] == "ON_DEMAND"
        assert abs(in_days(entry["RotationDate"])) < 0.01
        state = "CURRENT" if entry["KeyMaterialId"] == current else "NON_CURRENT"
        assert entry["KeyMaterialState"] == state
    materials = rotations(kms, key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    assert len(materials) == 3
    (initial,) = [entry for entry in materials if entry["KeyMaterialId"] == first]
    assert initial["KeyMaterialState"] == "NON_CURRENT"
    assert not {"RotationDate", "RotationType"} & set(initial)


def test_list_key_rotations_pages(kms, key):
    for _ in range(5):
        kms.rotate_key_on_demand(KeyId=key)
    pages = list(kms.get_paginator("list_key_rotations").paginate(KeyId=key, PaginationConfig={"PageSize": 2}))
    ids = [entry["KeyMaterialId"] for page in pages for entry in page["Rotations"]]
    assert ([len(page["Rotations"]) for page in pages], len(set(ids))) == ([2, 2, 1], 5)
    with refused("InvalidMarkerException"):
        kms.list_key_rotations(KeyId=key, Marker="x")
    with invalid(("'0'", "limit", from_value(1))):
        kms.list_key_rotations(KeyId=key, Limit=0)
    with refused("ValidationException") as caught:
        kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="SOME")
    message = caught.value.response["Error"]["Message"]
    values = (one_of("ALL_KEY_MATERIAL", "ROTATIONS_ONLY"), one_of("ROTATIONS_ONLY", "ALL_KEY_MATERIAL"))
    assert message.startswith("1 validation error detected: Value 'SOME' at 'includeKeyMaterial' ")
    assert message.endswith(values)
