"""Stores of every version, made when it was current, open and say what they said then."""

import base64
import json
import shutil
import subprocess
import tomllib

import pytest

from errors import refused
from keyward import ROOT, Server, binary, clean_environment, key_arn
from kept_store import KEPT, STORES, states

VERSIONS = sorted(path.name for path in STORES.iterdir() if path.is_dir())


@pytest.fixture(params=VERSIONS)
def opened(request, tmp_path):
    """A server on a copy of a kept store, and what is expected of it."""
    kept, data = STORES / request.param, tmp_path / "data"
    data.mkdir()
    for name in KEPT:
        source = kept / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, data / name)
    # Git keeps no modes.
    (data / "root.key").chmod(0o600)
    server = Server(data)
    yield server, json.loads((kept / "expected.json").read_text())
    if server.process.poll() is None:
        server.kill()


def test_this_version_has_its_store():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert version in VERSIONS, "run `cargo xtask keep-store`"


def test_keys_are_as_they_were(opened):
    server, expected = opened
    kms = server.client("kms")
    listed = {entry["KeyId"] for page in kms.get_paginator("list_keys").paginate() for entry in page["Keys"]}
    assert listed == set(expected["keys"].values())
    assert states(kms, expected["keys"]) == expected["states"]


def test_old_blobs_open(opened):
    server, expected = opened
    kms = server.client("kms")
    assert expected["blobs"]
    for blob in expected["blobs"]:
        found = kms.decrypt(
            CiphertextBlob=base64.b64decode(blob["blob"]), EncryptionContext=blob["context"]
        )
        assert found["Plaintext"] == base64.b64decode(blob["plaintext"])
        assert found["KeyId"] == blob["key"]


def test_users_are_who_they_were_and_may_what_they_might(opened):
    server, expected = opened
    credentials = {
        name: (user["access_key_id"], user["secret_access_key"]) for name, user in expected["users"].items()
    }
    for name, user in expected["users"].items():
        found = server.client("sts", credentials=credentials[name]).get_caller_identity()
        assert (found["Arn"], found["UserId"]) == (user["arn"], user["id"])
    alice, bob, carol = (server.client("kms", credentials=credentials[name]) for name in ("alice", "bob", "carol"))
    blob = expected["blobs"][0]
    call = {"CiphertextBlob": base64.b64decode(blob["blob"]), "EncryptionContext": blob["context"]}
    # By the key policy, which names her by her unique id; by her own policy; and he by neither.
    assert alice.decrypt(**call)["Plaintext"]
    assert alice.list_keys()["Keys"]
    with refused("AccessDeniedException"):
        bob.decrypt(**call)
    with refused("AccessDeniedException"):
        bob.list_keys()
    # By the managed policy of her group, and by his grant.
    assert carol.list_keys()["Keys"]
    assert bob.describe_key(KeyId=expected["keys"]["app"])["KeyMetadata"]["Description"] == "app"


def test_roles_and_grants_are_as_they_were(opened):
    server, expected = opened
    kms, iam = server.client("kms"), server.client("iam")
    for name, role in expected["roles"].items():
        found = iam.get_role(RoleName=name)["Role"]
        assert (found["Arn"], found["RoleId"]) == (role["arn"], role["id"])
        assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["lists"]
    grants = kms.list_grants(KeyId=expected["keys"]["app"])["Grants"]
    assert [grant["GrantId"] for grant in grants] == expected["grants"]
    kms.revoke_grant(KeyId=expected["keys"]["app"], GrantId=grants[0]["GrantId"])
    assert kms.list_grants(KeyId=expected["keys"]["app"])["Grants"] == []


def test_the_store_goes_on(opened):
    server, expected = opened
    kms, iam = server.client("kms"), server.client("iam")
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/app", TargetKeyId=made)
    blob = kms.encrypt(KeyId="alias/app", Plaintext=b"new")
    assert blob["KeyId"] == key_arn(made)
    kms.enable_key(KeyId=expected["keys"]["disabled"])
    kms.encrypt(KeyId=expected["keys"]["disabled"], Plaintext=b"again")
    iam.create_access_key(UserName="bob")
    server.restart()
    assert server.client("kms").decrypt(CiphertextBlob=blob["CiphertextBlob"])["Plaintext"] == b"new"


def test_the_trail_verifies_with_what_is_added(opened):
    server, _ = opened
    server.client("kms").create_key()
    assert server.drain() == 0
    command = [binary(), "audit", "verify", "--data-dir", server.data_dir]
    audit = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert audit.returncode == 0, audit.stderr
    assert "; 0 pieces " in audit.stdout, audit.stdout


def test_a_store_from_before_the_first_release_is_refused_and_the_reason_says_what_to_do(tmp_path):
    data = tmp_path / "data"
    shutil.copytree(ROOT / "testdata/refused-stores/keyring-1", data)
    (data / "root.key").chmod(0o600)
    command = [binary(), "serve", "--data-dir", data, "--listen", "127.0.0.1:0"]
    served = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert served.returncode == 1
    assert served.stderr.splitlines()[-1].endswith(
        "the store was created by an older version of Keyward, before its first release, and this version "
        "cannot open it: create a new store with `keyward init` in an empty data directory, or continue with "
        "the version that created this one"
    )
