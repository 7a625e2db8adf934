"""Makes the small store of this version that later versions must open: `cargo xtask keep-store`.

A kept store is a data directory with its root key and `expected.json`, which says what stands in
it. `test_stores.py` opens each of them. What a version learns to keep is added here before its
store is made; the store of a version that was released is never made again.
"""

import base64
import json
import shutil
import sys
import tempfile
import pathlib

from conftest import DELEGATION, policy
from keyward import ROOT, Server

STORES = ROOT / "testdata/stores"
# What a data directory holds that is worth keeping; the rest says where a server ran.
KEPT = ("store.db", "root.key", "admin-credentials", "audit")


def fill(server):
    """Gives a fresh server something of everything, and answers what that is."""
    kms, iam = server.client("kms"), server.client("iam")
    users = {}
    for name in ("alice", "bob", "carol"):
        made = iam.create_user(UserName=name, Path="/kept/")["User"]
        access_key = iam.create_access_key(UserName=name)["AccessKey"]
        users[name] = {
            "arn": made["Arn"],
            "id": made["UserId"],
            "access_key_id": access_key["AccessKeyId"],
            "secret_access_key": access_key["SecretAccessKey"],
        }
    allow = policy({"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"})
    iam.put_user_policy(UserName="alice", PolicyName="lists", PolicyDocument=allow)
    managed = iam.create_policy(PolicyName="lists", PolicyDocument=allow)["Policy"]["Arn"]
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=managed)
    iam.add_user_to_group(GroupName="readers", UserName="carol")
    trust = policy({"Effect": "Allow", "Principal": {"AWS": users["alice"]["arn"]}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="app", Path="/kept/", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(RoleName="app", PolicyName="lists", PolicyDocument=allow)
    for_alice = {**DELEGATION, "Sid": "alice", "Principal": {"AWS": users["alice"]["arn"]}, "Action": "kms:Decrypt"}

    keys, blobs = {}, []

    def key(description, **parameters):
        made = kms.create_key(Description=description, **parameters)["KeyMetadata"]["KeyId"]
        keys[description] = made
        return made

    def encrypt(named, plaintext, **context):
        made = kms.encrypt(KeyId=named, Plaintext=plaintext, EncryptionContext=context)
        blobs.append(
            {
                "key": made["KeyId"],
                "context": context,
                "plaintext": base64.b64encode(plaintext).decode(),
                "blob": base64.b64encode(made["CiphertextBlob"]).decode(),
            }
        )

    app = key("app", Policy=policy(DELEGATION, for_alice), Tags=[{"TagKey": "team", "TagValue": "röt"}])
    kms.create_alias(AliasName="alias/app", TargetKeyId=app)
    kms.create_alias(AliasName="alias/app/again", TargetKeyId=app)
    encrypt("alias/app", b"before the rotation", tenant="blue", Ort="Köln")
    kms.rotate_key_on_demand(KeyId=app)
    encrypt("alias/app", b"after the rotation", tenant="blue")
    kms.enable_key_rotation(KeyId=app, RotationPeriodInDays=2560)
    grant = kms.create_grant(KeyId=app, GranteePrincipal=users["bob"]["arn"], Operations=["DescribeKey"])
    kms.disable_key(KeyId=key("disabled"))
    kms.schedule_key_deletion(KeyId=key("doomed"), PendingWindowInDays=30)
    return {
        "users": users,
        "roles": {"app": {"arn": role["Arn"], "id": role["RoleId"]}},
        "grants": [grant["GrantId"]],
        "keys": keys,
        "blobs": blobs,
        "states": states(kms, keys),
    }


def states(kms, keys):
    """What every version must answer of these keys, by description."""
    found = {}
    for description, key in keys.items():
        metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
        rotations = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        found[description] = {
            "state": metadata["KeyState"],
            "description": metadata["Description"],
            "created": metadata["CreationDate"].timestamp(),
            "material": metadata["CurrentKeyMaterialId"],
            "materials": [entry["KeyMaterialId"] for entry in rotations],
            "rotates": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
            "aliases": sorted(entry["AliasName"] for entry in kms.list_aliases(KeyId=key)["Aliases"]),
            "tags": kms.list_resource_tags(KeyId=key)["Tags"],
            "policy": json.loads(kms.get_key_policy(KeyId=key)["Policy"]),
        }
    return found


def keep(version, replace):
    """Makes the store of a version."""
    home = STORES / version
    if home.exists() and not replace:
        sys.exit(f"{home} exists: add --replace if {version} is not released yet")
    with tempfile.TemporaryDirectory() as scratch:
        server = Server(pathlib.Path(scratch) / "data")
        expected = fill(server)
        assert server.drain() == 0
        assert not (server.data_dir / "store.db-wal").exists(), "the store is one file"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name in KEPT:
            source = server.data_dir / name
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, home / name)
    (home / "expected.json").write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n")
    print(f"{home.relative_to(ROOT)} is made")


if __name__ == "__main__":
    keep(sys.argv[1], "--replace" in sys.argv[2:])
