"""The AWS CLI as everybody has it, steered by what `keyward env` prints and nothing else."""

import base64
import json
import subprocess
import sys
import pathlib

import pytest

from keyward import binary, clean_environment, REGION

AWS = pathlib.Path(sys.executable).with_name("aws")


@pytest.fixture(scope="module")
def exports(server):
    """The environment after `eval "$(keyward env --data-dir DIR)"`, pointed at the test's port."""
    printed = subprocess.run(
        [binary(), "env", "--data-dir", server.data_dir],
        check=True,
        capture_output=True,
        text=True,
        env=clean_environment(),
    ).stdout
    shell = subprocess.run(
        ["sh", "-c", f'{printed}\nenv'], check=True, capture_output=True, text=True, env=clean_environment()
    ).stdout
    found = dict(line.split("=", 1) for line in shell.splitlines() if line.startswith("AWS_"))
    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(found)
    assert REGION in (found.get("AWS_REGION"), found.get("AWS_DEFAULT_REGION"))
    return {**clean_environment(), **found, "AWS_ENDPOINT_URL": server.url}


@pytest.fixture
def aws(exports):
    def run(*arguments, fails=None):
        done = subprocess.run([AWS, *arguments], capture_output=True, text=True, env=exports)
        if fails is None:
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout) if done.stdout.strip() else None
        assert done.returncode != 0
        assert fails in done.stderr
        return None

    return run


def test_the_main_road(aws, tmp_path):
    key = aws("kms", "create-key", "--description", "by the CLI")["KeyMetadata"]["KeyId"]
    aws("kms", "create-alias", "--alias-name", "alias/cli", "--target-key-id", key)
    aws("kms", "tag-resource", "--key-id", key, "--tags", "TagKey=a,TagValue=b")
    assert aws("kms", "list-resource-tags", "--key-id", key)["Tags"] == [{"TagKey": "a", "TagValue": "b"}]
    made = aws("kms", "generate-data-key", "--key-id", "alias/cli", "--key-spec", "AES_256", "--encryption-context", "a=1")
    blob = tmp_path / "blob"
    blob.write_bytes(base64.b64decode(made["CiphertextBlob"]))
    found = aws("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}", "--encryption-context", "a=1")
    assert found["Plaintext"] == made["Plaintext"]
    aws("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}", fails="(InvalidCiphertextException)")
    aws("kms", "enable-key-rotation", "--key-id", key, "--rotation-period-in-days", "180")
    assert aws("kms", "get-key-rotation-status", "--key-id", key)["RotationPeriodInDays"] == 180
    aws("kms", "disable-key", "--key-id", key)
    aws("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}", "--encryption-context", "a=1", fails="(DisabledException)")
    aws("kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
    assert aws("kms", "describe-key", "--key-id", key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_lists_are_paged_by_the_cli_itself(aws):
    for _ in range(3):
        aws("kms", "create-key")
    assert len(aws("kms", "list-keys", "--page-size", "2")["Keys"]) >= 3


def test_users_by_the_cli(aws):
    aws("iam", "create-user", "--user-name", "cli-user")
    made = aws("iam", "create-access-key", "--user-name", "cli-user")["AccessKey"]
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}
    aws("iam", "put-user-policy", "--user-name", "cli-user", "--policy-name", "p", "--policy-document", json.dumps(document))
    assert aws("sts", "get-caller-identity")["Arn"].endswith(":root")
    aws("iam", "delete-user", "--user-name", "cli-user", fails="(DeleteConflict)")
    aws("iam", "delete-access-key", "--user-name", "cli-user", "--access-key-id", made["AccessKeyId"])
    aws("iam", "delete-user-policy", "--user-name", "cli-user", "--policy-name", "p")
    aws("iam", "delete-user", "--user-name", "cli-user")


def test_a_role_and_a_policy_by_the_cli(aws):
    """In the order in which Terraform makes and unmakes them."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}],
    }
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    name = ("--role-name", "cli-role")
    made = aws("iam", "create-role", *name, "--assume-role-policy-document", json.dumps(trust), "--tags", "Key=a,Value=b")
    assert made["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Action"] == "sts:AssumeRole"
    arn = aws("iam", "create-policy", "--policy-name", "cli-policy", "--policy-document", json.dumps(document))["Policy"]["Arn"]
    aws("iam", "attach-role-policy", *name, "--policy-arn", arn)
    found = aws("iam", "get-policy-version", "--policy-arn", arn, "--version-id", "v1")
    assert found["PolicyVersion"]["Document"] == document
    assert aws("iam", "get-role", *name)["Role"]["Tags"] == [{"Key": "a", "Value": "b"}]
    found = aws(
        "iam", "simulate-principal-policy", "--policy-source-arn", made["Role"]["Arn"], "--action-names", "kms:Encrypt", "s3:GetObject"
    )
    assert [result["EvalDecision"] for result in found["EvaluationResults"]] == ["allowed", "implicitDeny"]
    aws("iam", "delete-policy", "--policy-arn", arn, fails="(DeleteConflict)")
    aws("iam", "delete-role", *name, fails="(DeleteConflict)")
    assert aws("iam", "list-role-policies", *name)["PolicyNames"] == []
    assert aws("iam", "list-instance-profiles-for-role", *name)["InstanceProfiles"] == []
    aws("iam", "detach-role-policy", *name, "--policy-arn", arn)
    aws("iam", "delete-role", *name)
    assert len(aws("iam", "list-policy-versions", "--policy-arn", arn)["Versions"]) == 1
    aws("iam", "delete-policy", "--policy-arn", arn)
