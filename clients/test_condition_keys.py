"""Every condition key, supplied by the operations that AWS documents for it: with the value that
the request has, a statement applies; with another it does not."""

import pathlib
import subprocess
import uuid

import pytest
from botocore.exceptions import ClientError

from conftest import DELEGATION, User, policy
from keyward import ACCOUNT, REGION, binary
from oidc import trust

HERE = pathlib.Path(__file__).parent
SOURCE = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-1"
SERVICE = "elasticfilesystem.amazonaws.com"


def encrypt(w):
    return w.kms.encrypt(KeyId=w.key, Plaintext=b"x", EncryptionContext={"dept": "hr"})


def grant(w, **more):
    more = more or {"GranteePrincipal": w.user.arn, "RetiringPrincipal": w.user.arn}
    return w.kms.create_grant(KeyId=w.key, Operations=["Decrypt"], **more)


def service_grant(w):
    return grant(
        w,
        GranteeServicePrincipal=SERVICE,
        RetiringServicePrincipal=SERVICE,
        Constraints={"SourceArn": SOURCE},
    )


def constrained(w):
    return grant(
        w, GranteePrincipal=w.user.arn, Constraints={"EncryptionContextSubset": {"dept": "hr"}}
    )


def tag(w):
    return w.kms.tag_resource(KeyId=w.key, Tags=[{"TagKey": "team", "TagValue": "red"}])


def by_alias(w):
    return w.kms.encrypt(KeyId=w.alias, Plaintext=b"x")


def re_encrypt(w):
    blob = w.root.encrypt(KeyId=w.key, Plaintext=b"x")["CiphertextBlob"]
    return w.kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=w.key)


def put_policy(w):
    return w.kms.put_key_policy(KeyId=w.key, Policy=w.policy, BypassPolicyLockoutSafetyCheck=True)


# Key, call, operator, a value that the request has, one that it has not. A function makes the
# value from the world.
ROWS = [
    ("aws:CurrentTime", encrypt, "DateGreaterThan", "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z"),
    ("aws:EpochTime", encrypt, "NumericGreaterThan", "1577836800", "4733510400"),
    ("aws:PrincipalAccount", encrypt, "StringEquals", ACCOUNT, "999999999999"),
    ("aws:PrincipalArn", encrypt, "ArnEquals", lambda w: w.user.arn, "arn:aws:iam::*:user/nobody"),
    ("aws:PrincipalIsAWSService", encrypt, "Bool", "false", "true"),
    ("aws:PrincipalTag/<key>", encrypt, "StringEquals", "red", "blue"),
    ("aws:PrincipalType", encrypt, "StringEquals", "User", "AssumedRole"),
    ("aws:RequestTag/<key>", tag, "StringEquals", "red", "blue"),
    ("aws:RequestedRegion", encrypt, "StringEquals", REGION, "eu-west-1"),
    ("aws:ResourceAccount", encrypt, "StringEquals", ACCOUNT, "999999999999"),
    ("aws:ResourceTag/<key>", encrypt, "StringEquals", "red", "blue"),
    ("aws:SecureTransport", encrypt, "Bool", "false", "true"),
    ("aws:SourceIp", encrypt, "IpAddress", "127.0.0.0/8", "10.0.0.0/8"),
    ("aws:TagKeys", tag, "ForAllValues:StringEquals", "team", "owner"),
    ("aws:UserAgent", encrypt, "StringLike", "*Botocore*", "*curl*"),
    ("aws:ViaAWSService", encrypt, "Bool", "false", "true"),
    ("aws:referer", encrypt, "StringEquals", "https://example.com/", "https://example.org/"),
    ("aws:userid", encrypt, "StringEquals", lambda w: w.user.id, "AIDAAAAAAAAAAAAAAAAAA"),
    ("aws:username", encrypt, "StringEquals", lambda w: w.user.name, "nobody"),
    ("kms:BypassPolicyLockoutSafetyCheck", put_policy, "Bool", "true", "false"),
    ("kms:CallerAccount", encrypt, "StringEquals", ACCOUNT, "999999999999"),
    ("kms:CustomerMasterKeySpec", encrypt, "StringEquals", "SYMMETRIC_DEFAULT", "RSA_2048"),
    ("kms:CustomerMasterKeyUsage", encrypt, "StringEquals", "ENCRYPT_DECRYPT", "SIGN_VERIFY"),
    ("kms:EncryptionAlgorithm", encrypt, "StringEquals", "SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256"),
    ("kms:EncryptionContext:<key>", encrypt, "StringEquals", "hr", "it"),
    ("kms:EncryptionContextKeys", encrypt, "ForAnyValue:StringEquals", "dept", "tenant"),
    ("kms:GrantConstraintSourceArn", service_grant, "ArnEquals", SOURCE, SOURCE + "2"),
    ("kms:GrantConstraintType", constrained, "StringEquals", "EncryptionContextSubset", "EncryptionContextEquals"),
    ("kms:GrantIsForAWSResource", grant, "Bool", "false", "true"),
    ("kms:GrantOperations", grant, "ForAllValues:StringEquals", "Decrypt", "Encrypt"),
    ("kms:GranteePrincipal", grant, "StringEquals", lambda w: w.user.arn, "arn:aws:iam::999999999999:root"),
    ("kms:GranteeServicePrincipal", service_grant, "StringEquals", SERVICE, "rds.amazonaws.com"),
    ("kms:KeyOrigin", encrypt, "StringEquals", "AWS_KMS", "EXTERNAL"),
    ("kms:KeySpec", encrypt, "StringEquals", "SYMMETRIC_DEFAULT", "RSA_2048"),
    ("kms:KeyUsage", encrypt, "StringEquals", "ENCRYPT_DECRYPT", "SIGN_VERIFY"),
    ("kms:MultiRegion", encrypt, "Bool", "false", "true"),
    ("kms:PolicyName", lambda w: w.kms.get_key_policy(KeyId=w.key), "StringEquals", "default", "AWS_RAM"),
    ("kms:ReEncryptOnSameKey", re_encrypt, "Bool", "true", "false"),
    ("kms:RequestAlias", by_alias, "StringEquals", lambda w: w.alias, "alias/other"),
    ("kms:ResourceAliases", encrypt, "ForAnyValue:StringEquals", lambda w: w.alias, "alias/other"),
    ("kms:RetiringPrincipal", grant, "StringEquals", lambda w: w.user.arn, "arn:aws:iam::999999999999:root"),
    ("kms:RetiringServicePrincipal", service_grant, "StringEquals", SERVICE, "rds.amazonaws.com"),
    (
        "kms:RotationPeriodInDays",
        lambda w: w.kms.enable_key_rotation(KeyId=w.key),
        "NumericEquals",
        "365",
        "90",
    ),
    (
        "kms:ScheduleKeyDeletionPendingWindowInDays",
        lambda w: w.kms.schedule_key_deletion(KeyId=w.key),
        "NumericEquals",
        "30",
        "7",
    ),
    ("kms:TrailingDaysWithoutKeyUsage", lambda w: w.kms.disable_key(KeyId=w.key), "NumericEquals", "0", "5"),
]

# Keys that need more of a world than a user and a key: the file whose tests hold them.
ELSEWHERE = {
    "organizations:PolicyType": "test_organizations.py",
    "organizations:ServicePrincipal": "test_organizations.py",
    "aws:CalledVia": "test_via_service.py",
    "elasticfilesystem:AccessPointArn": "test_efs_mounts.py",
    "elasticfilesystem:AccessedViaMountTarget": "test_efs_mounts.py",
    "elasticfilesystem:CreateAction": "test_efs.py",
    "elasticfilesystem:Encrypted": "test_efs.py",
    "rds:BackupTarget": "test_rds.py",
    "rds:DatabaseClass": "test_rds.py",
    "rds:DatabaseEngine": "test_rds.py",
    "rds:DatabaseName": "test_rds.py",
    "rds:ManageMasterUserPassword": "test_rds.py",
    "rds:MultiAz": "test_rds.py",
    "rds:Piops": "test_rds.py",
    "rds:StorageEncrypted": "test_rds.py",
    "rds:StorageSize": "test_rds.py",
    "rds:Vpc": "test_rds.py",
    "rds:db-tag/<key>": "test_rds.py",
    "rds:req-tag/<key>": "test_rds.py",
    "rds:snapshot-tag/<key>": "test_rds_snapshots.py",
    "rds:subgrp-tag/<key>": "test_rds.py",
    "aws:CalledViaFirst": "test_via_service.py",
    "aws:CalledViaLast": "test_via_service.py",
    "aws:PrincipalOrgID": "test_organization_policies.py",
    "aws:PrincipalOrgPaths": "test_organization_policies.py",
    "aws:PrincipalServiceName": "test_via_service.py",
    "aws:PrincipalServiceNamesList": "test_via_service.py",
    "aws:ResourceOrgID": "test_organization_policies.py",
    "aws:ResourceOrgPaths": "test_organization_policies.py",
    "aws:SourceAccount": "test_via_service.py",
    "aws:SourceArn": "test_via_service.py",
    "aws:SourceOrgID": "test_organization_policies.py",
    "aws:SourceOrgPaths": "test_organization_policies.py",
    "<provider>:aud": "test_web_identity.py",
    "<provider>:sub": "test_web_identity.py",
    "iam:AWSServiceName": "test_iam_roles.py",
    "iam:PassedToService": "test_iam_instance_profiles.py",
    "iam:PermissionsBoundary": "test_iam_users.py",
    "iam:PolicyARN": "test_iam_policies.py",
    "iam:ResourceTag/<key>": "test_iam_tags.py",
    "kms:ViaService": "test_via_service.py",
}

# Keys of AssumeRole, in the trust policy: a value that the request has, one that it has not.
TRUST_ROWS = [
    ("sts:ExternalId", "StringEquals", "customer-1", "customer-2"),
    ("sts:RoleSessionName", "StringEquals", "night", "day"),
    ("sts:SourceIdentity", "StringEquals", "ada", "bob"),
    ("sts:TransitiveTagKeys", "ForAllValues:StringEquals", "team", "owner"),
]

# Keys of temporary credentials, in the key policy.
SESSION_ROWS = [
    ("aws:FederatedProvider", "StringEquals", lambda server: server.issuer.provider_arn, "arn:aws:iam::*:oidc-provider/x"),
    ("aws:MultiFactorAuthPresent", "Bool", "false", "true"),
    ("aws:SourceIdentity", "StringEquals", "ada", "bob"),
    ("aws:TokenIssueTime", "DateGreaterThan", "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z"),
]

CHOSEN = {"aws:PrincipalTag/<key>": "team", "aws:RequestTag/<key>": "team", "aws:ResourceTag/<key>": "team"}


class World:
    """A user with a tag and nothing that allows it anything, and a tagged key with an alias."""

    def __init__(self, server, row):
        self.root = server.client("kms")
        iam = server.client("iam")
        self.user = User(server, iam)
        iam.tag_user(UserName=self.user.name, Tags=[{"Key": "team", "Value": "red"}])
        self.kms = self.user.kms
        self.kms.meta.events.register("before-sign.kms.*", refer)
        self.alias = f"alias/{self.user.name}"
        name, self.call, self.operator, *self.values = row
        self.name = name.replace("<key>", CHOSEN.get(name, "dept"))
        made = self.root.create_key(Tags=[{"TagKey": "team", "TagValue": "red"}])
        self.key = made["KeyMetadata"]["KeyId"]
        self.root.create_alias(AliasName=self.alias, TargetKeyId=self.key)

    def allow_if(self, value):
        value = value(self) if callable(value) else value
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": self.user.arn},
            "Action": "kms:*",
            "Resource": "*",
            "Condition": {self.operator: {self.name: value}},
        }
        root = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        self.policy = policy(root, statement)
        self.root.put_key_policy(KeyId=self.key, Policy=self.policy)


def refer(request, **_):
    request.headers["Referer"] = "https://example.com/"


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_statement_applies_by_the_value_that_the_request_has(server, row):
    world = World(server, row)
    has, has_not = world.values
    world.allow_if(has_not)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        world.call(world)
    world.allow_if(has)
    world.call(world)


def assume(server, role, issuer=None):
    """Credentials of a session of the role, by a user who may or by a web identity."""
    if issuer:
        answer = server.client("sts").assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="night", WebIdentityToken=issuer.token()
        )
    else:
        user = User(server, server.client("iam"))
        user.allow("sts:*")
        answer = server.client("sts", credentials=user.credentials).assume_role(
            RoleArn=role, RoleSessionName="night", ExternalId="customer-1", SourceIdentity="ada",
            Tags=[{"Key": "team", "Value": "red"}], TransitiveTagKeys=["team"],
        )
    given = answer["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


def role_trusting(server, *statements):
    name = f"r-{uuid.uuid4().hex[:12]}"
    made = server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(*statements))
    return name, made["Role"]["Arn"]


ACCOUNT_MAY = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
}


@pytest.mark.parametrize("row", TRUST_ROWS, ids=[row[0] for row in TRUST_ROWS])
def test_a_trust_policy_applies_by_the_value_that_assume_role_has(server, row):
    name, operator, has, has_not = row
    role, arn = role_trusting(server, {**ACCOUNT_MAY, "Condition": {operator: {name: has_not}}})
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(server, arn)
    server.client("iam").update_assume_role_policy(
        RoleName=role, PolicyDocument=policy({**ACCOUNT_MAY, "Condition": {operator: {name: has}}})
    )
    assume(server, arn)


@pytest.mark.parametrize("row", SESSION_ROWS, ids=[row[0] for row in SESSION_ROWS])
def test_a_key_policy_applies_by_what_the_session_has(server, row):
    name, operator, has, has_not = row
    has = has(server) if callable(has) else has
    issuer = server.issuer if name == "aws:FederatedProvider" else None
    if issuer:
        iam = server.client("iam")
        try:
            iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[issuer.audience])
        except iam.exceptions.EntityAlreadyExistsException:
            pass
    _, arn = role_trusting(server, trust(issuer) if issuer else ACCOUNT_MAY)
    kms = server.client("kms", credentials=assume(server, arn, issuer))
    root = server.client("kms")
    key = root.create_key()["KeyMetadata"]["KeyId"]
    for value, allowed in [(has_not, False), (has, True)]:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": arn},
            "Action": "kms:Encrypt",
            "Resource": "*",
            "Condition": {operator: {name: value}},
        }
        root.put_key_policy(KeyId=key, Policy=policy(DELEGATION, statement))
        if allowed:
            kms.encrypt(KeyId=key, Plaintext=b"x")
        else:
            with pytest.raises(ClientError, match="AccessDeniedException"):
                kms.encrypt(KeyId=key, Plaintext=b"x")


def test_every_declared_key_is_held_by_a_test():
    listed = subprocess.run([binary(), "policy", "keys"], capture_output=True, text=True, check=True).stdout
    declared = {line.split()[0] for line in listed.splitlines()}
    rows = [*ROWS, *TRUST_ROWS, *SESSION_ROWS]
    assert declared == {row[0] for row in rows} | ELSEWHERE.keys()


@pytest.mark.parametrize("key,file", ELSEWHERE.items())
def test_the_test_of_a_key_names_it(key, file):
    plain = key.replace("<key>", "").replace("<provider>", "")
    assert plain in (HERE / file).read_text()
