"""Grants between accounts: to their users and to the whole, made, used, listed and ended."""

import pytest

from errors import refused
from grants import NOBODY, UNKNOWN, grant, ids, listed, make, retirable
from keyward import ACCOUNT
from test_accounts import HIDDEN, OTHER, World, keyward, statement
from keyward import Server

OTHER_ROOT = f"arn:aws:iam::{OTHER}:root"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("grants") / "data")
    assert server.drain() == 0
    keyward("account", "create", "--data-dir", server.data_dir, "--account-id", OTHER, "--name", "Second")
    server.start()
    yield World(server)
    server.kill()


def hidden(caller, action):
    return refused(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: kms:{action} on this resource {HIDDEN}",
    )


def test_a_grant_to_a_user_of_another_account_stands_for_both_sides(world):
    arn = world.key()
    user, kms = world.user("single")
    with hidden(user, "Encrypt"):
        kms.encrypt(KeyId=arn, Plaintext=b"x")
    one = grant(world.kms, arn, user, "Encrypt")
    kms.encrypt(KeyId=arn, Plaintext=b"x")
    with hidden(user, "GenerateDataKey"):
        kms.generate_data_key(KeyId=arn, KeySpec="AES_256")
    world.allow("single", "kms:Encrypt", effect="Deny")
    with refused(
        "AccessDeniedException",
        f"User: {user} is not authorized to perform: kms:Encrypt on this resource with an explicit deny in an identity-based policy",
    ):
        kms.encrypt(KeyId=arn, Plaintext=b"x")
    (found,) = listed(world.kms, arn)
    assert (found["GranteePrincipal"], found["GrantId"]) == (user, one)
    assert found["IssuingAccount"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_grant_to_another_account_needs_its_identity_policies(world):
    arn = world.key()
    user, kms = world.user("many")
    grant(world.kms, arn, OTHER_ROOT, "Encrypt")
    with refused(
        "AccessDeniedException",
        f"User: {user} is not authorized to perform: kms:Encrypt on this resource because no identity-based policy allows the kms:Encrypt action",
    ):
        kms.encrypt(KeyId=arn, Plaintext=b"x")
    world.allow("many", "kms:Encrypt", resource=arn)
    kms.encrypt(KeyId=arn, Plaintext=b"x")
    # Its root user needs none.
    world.other_kms.encrypt(KeyId=arn, Plaintext=b"x")


def test_another_account_makes_lists_and_revokes_grants_where_it_may(world):
    arn = world.key(statement(OTHER_ROOT, "kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"))
    user, kms = world.user("maker")
    world.allow("maker", "kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant")
    made = grant(kms, arn, user, "Encrypt")
    kms.encrypt(KeyId=arn, Plaintext=b"x")
    (found,) = listed(kms, arn)
    assert (found["GrantId"], found["IssuingAccount"]) == (made, OTHER_ROOT)
    kms.revoke_grant(KeyId=arn, GrantId=made)
    with hidden(user, "Encrypt"):
        kms.encrypt(KeyId=arn, Plaintext=b"x")


def test_the_account_that_made_a_grant_retires_it_and_the_keys_owner_does_not(world):
    arn = world.key(statement(OTHER_ROOT, "kms:CreateGrant"))
    user, _ = world.user("issued")
    made = make(world.other_kms, arn, user, "Encrypt")
    with refused(
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: kms:RetireGrant on resource: {arn} because no resource-based policy allows the kms:RetireGrant action",
    ):
        world.kms.retire_grant(KeyId=arn, GrantId=made["GrantId"])
    world.other_kms.retire_grant(GrantToken=made["GrantToken"])
    assert listed(world.kms, arn) == []


def test_a_retiring_principal_finds_grants_on_keys_of_all_accounts(world):
    own = world.other_kms.create_key()["KeyMetadata"]["Arn"]
    keys = [world.key(), world.key()]
    user, kms = world.user("retirer")
    made = [grant(world.kms, key, OTHER_ROOT, "Encrypt", RetiringPrincipal=user) for key in keys]
    made.append(grant(world.other_kms, own, user, "Encrypt", RetiringPrincipal=user))
    found = retirable(world.other_kms, user, Limit=2)
    assert ids(found) == sorted(made)
    assert {one["KeyId"] for one in found} == {own, *keys}
    # The principal is the other account's: the first does not learn that it exists.
    for name in (user, user.replace("retirer", "nobody")):
        with refused("InvalidArnException", NOBODY.format(name)):
            world.kms.list_retirable_grants(RetiringPrincipal=name)
    for one in found:
        kms.retire_grant(KeyId=one["KeyId"], GrantId=one["GrantId"])
    assert retirable(world.other_kms, user) == []


def test_nothing_tells_whether_a_foreign_key_or_grant_exists(world):
    user, kms = world.user("curious")
    arn = world.key()
    one = grant(world.kms, arn, OTHER_ROOT, "Encrypt")
    absent = arn[:-12] + "0" * 12
    for key in (arn, absent):
        for id_ in (one, UNKNOWN):
            with hidden(user, "RetireGrant"):
                kms.retire_grant(KeyId=key, GrantId=id_)
            with hidden(user, "RevokeGrant"):
                kms.revoke_grant(KeyId=key, GrantId=id_)
        with hidden(user, "ListGrants"):
            kms.list_grants(KeyId=key)
        with hidden(user, "CreateGrant"):
            kms.create_grant(KeyId=key, GranteePrincipal=user, Operations=["Encrypt"])


def test_a_grant_handed_on_across_accounts_stays_within_its_own(world):
    arn = world.key()
    user, kms = world.user("middle")
    last, last_kms = world.user("last")
    blue = {"EncryptionContextSubset": {"tenant": "blue"}}
    grant(world.kms, arn, user, "Encrypt", "CreateGrant", Constraints=blue)
    with hidden(user, "CreateGrant"):
        grant(kms, arn, last, "Encrypt")
    made = grant(kms, arn, last, "Encrypt", Constraints=blue)
    last_kms.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"tenant": "blue"})
    with hidden(last, "Encrypt"):
        last_kms.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"tenant": "red"})
    assert {one["IssuingAccount"] for one in listed(world.kms, arn, GrantId=made)} == {OTHER_ROOT}
