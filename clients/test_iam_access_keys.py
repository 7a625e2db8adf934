"""Access keys: two for a user, switched off and on, and when each was last used."""

import datetime

from errors import refused
from iam_kit import new_name, not_allowed

INVALID = "The security token included in the request is invalid."


def last_used(iam, key):
    return iam.get_access_key_last_used(AccessKeyId=key)


def test_a_key_is_listed_without_its_secret(iam, user):
    second = iam.create_access_key(UserName=user.name)["AccessKey"]
    found = iam.list_access_keys(UserName=user.name)
    assert not found["IsTruncated"]
    ids = [key["AccessKeyId"] for key in found["AccessKeyMetadata"]]
    assert sorted(ids) == sorted([user.credentials[0], second["AccessKeyId"]])
    for key in found["AccessKeyMetadata"]:
        assert sorted(key) == ["AccessKeyId", "CreateDate", "Status", "UserName"]
        assert (key["UserName"], key["Status"]) == (user.name, "Active")
    page = iam.list_access_keys(UserName=user.name, MaxItems=1)
    rest = iam.list_access_keys(UserName=user.name, Marker=page["Marker"])
    listed = page["AccessKeyMetadata"] + rest["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in listed] == sorted(ids)
    with refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409):
        iam.create_access_key(UserName=user.name)


def test_an_inactive_key_is_as_if_it_were_not(iam, user):
    user.allow("kms:*")
    user.kms.list_keys()
    key = user.credentials[0]
    iam.update_access_key(UserName=user.name, AccessKeyId=key, Status="Inactive")
    with refused("UnrecognizedClientException", INVALID):
        user.kms.list_keys()
    assert iam.list_access_keys(UserName=user.name)["AccessKeyMetadata"][0]["Status"] == "Inactive"
    iam.update_access_key(UserName=user.name, AccessKeyId=key, Status="Inactive")
    iam.update_access_key(UserName=user.name, AccessKeyId=key, Status="Active")
    user.kms.list_keys()
    with refused("ValidationError"):
        iam.update_access_key(UserName=user.name, AccessKeyId=key, Status="Off")


def test_a_key_is_its_owners(iam, user, other_user):
    key = user.credentials[0]
    text = f"The Access Key with id {key} cannot be found."
    for call in (
        lambda: iam.update_access_key(UserName=other_user.name, AccessKeyId=key, Status="Inactive"),
        lambda: iam.delete_access_key(UserName=other_user.name, AccessKeyId=key),
        lambda: iam.delete_access_key(AccessKeyId=key),
    ):
        with refused("NoSuchEntity", text, 404):
            call()


def test_a_user_manages_its_own_keys_without_a_name(server, iam, user):
    theirs = server.client("iam", credentials=user.credentials)
    with refused("AccessDenied", not_allowed(user.arn, "iam:CreateAccessKey", user.arn), 403):
        theirs.create_access_key()
    user.allow("iam:*AccessKey*", resource="arn:aws:iam::*:user/${aws:username}")
    made = theirs.create_access_key()["AccessKey"]
    assert made["UserName"] == user.name
    assert len(theirs.list_access_keys()["AccessKeyMetadata"]) == 2
    theirs.update_access_key(AccessKeyId=made["AccessKeyId"], Status="Inactive")
    theirs.delete_access_key(AccessKeyId=made["AccessKeyId"])
    assert len(theirs.list_access_keys()["AccessKeyMetadata"]) == 1


def test_the_root_user_has_keys_of_its_own(iam, server):
    own, _ = server.root_credentials()
    found = {key["AccessKeyId"]: key for key in iam.list_access_keys()["AccessKeyMetadata"]}
    assert "UserName" not in found[own]


def test_the_last_use_of_a_key_is_told(server, iam, user):
    key = user.credentials[0]
    found = last_used(iam, key)
    assert found["UserName"] == user.name
    assert found["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    started = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    with refused("AccessDeniedException"):
        server.client("kms", credentials=user.credentials, region="eu-west-1").list_keys()
    used = last_used(iam, key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("kms", "eu-west-1")
    assert used["LastUsedDate"] >= started
    with refused("AccessDenied", None, 403):
        server.client("iam", credentials=user.credentials).list_users()
    assert last_used(iam, key)["AccessKeyLastUsed"]["ServiceName"] == "iam"


def test_the_last_use_outlives_the_process(own_server):
    iam = own_server.client("iam")
    name = new_name("user")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    theirs = own_server.client("sts", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))
    theirs.get_caller_identity()
    before = last_used(iam, made["AccessKeyId"])
    assert own_server.drain() == 0
    own_server.start()
    after = last_used(own_server.client("iam"), made["AccessKeyId"])
    assert after["AccessKeyLastUsed"] == before["AccessKeyLastUsed"]
    assert after["AccessKeyLastUsed"]["ServiceName"] == "sts"


def test_a_key_that_is_not_there_has_no_last_use(server, iam, user):
    key = "AKIAAAAAAAAAAAAAAAAA"
    root = iam.get_user()["User"]["Arn"]
    text = f"User: {root} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key {key}"
    with refused("AccessDenied", text, 403):
        last_used(iam, key)
    theirs = server.client("iam", credentials=user.credentials)
    text = not_allowed(user.arn, "iam:GetAccessKeyLastUsed", f"access key {key}")
    with refused("AccessDenied", text, 403):
        last_used(theirs, key)


def test_a_deleted_key_signs_nothing(iam, user):
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials[0])
    with refused("UnrecognizedClientException", INVALID):
        user.kms.list_keys()
    with refused("AccessDenied", None, 403):
        last_used(iam, user.credentials[0])
    assert iam.list_access_keys(UserName=user.name)["AccessKeyMetadata"] == []
