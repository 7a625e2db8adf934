"""Grants: how they end, how they are listed, what is counted and recorded of them."""

import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

from conftest import DELEGATION, ROOT_ARN, User, policy
from errors import refused
from grants import NO_GRANT, UNKNOWN, denied, grant, ids, listed, make, retirable
from keyward import Server, key_arn


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
    clients = [server.client("kms", credentials=user.credentials) for _ in range(3)]
    for round_number in range(12):
        constraints = [{}, {"EncryptionContextEquals": {"a": "1"}}, {"EncryptionContextSubset": {"a": "1"}}]
        made = make(
            kms, key, user, "Decrypt", RetiringPrincipal=ROOT_ARN, Constraints=constraints[round_number % 3]
        )
        begun, ended, finish, wrong = threading.Event(), threading.Event(), threading.Event(), []

        def reader(client):
            while not finish.is_set():
                late = ended.is_set()
                try:
                    client.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1"}, GrantTokens=[made["GrantToken"]])
                    begun.set()
                    if late:
                        wrong.append(round_number)
                except ClientError as error:
                    assert error.response["Error"]["Code"] == "AccessDeniedException"

        readers = [threading.Thread(target=reader, args=[client]) for client in clients]
        for thread in readers:
            thread.start()
        assert begun.wait(60)
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


def test_the_quota_holds(tmp_path):
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


def test_as_many_grants_as_the_quota_says_are_made_at_once(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("[quotas]\ngrants_per_key = 60\n")
    server = Server(tmp_path / "data", "--config", config)
    try:
        kms = server.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        wrong = []

        def attempt():
            client = server.client("kms")
            try:
                for _ in range(10):
                    grant(client, key, ROOT_ARN, "Encrypt")
            except ClientError as error:
                wrong.append(error)

        threads = [threading.Thread(target=attempt) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Those that met conflicts and were tried again count once.
        assert not wrong
        assert len(listed(kms, key)) == 60
        with refused("LimitExceededException"):
            grant(kms, key, ROOT_ARN, "Encrypt")
    finally:
        server.kill()


def test_one_grantee_has_a_hundred_kinds_of_constraint(kms, key, arn, user):
    def named(name):
        return grant(kms, key, user, "Encrypt", Constraints={"EncryptionContextSubset": {name: "1"}})

    made = [named(f"n{n}") for n in range(100)]
    with refused(
        "LimitExceededException",
        f"Cannot exceed quota of 100 kinds of grant constraint for one grantee and key {arn}",
    ):
        named("more")
    # Another value is no other kind, and a kind that nobody has any more gives way.
    grant(kms, key, user, "Encrypt", Constraints={"EncryptionContextSubset": {"n1": "2"}})
    kms.revoke_grant(KeyId=key, GrantId=made[7])
    named("more")
    for name in ("more", "n0", "n99"):
        user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={name: "1"})
    with refused("AccessDeniedException"):
        user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"n7": "1"})
    with refused("LimitExceededException"):
        named("n7")


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
