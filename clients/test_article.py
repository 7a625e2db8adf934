"""The story of the article that Keyward grew from, told with the AWS CLI: who may use a key, by
key policy, IAM policy and grant, and a service that acts for its caller. `docs/article.md` lists
where AWS itself would not take the article's text, and what stands here instead."""

import base64
import json
import pathlib
import subprocess
import sys

import pytest

from callers import credentials_of
from conftest import policy
from efs import Efs, server_with_service
from keyward import ACCOUNT, clean_environment

AWS = pathlib.Path(sys.executable).with_name("aws")
REGION = "us-west-2"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/example-role"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/example-role/story"
PRINCIPAL = f"elasticfilesystem.{REGION}.amazonaws.com"


class Cli:
    """The AWS CLI with one set of credentials."""

    def __init__(self, url, credentials, region=REGION):
        key, secret, *token = credentials
        self.environment = {
            **clean_environment(),
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            **({"AWS_SESSION_TOKEN": token[0]} if token else {}),
        }

    def __call__(self, *arguments, fails=None):
        done = subprocess.run([AWS, *arguments], capture_output=True, text=True, env=self.environment)
        if fails is None:
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout) if done.stdout.strip() else None
        assert done.returncode != 0, done.stdout
        assert fails in done.stderr, done.stderr
        return None


class Story:
    """The account, its administrator, and the roles of the article."""

    def __init__(self, tmp):
        self.server, credentials = server_with_service(tmp / "data", "elasticfilesystem")
        self.admin = Cli(self.server.url, self.server.root_credentials())
        self.efs = Efs(self.server, credentials["elasticfilesystem"], REGION)
        self.assumers = 0

    def role(self, name, *statements):
        """A role of the account with an inline policy."""
        trust = policy({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"})
        made = self.admin("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust)
        if statements:
            self.admin(
                "iam", "put-role-policy", "--role-name", name, "--policy-name", "access",
                "--policy-document", policy(*statements),
            )
        return made["Role"]["Arn"]

    def session(self, role, name="story"):
        """The CLI as a session of the role, which a user assumes."""
        self.assumers += 1
        user = f"assumes-{self.assumers}"
        self.admin("iam", "create-user", "--user-name", user)
        may = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
        self.admin("iam", "put-user-policy", "--user-name", user, "--policy-name", "p", "--policy-document", may)
        made = self.admin("iam", "create-access-key", "--user-name", user)["AccessKey"]
        as_user = Cli(self.server.url, (made["AccessKeyId"], made["SecretAccessKey"]))
        answer = as_user("sts", "assume-role", "--role-arn", role, "--role-session-name", name)
        return Cli(self.server.url, credentials_of(answer)), credentials_of(answer)

    def key(self, *statements):
        made = self.admin("kms", "create-key", "--description", "my-kms-key")["KeyMetadata"]["Arn"]
        if statements:
            self.put(made, *statements)
        return made

    def put(self, key, *statements):
        self.admin(
            "kms", "put-key-policy", "--key-id", key, "--policy", policy(*statements),
            "--bypass-policy-lockout-safety-check",
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    story = Story(tmp_path_factory.mktemp("article"))
    yield story
    story.efs.stop()
    story.server.kill()


# The article's IAM policy of example-role; AWS admits no blanks in an IAM Sid.
FULL_ACCESS = {"Sid": "AccessKMSKeyFullActions", "Effect": "Allow", "Action": ["kms:*"], "Resource": "*"}
# The article's default key policy.
DELEGATION = {
    "Sid": "Enable IAM User Permissions",
    "Effect": "Allow",
    "Principal": {"AWS": ROOT},
    "Action": "kms:*",
    "Resource": "*",
}
# So that somebody keeps the key where the article's policies name nobody else.
ADMINISTRATION = {
    "Sid": "Allow administration",
    "Effect": "Allow",
    "Principal": {"AWS": ROOT},
    "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:PutKeyPolicy", "kms:DisableKey", "kms:EnableKey"],
    "Resource": "*",
}


def test_a_new_key_has_the_default_key_policy(story):
    key = story.key()
    shown = json.loads(story.admin("kms", "get-key-policy", "--key-id", key)["Policy"])
    assert shown == {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [DELEGATION]}


@pytest.fixture(scope="module")
def example_role(story):
    story.role("example-role", FULL_ACCESS)
    return story.session(ROLE)[0]


def generate(cli, key, fails=None):
    return cli("kms", "generate-data-key", "--key-id", key, "--key-spec", "AES_256", fails=fails)


def decrypt(cli, blob, tmp, **more):
    """The CLI reads bytes from a file."""
    (tmp / "blob").write_bytes(base64.b64decode(blob))
    return cli("kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp / 'blob'}", **more)


def test_full_access_in_iam_is_nothing_until_the_key_policy_says_so(story, example_role):
    key = story.key(ADMINISTRATION)
    why = "because no resource-based policy allows the kms:GenerateDataKey action"
    generate(example_role, key, fails=f"{SESSION} is not authorized to perform: kms:GenerateDataKey on resource: {key} {why}")
    # 1. The account principal lets the account's IAM policies count.
    story.put(key, DELEGATION)
    assert generate(example_role, key)["KeyId"] == key
    # 2. Or the key policy names the role itself, and no IAM policy is needed.
    story.put(key, ADMINISTRATION)
    generate(example_role, key, fails=why)
    named = {
        "Sid": "Allow KMS key access",
        "Effect": "Allow",
        "Principal": {"AWS": ROLE},
        "Action": ["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"],
        "Resource": "*",
    }
    story.put(key, ADMINISTRATION, named)
    assert generate(example_role, key)["KeyId"] == key


def test_delegation_alone_is_nothing_without_an_iam_policy(story):
    key = story.key()
    session, _ = story.session(story.role("without-policies"))
    generate(session, key, fails="because no identity-based policy allows the kms:GenerateDataKey action")


def test_a_deny_in_iam_counts_though_the_key_policy_names_the_role(story, tmp_path):
    role = story.role("denied-role", {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"})
    session, _ = story.session(role)
    named = {"Sid": "Named", "Effect": "Allow", "Principal": {"AWS": role}, "Action": "kms:*", "Resource": "*"}
    key = story.key(ADMINISTRATION, named)
    blob = generate(session, key)["CiphertextBlob"]
    decrypt(session, blob, tmp_path, fails="with an explicit deny in an identity-based policy")


def test_a_grant_is_made_used_with_its_token_and_retired(story, tmp_path):
    role = story.role("my-iam-role")
    session, _ = story.session(role)
    key = story.key(DELEGATION)
    generate(session, key, fails="because no identity-based policy allows")
    grant = story.admin(
        "kms", "create-grant", "--key-id", key, "--grantee-principal", role,
        "--operations", "GenerateDataKey", "Encrypt", "Decrypt",
    )
    made = session(
        "kms", "generate-data-key", "--key-id", key, "--key-spec", "AES_256", "--grant-tokens", grant["GrantToken"]
    )
    opened = decrypt(session, made["CiphertextBlob"], tmp_path)
    assert opened["Plaintext"] == made["Plaintext"]
    # What it does not list it does not give.
    session("kms", "describe-key", "--key-id", key, fails="(AccessDeniedException)")
    listed = story.admin("kms", "list-grants", "--key-id", key)["Grants"]
    assert [(g["GrantId"], g["GranteePrincipal"], g["Operations"]) for g in listed] == [
        (grant["GrantId"], role, ["GenerateDataKey", "Encrypt", "Decrypt"])
    ]
    story.admin("kms", "retire-grant", "--grant-token", grant["GrantToken"])
    decrypt(session, made["CiphertextBlob"], tmp_path, fails="(AccessDeniedException)")


def test_operations_joined_by_commas_are_none(story):
    story.admin(
        "kms", "create-grant", "--key-id", story.key(), "--grantee-principal", ROOT,
        "--operations", "GenerateDataKey,Encrypt,Decrypt", fails="(ValidationException)",
    )


def test_the_account_keeps_control_when_its_admin_role_is_deleted(story):
    admin = story.role("key-admin")
    named = {"Sid": "Admin", "Effect": "Allow", "Principal": {"AWS": admin}, "Action": "kms:*", "Resource": "*"}
    key = story.key(DELEGATION, named)
    story.admin("iam", "delete-role", "--role-name", "key-admin")
    shown = json.loads(story.admin("kms", "get-key-policy", "--key-id", key)["Policy"])
    assert shown["Statement"][1]["Principal"]["AWS"].startswith("AROA")
    # A role made anew under the name inherits nothing.
    session, _ = story.session(story.role("key-admin"))
    generate(session, key, fails="(AccessDeniedException)")
    story.put(key, DELEGATION)
    story.admin("kms", "disable-key", "--key-id", key)


def test_a_key_without_the_account_is_lost_with_its_admin_role(story):
    admin = story.role("only-admin")
    named = {"Sid": "Admin", "Effect": "Allow", "Principal": {"AWS": admin}, "Action": "kms:*", "Resource": "*"}
    key = story.key(named)
    story.admin("iam", "delete-role", "--role-name", "only-admin")
    why = f"User: {ROOT} is not authorized to perform: kms:PutKeyPolicy on resource: {key} because no resource-based policy"
    story.admin("kms", "put-key-policy", "--key-id", key, "--policy", policy(DELEGATION), fails=why)


# The article's key policy for EFS: the role uses the key, and grants on it come into being only
# for AWS resources. Its first statement allowed kms:*, which would let the role make any grant.
def efs_policy(role):
    return [
        ADMINISTRATION,
        {
            "Sid": "Allow KMS key access",
            "Effect": "Allow",
            "Principal": {"AWS": role},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
        },
        {
            "Sid": "Allow access to create and manage key grants",
            "Effect": "Allow",
            "Principal": {"AWS": role},
            "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
            "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        },
    ]


def test_efs_makes_uses_and_retires_a_grant_for_the_role(story):
    efs = story.efs
    role = story.role("efs-role", FULL_ACCESS, {"Sid": "EFSAccess", "Effect": "Allow", "Action": ["elasticfilesystem:*"], "Resource": "*"})
    session, credentials = story.session(role)
    key = story.key(*efs_policy(role))

    # The role itself may not make the grant that EFS makes for it.
    session(
        "kms", "create-grant", "--key-id", key, "--grantee-principal", role, "--operations", "Decrypt",
        fails=f"is not authorized to perform: kms:CreateGrant on resource: {key} "
        "because no resource-based policy allows the kms:CreateGrant action",
    )

    to_efs = Cli(efs.url, credentials)
    created = to_efs(
        "efs", "create-file-system", "--creation-token", "my-demo-efs", "--performance-mode", "generalPurpose",
        "--encrypted", "--throughput-mode", "bursting", "--kms-key-id", key,
    )
    file_system = created["FileSystemId"]
    assert (created["Encrypted"], created["KmsKeyId"]) == (True, key)

    # The service's grant, exact in every field.
    (grant,) = story.admin("kms", "list-grants", "--key-id", key)["Grants"]
    assert isinstance(grant.pop("CreationDate"), (int, float, str))
    assert grant == {
        "KeyId": key,
        "GrantId": efs.file_systems[file_system]["grant"],
        "Name": "",
        "GranteePrincipal": PRINCIPAL,
        "RetiringPrincipal": PRINCIPAL,
        "IssuingAccount": ROOT,
        "Operations": ["Encrypt", "Decrypt", "RetireGrant"],
        "Constraints": {"EncryptionContextEquals": {"aws:elasticfilesystem:filesystem:id": file_system}},
    }

    # Its event is the article's.
    events = [
        json.loads(line)
        for file in sorted((story.server.data_dir / "audit").glob("trail-*.jsonl"))
        for line in open(file)
    ]
    event = [e for e in events if e.get("eventName") == "CreateGrant" and "errorCode" not in e][-1]
    assert event["sourceIPAddress"] == event["userAgent"] == "elasticfilesystem.amazonaws.com"
    assert event["userIdentity"]["invokedBy"] == "elasticfilesystem.amazonaws.com"
    assert event["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == role
    assert event["requestParameters"] == {
        "constraints": {"encryptionContextEquals": {"aws:elasticfilesystem:filesystem:id": file_system}},
        "keyId": key,
        "granteePrincipal": PRINCIPAL,
        "operations": ["Encrypt", "Decrypt", "RetireGrant"],
        "retiringPrincipal": PRINCIPAL,
    }
    assert event["responseElements"] == {"grantId": grant["GrantId"], "keyId": key}

    # Mounted without any user; another file system's id opens nothing.
    assert len(efs.mount(file_system)) == 32
    with pytest.raises(Exception, match="AccessDeniedException"):
        efs.mount(file_system, context_of="fs-0123456789abcdef0")

    # The key's owner cuts it off, and lets it in again.
    story.admin("kms", "disable-key", "--key-id", key)
    with pytest.raises(Exception, match="DisabledException"):
        efs.mount(file_system)
    story.admin("kms", "enable-key", "--key-id", key)
    assert len(efs.mount(file_system)) == 32

    # At the end the service retires its grant.
    blob = efs.file_systems[file_system]["blob"]
    to_efs("efs", "delete-file-system", "--file-system-id", file_system)
    assert story.admin("kms", "list-grants", "--key-id", key)["Grants"] == []
    with pytest.raises(Exception, match="AccessDeniedException"):
        efs.own_client("kms").decrypt(
            CiphertextBlob=blob, EncryptionContext={"aws:elasticfilesystem:filesystem:id": file_system}
        )


def test_efs_without_a_key_of_ours_uses_its_own(story):
    role = story.role("efs-default", {"Sid": "EFSAccess", "Effect": "Allow", "Action": ["elasticfilesystem:*"], "Resource": "*"})
    _, credentials = story.session(role)
    created = Cli(story.efs.url, credentials)("efs", "create-file-system", "--creation-token", "default", "--encrypted")
    described = story.admin("kms", "describe-key", "--key-id", "alias/aws/elasticfilesystem")["KeyMetadata"]
    assert (described["Arn"], described["KeyManager"]) == (created["KmsKeyId"], "AWS")
    assert len(story.efs.mount(created["FileSystemId"])) == 32
