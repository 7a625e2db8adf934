"""The service model inside botocore as judge: what Keyward serves, and what it says it does not."""

import json
import re

import boto3
import botocore.session
import pytest

from conftest import DELEGATION, ROOT_ARN, policy
from keyward import ROOT
from wire import Wire

MODEL = botocore.session.get_session().get_service_model("kms")
UNSUPPORTED = [
    line.strip()
    for line in (ROOT / "unsupported.txt").read_text().splitlines()
    if line.strip() and not line.startswith(("#", "de:", "elasticfilesystem:", "environments:", "iam:", "organizations:", "rds:", "sts:"))
]
USAGES = {
    "RSA": "SIGN_VERIFY",
    "ECC": "SIGN_VERIFY",
    "SM2": "SIGN_VERIFY",
    "ML_DSA": "SIGN_VERIFY",
    "ML_KEM": "ENCAPSULATE_DECAPSULATE",
    "HMAC": "GENERATE_VERIFY_MAC",
    "SYMMETRIC": "ENCRYPT_DECRYPT",
}
# Values that change what another member means are tried together with it, not alone.
TRIED_WITH_OTHERS = {"CreateKey.KeyUsage", "Decrypt.DryRunModifiers", "ReEncrypt.DryRunModifiers"}


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


@pytest.fixture(scope="module")
def material(kms):
    """A key, an alias and a blob for the requests to name."""
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/model", TargetKeyId=key)
    return {"key": key, "blob": kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]}


def valid(operation, material):
    """The members of a request that Keyward serves."""
    import base64

    key, blob = material["key"], base64.b64encode(material["blob"]).decode()
    return {
        "CreateGrant": {"KeyId": key, "GranteePrincipal": ROOT_ARN, "Operations": ["Decrypt"]},
        "CreateKey": {},
        "Decrypt": {"CiphertextBlob": blob},
        "Encrypt": {"KeyId": key, "Plaintext": "eA=="},
        "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": key, "KeySpec": "AES_256"},
        "GenerateRandom": {"NumberOfBytes": 1},
        "ListKeyRotations": {"KeyId": key},
        "ListKeys": {},
        "PutKeyPolicy": {"KeyId": key, "Policy": policy(DELEGATION)},
        "ReEncrypt": {"CiphertextBlob": blob, "DestinationKeyId": key},
        "RetireGrant": {"KeyId": key, "GrantId": "0" * 64},
        "RevokeGrant": {"KeyId": key, "GrantId": "0" * 64},
    }[operation]


def supported(answer):
    return answer.status == 200 or answer.error[0] != "UnsupportedOperationException"


def values(shape):
    """The values that the model lists for a member, as they are sent."""
    if shape.type_name == "list":
        return [[name] for name in getattr(shape.member, "enum", [])]
    if shape.type_name == "boolean":
        return [True, False]
    return list(getattr(shape, "enum", []))


def choices():
    """Every value of every enumerated or boolean member of every operation that is served."""
    for operation in MODEL.operation_names:
        if operation in UNSUPPORTED:
            continue
        for member, shape in MODEL.operation_model(operation).input_shape.members.items():
            name = f"{operation}.{member}"
            if name not in TRIED_WITH_OTHERS and name not in UNSUPPORTED:
                for value in values(shape):
                    text = value[0] if isinstance(value, list) else value
                    text = json.dumps(text).strip('"')
                    yield pytest.param(operation, member, value, id=f"{name}={text}")


def test_the_model_has_56_operations():
    assert len(MODEL.operation_names) == 56


def test_the_list_is_sorted_by_operation_and_names_only_what_the_model_has():
    operations = [line.split(".")[0] for line in UNSUPPORTED]
    assert operations == sorted(operations)
    assert len(set(UNSUPPORTED)) == len(UNSUPPORTED)
    for line in UNSUPPORTED:
        operation, _, rest = line.partition(".")
        assert operation in MODEL.operation_names, line
        if rest:
            member, _, value = rest.partition("=")
            shape = MODEL.operation_model(operation).input_shape.members[member]
            if value:
                known = [json.dumps(one).strip('"') for one in values(shape)]
                assert value in known, line


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_an_operation_is_served_or_listed(wire, operation):
    answer = wire.kms(operation)
    if operation in UNSUPPORTED:
        assert answer.status == 400
        code, text = answer.error
        assert code == "UnsupportedOperationException"
        assert operation in text
    else:
        assert supported(answer)
        if answer.status != 200:
            assert answer.error[0] == "ValidationException"


@pytest.mark.parametrize("operation,member,value", list(choices()))
def test_a_value_is_served_or_listed(wire, material, operation, member, value):
    request = {**valid(operation, material), member: value}
    if member in ("KeySpec", "CustomerMasterKeySpec") and operation == "CreateKey":
        (usage,) = [usage for family, usage in USAGES.items() if value.startswith(family)]
        request["KeyUsage"] = usage
    text = json.dumps(value).strip('"')
    answer = wire.kms(operation, request)
    assert supported(answer) == (f"{operation}.{member}={text}" not in UNSUPPORTED), answer.body


@pytest.mark.parametrize("line", [line for line in UNSUPPORTED if "." in line and "=" not in line])
def test_a_listed_member_is_refused(wire, material, line):
    operation, member = line.split(".")
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "eA=="}
    value = recipient if member == "Recipient" else "cks-1234567890abcdef0"
    answer = wire.kms(operation, {**valid(operation, material), member: value})
    assert not supported(answer)
    assert answer.error[1]


def test_answers_have_no_member_that_the_model_lacks(server, material):
    wire = Wire(server)
    for operation, request in [
        ("CreateGrant", valid("CreateGrant", material)),
        ("CreateKey", {}),
        ("DescribeKey", {"KeyId": material["key"]}),
        ("Encrypt", valid("Encrypt", material)),
        ("Decrypt", valid("Decrypt", material)),
        ("ReEncrypt", valid("ReEncrypt", material)),
        ("GenerateDataKey", valid("GenerateDataKey", material)),
        ("GetKeyRotationStatus", {"KeyId": material["key"]}),
        ("GetKeyLastUsage", {"KeyId": material["key"]}),
        ("DescribeCustomKeyStores", {}),
        ("ListAliases", {}),
        ("ListGrants", {"KeyId": material["key"]}),
        ("ListRetirableGrants", {"RetiringPrincipal": ROOT_ARN}),
        ("ListKeys", {}),
        ("ListKeyRotations", {"KeyId": material["key"], "IncludeKeyMaterial": "ALL_KEY_MATERIAL"}),
    ]:
        found = wire.kms(operation, request).json
        check(found, MODEL.operation_model(operation).output_shape, operation)


def check(value, shape, path):
    """Holds an answer against its shape: names, and the JSON type of each value."""
    kinds = {"string": str, "boolean": bool, "integer": int, "timestamp": (int, float), "blob": str}
    if shape.type_name == "structure":
        for name, member in value.items():
            assert name in shape.members, f"{path}.{name}"
            check(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "map":
        for name, member in value.items():
            check(member, shape.value, f"{path}.{name}")
    elif shape.type_name == "list":
        for member in value:
            check(member, shape.member, f"{path}[]")
    else:
        assert isinstance(value, kinds[shape.type_name]), path
    enum = getattr(shape, "enum", None)
    assert not enum or value in enum or path.endswith("CustomerMasterKeySpec"), path


def declared():
    """What the audit trail shows of each member, by its path: shown, masked, omitted or secret."""
    lines = (ROOT / "docs/request-parameters.txt").read_text().splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))


def members(shape, path, words):
    """The members of a structure and of the structures in it that are shown, as the model has them."""
    for name, member in shape.members.items() if shape else ():
        inner = f"{path}.{name}"
        yield inner, member
        member = member.member if member.type_name == "list" else member
        if member.type_name == "structure" and words.get(inner) == "shown":
            yield from members(member, inner, words)


def is_sensitive(shape):
    return bool(shape.metadata.get("sensitive"))


# What is no operation of AWS's model: clients of a file system come to it by NFS, and CloudTrail names it so.
INTERNAL = {"elasticfilesystem": {"NewClientConnection", "UpdateClientConnection"}}

# What botocore calls a service that it does not call by the name in policies.
CALLED = {"elasticfilesystem": "efs"}


@pytest.mark.parametrize("service", ["elasticfilesystem", "iam", "kms", "organizations", "rds", "sts"])
def test_every_member_is_declared_for_the_audit_trail_and_no_secret_is_shown(service):
    model = botocore.session.get_session().get_service_model(CALLED.get(service, service))
    words = declared()
    prefix = "" if service == "kms" else f"{service}:"
    listed = (ROOT / "unsupported.txt").read_text().splitlines()
    rows = {path.split(":")[1].split(".")[0] for path in words if path.startswith(f"{service}:")}
    for operation in model.operation_names:
        if f"{prefix}{operation}" in listed and operation not in rows:
            continue
        if service == "sts" and operation not in rows:
            continue
        path = f"{service}:{operation}"
        shape = model.operation_model(operation).input_shape
        found = dict(members(shape, path, words))
        assert set(found) == {name for name in words if name.startswith(f"{path}.")}, operation
        shown = [name for name, member in found.items() if words[name] in ("shown", "omitted")]
        assert not [name for name in shown if is_sensitive(found[name])], operation
    assert rows <= set(model.operation_names) | INTERNAL.get(service, set())


def test_every_member_of_keywards_own_service_is_declared():
    words = {path.split(".")[1] for path in declared() if path.startswith("keyward:")}
    sources = (ROOT / "apis/own/src").glob("*.rs")
    text = "".join(path.read_text() for path in sources)
    read = re.findall(r'\bm\s*\.\w+\(\s*"(\w+)"|\(&mut m, "(\w+)"\)', text)
    assert {one or other for one, other in read} == words


def test_the_region_table_is_botocores():
    partitions = botocore.session.get_session().get_data("partitions")["partitions"]
    theirs = {
        region: partition["id"]
        for partition in partitions
        for region in partition["regions"]
        if re.fullmatch(partition["regionRegex"], region)
    }
    table = (ROOT / "crates/types/src/region.rs").read_text()
    names = (ROOT / "crates/types/src/partition.rs").read_text()
    spelled = dict(re.findall(r'Self::(\w+) => "([\w-]+)"', names))
    ours = re.findall(r'\("([\w-]+)", Partition::(\w+)\)', table)
    assert {region: spelled[partition] for region, partition in ours} == theirs


def test_every_region_of_the_default_partition_is_served(server):
    regions = boto3.session.Session().get_available_regions("kms")
    assert "us-east-1" in regions
    for region in regions:
        assert server.client("kms", region=region).generate_random(NumberOfBytes=1)["Plaintext"]
