"""Which operation works on a key in which state: the whole table."""

import pytest

from conftest import DELEGATION, policy
from errors import refused

# For each operation what it answers on a key that is enabled, disabled, pending deletion:
# `ok`, or the error's code. The messages follow from state and code.
OK, DISABLED, STATE = "ok", "DisabledException", "KMSInvalidStateException"
TABLE = {
    "cancel_key_deletion": (STATE, STATE, OK),
    "create_alias": (OK, OK, STATE),
    "decrypt": (OK, DISABLED, STATE),
    "delete_alias": (OK, OK, OK),
    "describe_key": (OK, OK, OK),
    "disable_key": (OK, OK, STATE),
    "disable_key_rotation": (OK, DISABLED, STATE),
    "enable_key": (OK, OK, STATE),
    "enable_key_rotation": (OK, DISABLED, STATE),
    "encrypt": (OK, DISABLED, STATE),
    "generate_data_key": (OK, DISABLED, STATE),
    "generate_data_key_without_plaintext": (OK, DISABLED, STATE),
    "get_key_last_usage": (OK, OK, OK),
    "get_key_policy": (OK, OK, OK),
    "get_key_rotation_status": (OK, OK, OK),
    "list_aliases": (OK, OK, OK),
    "list_key_policies": (OK, OK, OK),
    "list_key_rotations": (OK, OK, OK),
    "list_resource_tags": (OK, OK, OK),
    "put_key_policy": (OK, OK, OK),
    "re_encrypt": (OK, DISABLED, STATE),
    "rotate_key_on_demand": (OK, DISABLED, STATE),
    "schedule_key_deletion": (OK, OK, STATE),
    "tag_resource": (OK, OK, STATE),
    "untag_resource": (OK, OK, STATE),
    "update_alias": (OK, OK, STATE),
    "update_key_description": (OK, OK, STATE),
}
STATES = ("Enabled", "Disabled", "PendingDeletion")


def call(kms, operation, key, alias, blob):
    """One valid request of that operation on the key."""
    parameters = {
        "create_alias": {"AliasName": f"{alias}/new", "TargetKeyId": key},
        "decrypt": {"CiphertextBlob": blob},
        "delete_alias": {"AliasName": alias},
        "encrypt": {"KeyId": key, "Plaintext": b"x"},
        "generate_data_key": {"KeyId": key, "KeySpec": "AES_256"},
        "generate_data_key_without_plaintext": {"KeyId": key, "KeySpec": "AES_256"},
        "put_key_policy": {"KeyId": key, "Policy": policy(DELEGATION)},
        "re_encrypt": {"CiphertextBlob": blob, "DestinationKeyId": key},
        "tag_resource": {"KeyId": key, "Tags": [{"TagKey": "a", "TagValue": "b"}]},
        "untag_resource": {"KeyId": key, "TagKeys": ["a"]},
        "update_key_description": {"KeyId": key, "Description": "new"},
    }
    if operation == "update_alias":
        # The alias of another key, moved to this one.
        other = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"{alias}/other", TargetKeyId=other)
        parameters[operation] = {"AliasName": f"{alias}/other", "TargetKeyId": key}
    return getattr(kms, operation)(**parameters.get(operation, {"KeyId": key}))


def put_into(kms, key, state):
    if state == "Disabled":
        kms.disable_key(KeyId=key)
    if state == "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", TABLE)
def test_the_state_of_a_key_decides(kms, key, arn, alias, operation, state):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    put_into(kms, key, state)
    expected = TABLE[operation][STATES.index(state)]
    if expected == OK:
        call(kms, operation, key, alias, blob)
    elif operation == "cancel_key_deletion":
        with refused(STATE, f"{arn} is not pending deletion."):
            call(kms, operation, key, alias, blob)
    else:
        text = "is disabled." if expected == DISABLED else "is pending deletion."
        with refused(expected, f"{arn} {text}"):
            call(kms, operation, key, alias, blob)


def test_an_alias_can_be_moved_away_from_a_key_pending_deletion(kms, key, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    kms.schedule_key_deletion(KeyId=key)
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    kms.encrypt(KeyId=alias, Plaintext=b"x")
