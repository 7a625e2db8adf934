"""What a caller who may do nothing can write to the audit trail: a bounded event for each request,
whatever it sends; and how often a principal may ask at all."""

import base64
import hashlib
import json
import urllib.parse

import pytest

from conftest import User, configured_server
from errors import refused
from iam_kit import iam_arn
from keyward import ACCOUNT, Server, eventually, key_arn
from oidc import trust
from wire import FORM, JSON, Wire

# Bytes of trail that one request may cost, the line that closes its batch included.
MOST = 5 * 1024

KEY = key_arn("1234abcd-12ab-34cd-56ef-1234567890ab")
LONG_NAME = "alias/" + "a" * 250
CONTEXT = {f"\\\"key {number:03}": '"' * 60 for number in range(60)}
TAGS = [{"TagKey": f"{number:02}" + "k" * 120, "TagValue": "v" * 256} for number in range(50)]
IAM_TAGS = [{"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in TAGS]
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [], "Id": "x" * 120_000})
BLOB = base64.b64encode(b"\1" * 6000).decode()
TOKENS = ["t" * 8192] * 10
HEADERS = {"user-agent": '"\\\t' * 2000}


def flat(value, name=""):
    """A value as the parameters of the Query protocol."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from flat(inner, f"{name}.member.{number}")
    else:
        yield name, str(value)


def json_body(target, service, members):
    def send(wire):
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        headers = {"content-type": JSON, "x-amz-target": target, **HEADERS}
        return wire.send(wire.signed(headers, body, service=service), body)

    return send


def kms(operation, members):
    return json_body(f"TrentService.{operation}", "kms", members)


def query(service, version, action, members):
    def send(wire):
        parameters = {"Action": action, "Version": version, **dict(flat(members))}
        body = urllib.parse.urlencode(parameters).encode()
        headers = {"content-type": FORM, **HEADERS}
        return wire.send(wire.signed(headers, body, service=service), body)

    return send


def iam(action, **members):
    return query("iam", "2010-05-08", action, members)


def sts(action, **members):
    return query("sts", "2011-06-15", action, members)


def organizations(operation, **members):
    return json_body(f"AWSOrganizationsV20161128.{operation}", "organizations", members)


def own(operation, **members):
    return json_body(f"Keyward_20261101.{operation}", "keyward", members)


ROLE = iam_arn("role", "r" * 64)
NASTY = {
    "kms-encrypt": kms("Encrypt", {"KeyId": LONG_NAME, "Plaintext": BLOB[:4000], "EncryptionContext": CONTEXT}),
    "kms-encrypt-own-key": lambda wire: kms(
        "Encrypt",
        {"KeyId": wire.known_key, "Plaintext": "eA==", "EncryptionContext": CONTEXT, "GrantTokens": []},
    )(wire),
    "kms-decrypt": lambda wire: kms(
        "Decrypt", {"CiphertextBlob": wire.known_blob, "EncryptionContext": CONTEXT, "GrantTokens": TOKENS}
    )(wire),
    "kms-re-encrypt": lambda wire: kms(
        "ReEncrypt",
        {
            "CiphertextBlob": wire.known_blob,
            "SourceEncryptionContext": CONTEXT,
            "DestinationEncryptionContext": CONTEXT,
            "DestinationKeyId": wire.known_key,
        },
    )(wire),
    "kms-create-key": kms("CreateKey", {"Policy": POLICY, "Tags": TAGS, "Description": '"' * 8192}),
    "kms-put-key-policy": lambda wire: kms("PutKeyPolicy", {"KeyId": wire.known_key, "Policy": POLICY})(wire),
    "kms-tag-resource": lambda wire: kms("TagResource", {"KeyId": wire.known_key, "Tags": TAGS})(wire),
    "kms-untag-resource": lambda wire: kms(
        "UntagResource", {"KeyId": wire.known_key, "TagKeys": [tag["TagKey"] for tag in TAGS]}
    )(wire),
    "kms-create-grant": lambda wire: kms(
        "CreateGrant",
        {
            "KeyId": wire.known_key,
            "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:user/" + "u" * 64,
            "Operations": ["Encrypt", "Decrypt"] * 20,
            "Constraints": {"EncryptionContextSubset": {f"{n}" * 300: "v" * 384 for n in range(8)}},
            "Name": "n" * 256,
        },
    )(wire),
    "kms-list-aliases": kms("ListAliases", {"Marker": "m" * 1024}),
    "kms-no-key": kms("Encrypt", {"KeyId": "\x01" * 2048, "Plaintext": "eA=="}),
    "kms-no-enumeration": kms("CreateKey", {"KeySpec": '"' * 200_000, "KeyUsage": "\x02" * 50_000}),
    "kms-no-json": kms("Encrypt", b"{" * 60_000),
    "kms-no-operation": kms("X" * 7000, b"{}"),
    "iam-create-policy": iam("CreatePolicy", PolicyName="p" * 128, PolicyDocument=POLICY, Tags=IAM_TAGS),
    "iam-create-role": iam(
        "CreateRole", RoleName="r" * 64, Path="/" + "p" * 500 + "/", AssumeRolePolicyDocument=POLICY, Tags=IAM_TAGS
    ),
    "iam-create-user": iam("CreateUser", UserName="u" * 64, Path="/" + "p" * 500 + "/", Tags=IAM_TAGS),
    "iam-put-user-policy": iam("PutUserPolicy", UserName="u", PolicyName="p" * 128, PolicyDocument=POLICY),
    "iam-simulate": iam(
        "SimulateCustomPolicy",
        PolicyInputList=[POLICY[:30_000]] * 4,
        ActionNames=["kms:" + "A" * 100] * 200,
        ResourceArns=["arn:aws:s3:::" + "b" * 1000] * 100,
        ContextEntries=[
            {"ContextKeyName": "k" * 200, "ContextKeyType": "string", "ContextKeyValues": ["v" * 2000] * 5}
        ] * 10,
    ),
    "iam-provider": iam(
        "CreateOpenIDConnectProvider", Url="https://" + "h" * 240, ClientIDList=["c" * 255] * 100,
        ThumbprintList=["f" * 40] * 5, Tags=IAM_TAGS,
    ),
    "iam-arn": iam("GetPolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/" + "p" * 1900),
    "iam-no-operation": iam("N" * 200_000),
    "sts-assume-role": sts(
        "AssumeRole", RoleArn=ROLE, RoleSessionName="s" * 64, Policy=POLICY, ExternalId="e" * 1224, Tags=IAM_TAGS,
        TransitiveTagKeys=[tag["Key"] for tag in IAM_TAGS], SourceIdentity="i" * 64, TokenCode="123456",
    ),
    "sts-federation": sts("GetFederationToken", Name="n" * 32, Policy=POLICY[:2000], Tags=IAM_TAGS),
    "sts-session": sts("GetSessionToken", SerialNumber="s" * 256, TokenCode="123456"),
    "sts-who": sts("GetCallerIdentity", Unknown="u" * 100_000),
    "organizations-policy": organizations(
        "CreatePolicy", Name="n" * 128, Description='"' * 512, Type="SERVICE_CONTROL_POLICY", Content=POLICY,
        Tags=IAM_TAGS,
    ),
    "organizations-account": organizations(
        "CreateAccount", Email="e" * 50 + "@example.com", AccountName="n" * 50, RoleName="r" * 64, Tags=IAM_TAGS
    ),
    "keyward-explain": lambda wire: own(
        "ExplainDecision", Principal=f"arn:aws:iam::{ACCOUNT}:user/" + "u" * 1900, Action="kms:Decrypt",
        KeyId=wire.known_key, Context=[{"Name": f"k{n}" * 100, "Values": ["v" * 500] * 5} for n in range(20)],
    )(wire),
    "keyward-forward": own(
        "CreateForwardAccessSession", Method="GET", Path="/" + '"' * 8000, KeyId=LONG_NAME,
        Headers=[{"Name": "n", "Value": "v" * 20_000}], Body=base64.b64encode(b"b" * 40_000).decode(),
    ),
}


def size(server):
    return sum(path.stat().st_size for path in (server.data_dir / "audit").glob("trail-*"))


def lines(server):
    for path in sorted((server.data_dir / "audit").glob("trail-*")):
        for line in path.read_text().splitlines():
            if '"eventVersion"' in line:
                yield line


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A user of long names whom everything is denied, on a server that nobody else asks."""
    server = Server(tmp_path_factory.mktemp("size") / "data")
    iam, kms = server.client("iam"), server.client("kms")
    name = "u" * 64
    iam.create_user(UserName=name, Path="/" + "p" * 510 + "/")
    for number in range(10):
        iam.create_group(GroupName=f"g{number}")
        iam.add_user_to_group(GroupName=f"g{number}", UserName=name)
    statement = {"Sid": "s" * 1000, "Effect": "Deny", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="n" * 128, PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    wire = Wire(server, (made["AccessKeyId"], made["SecretAccessKey"]))
    wire.known_key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=wire.known_key, Plaintext=b"x")["CiphertextBlob"]
    wire.known_blob = base64.b64encode(blob).decode()
    # The events of changes have been copied.
    for name in ("CreateKey", "Encrypt"):
        eventually(lambda: any(f'"{name}"' in line for line in lines(server)))
    yield wire
    server.kill()


@pytest.mark.parametrize("name", NASTY)
def test_a_denied_request_costs_little_trail(stranger, name):
    server = stranger.server
    before, events = size(server), len(list(lines(server)))
    answer = NASTY[name](stranger)
    if answer.status == 413:
        return
    assert answer.status >= 400 or name == "sts-who"
    found = eventually(lambda: list(lines(server))[events:])
    assert len(found) == 1
    assert len(found[0]) + 1 <= size(server) - before <= MOST
    json.loads(found[0])


def test_what_is_left_out_stands_there_with_its_length_and_hash(stranger):
    events = len(list(lines(stranger.server)))
    NASTY["kms-put-key-policy"](stranger)
    line = eventually(lambda: list(lines(stranger.server))[events:])[0]
    event = json.loads(line)
    assert event["requestParameters"] == {
        "keyId": stranger.known_key,
        "policy": {
            "omitted": True,
            "originalSize": len(POLICY),
            "sha256": hashlib.sha256(POLICY.encode()).hexdigest(),
        },
    }
    assert event["keyward"]["shortened"] is True
    assert event["errorCode"] == "AccessDenied"
    explained = own("ExplainRecordedDecision", RequestId=event["requestID"])(Wire(stranger.server))
    assert explained.error == (
        "ValidationException",
        f"The event of request {event['requestID']} was too long to be recorded in full: it has the decision, "
        "but not what the decision was based on.",
    )


def test_what_was_allowed_is_recorded_in_full(own_server):
    kms = own_server.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    context = {f"key {number}": "v" * 100 for number in range(60)}
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)

    def found():
        events = [json.loads(line) for line in lines(own_server)]
        return [event for event in events if event["eventName"] == "Encrypt"]

    (event,) = eventually(found)
    assert event["requestParameters"]["encryptionContext"] == context
    assert "shortened" not in event["keyward"]


def test_a_web_identity_that_no_trust_policy_lets_in_is_not_on_the_trail(tmp_path):
    server = configured_server(tmp_path, tmp_path / "data")
    try:
        iam, sts = server.client("iam"), server.client("sts")
        iam.create_open_id_connect_provider(Url=server.issuer.url, ClientIDList=[server.issuer.audience])
        condition = {"StringEquals": {f"{server.issuer.host_and_path}:sub": "repo:main"}}
        document = {"Version": "2012-10-17", "Statement": [trust(server.issuer, Condition=condition)]}
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(document))

        def assume(**claims):
            return sts.assume_role_with_web_identity(
                RoleArn=iam_arn("role", "r"), RoleSessionName="s1", WebIdentityToken=server.issuer.token(**claims)
            )

        for number in range(30):
            with refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403):
                assume(sub=f"stranger-{number}")
        assume()
        events = [json.loads(line) for line in lines(server)]
        named = [event for event in events if event["eventName"] == "AssumeRoleWithWebIdentity"]
        assert [event.get("errorCode") for event in named] == [None]
        log = (server.data_dir / "audit" / "refused.jsonl").read_text().splitlines()
        samples = [json.loads(line) for line in log]
        # At most ten a second; the first one is always there.
        assert 0 < len(samples) <= 30
        assert samples[0]["errorCode"] == "AccessDenied"
        assert samples[0]["operation"] == "AssumeRoleWithWebIdentity"
        assert samples[0]["identityProvider"] == server.issuer.provider_arn
        assert samples[0]["subject"] == "stranger-0"
    finally:
        server.kill()


SLOW_DOWN = {
    "kms": (
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    ),
    "iam": ("Throttling", "Rate exceeded"),
    "sts": ("Throttling", "Rate exceeded"),
    "organizations": (
        "TooManyRequestsException",
        "You have sent too many requests in too short a period of time. The quota helps protect against "
        "denial-of-service attacks. Try again later.",
    ),
}
CALLS = {
    "kms": lambda client: client.list_keys(),
    "iam": lambda client: client.list_users(),
    "sts": lambda client: client.get_caller_identity(),
    "organizations": lambda client: client.describe_organization(),
}


def test_a_principal_over_its_rate_is_told_so_and_recorded_no_more(tmp_path):
    config = tmp_path / "keyward.toml"
    # A hundred tokens, and one more in a quarter of an hour: what is over the burst stays over it.
    config.write_text("[quotas]\nrequests_per_second = 0.001\nrequest_burst = 100\n")
    server = Server(tmp_path / "data", "--config", config)
    try:
        iam = server.client("iam")
        users = [User(server, iam) for _ in range(2)]
        wires = [Wire(server, user.credentials) for user in users]
        answers = [wires[0].kms("ListKeys") for _ in range(120)]
        codes = [answer.error[0] for answer in answers]
        assert codes == ["AccessDeniedException"] * 100 + ["ThrottlingException"] * 20
        assert (answers[-1].status, answers[-1].error) == (400, SLOW_DOWN["kms"])
        events = [json.loads(line) for line in lines(server)]
        mine = [event for event in events if event["userIdentity"].get("userName") == users[0].name]
        assert len(mine) == 100
        for service, call in CALLS.items():
            client = server.client(service, credentials=users[0].credentials)
            with refused(*SLOW_DOWN[service]):
                call(client)
        # Others are not held up.
        assert wires[1].kms("ListKeys").error[0] == "AccessDeniedException"
    finally:
        server.kill()
