"""`keyward policy explain` and `who-can` ask the running server: decisions of today and recorded
ones, with their reasons, and everybody whom the policies let."""

import json
import random
import subprocess
import uuid

import pytest
from botocore.exceptions import ClientError

from conftest import DELEGATION, ROOT_ARN, User, policy
from keyward import ACCOUNT, binary, clean_environment, key_arn, user_arn


@pytest.fixture
def keyward(server):
    """The command line as the account's root user: answers exit status and output."""

    def run(*arguments, credentials=None):
        environment = clean_environment()
        if credentials:
            environment |= {
                "AWS_ENDPOINT_URL": server.url,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": credentials[0],
                "AWS_SECRET_ACCESS_KEY": credentials[1],
            }
            place = ()
        else:
            place = ("--data-dir", server.data_dir, "--endpoint-url", server.url)
        done = subprocess.run(
            [binary(), "policy", *arguments[:1], *place, *arguments[1:]], capture_output=True, text=True, env=environment
        )
        return done.returncode, done.stdout if done.returncode in (0, 3) else done.stderr

    return run


def test_a_denial_is_explained_with_the_least_that_would_allow_it(keyward, user, key):
    status, told = keyward("explain", "--principal", user.arn, "--action", "kms:Decrypt", "--key", key)
    assert status == 3
    assert told.startswith(f"DENIED: kms:Decrypt on {key_arn(key)}\n  for {user.arn}\n")
    assert "keyPolicy: the key policy of " + key in told
    assert "What would allow it:" in told


def test_the_suggestion_really_allows_the_call(keyward, server, user, key):
    _, told = keyward("explain", "--principal", user.arn, "--action", "kms:Encrypt", "--key", key, "--output", "json")
    explained = json.loads(told)
    assert explained["decision"] == "ImplicitDeny"
    with pytest.raises(ClientError, match="AccessDenied"):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")
    user.allow("kms:Encrypt", resource=key_arn(key))
    status, told = keyward("explain", "--principal", user.arn, "--action", "kms:Encrypt", "--key", key)
    assert (status, told.splitlines()[0]) == (0, f"ALLOWED: kms:Encrypt on {key_arn(key)}")
    assert f'inline policy "p" of the user "{user.name}"' in told
    user.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_the_context_counts_and_what_is_missing_is_said(keyward, user, kms):
    statement = {
        "Sid": "OnlyHr",
        "Effect": "Allow",
        "Principal": {"AWS": user.arn},
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:EncryptionContext:dept": "hr"},
            "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
        },
    }
    key = kms.create_key(Policy=policy(DELEGATION, statement))["KeyMetadata"]["KeyId"]
    ask = ("explain", "--principal", user.arn, "--action", "kms:Decrypt", "--key", key)
    status, told = keyward(*ask)
    assert status == 3
    assert "Not known here" in told and "aws:SourceIp" in told
    status, _ = keyward(*ask, "--context", "kms:EncryptionContext:dept=hr", "--context", "aws:SourceIp=10.1.2.3")
    assert status == 0
    status, _ = keyward(*ask, "--context", "kms:EncryptionContext:dept=hr", "aws:SourceIp=192.0.2.1")
    assert status == 3


def test_a_recorded_denial_is_explained_by_todays_policies(keyward, user, key):
    with pytest.raises(ClientError) as caught:
        user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"dept": "hr"})
    request = caught.value.response["ResponseMetadata"]["RequestId"]
    status, told = keyward("explain", "--request-id", request)
    assert status == 3
    assert f"DENIED: kms:Encrypt on {key_arn(key)}" in told
    assert "the decision then was ImplicitDeny: no identity-based policy allows" in told
    assert "Since then" not in told
    # What has changed since is said, and today's policies decide.
    user.allow("kms:Encrypt", Condition={"StringEquals": {"kms:EncryptionContext:dept": "hr"}})
    status, told = keyward("explain", "--request-id", request)
    assert status == 0
    assert "Since then the user and its inline policies has been written." in told


def test_a_case_of_a_live_decision_is_decided_alike_without_a_server(keyward, user, key, tmp_path):
    status, case = keyward("explain", "--principal", user.arn, "--action", "kms:Decrypt", "--key", key, "--output", "case")
    assert status == 3
    line = json.loads(case) | {"expect": "ImplicitDeny"}
    (tmp_path / "case.jsonl").write_text(json.dumps(line) + "\n")
    done = subprocess.run([binary(), "policy", "test", tmp_path / "case.jsonl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_who_asks_is_authorized_and_recorded(server, keyward, user, key):
    ask = ("explain", "--principal", user.arn, "--action", "kms:Decrypt", "--key", key)
    status, told = keyward(*ask, credentials=user.credentials)
    assert status == 1
    assert (
        f"AccessDeniedException: User: {user.arn} is not authorized to perform: keyward:ExplainDecision on resource: * "
        "because no identity-based policy allows the keyward:ExplainDecision action" in told
    )
    user.allow("keyward:ExplainDecision")
    status, _ = keyward(*ask, credentials=user.credentials)
    assert status == 3
    events = [
        json.loads(line)
        for file in sorted((server.data_dir / "audit").glob("trail-*.jsonl"))
        for line in open(file)
    ]
    event = [event for event in events if event.get("eventName") == "ExplainDecision"][-1]
    assert (event["userIdentity"]["arn"], event["requestParameters"]["principal"]) == (user.arn, user.arn)


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["--principal", "arn:aws:iam::999999999999:user/x"], "principals of other accounts can be asked about only there"),
        (["--principal", user_arn("nobody-there")], "is not a user, role, session or federated user of"),
    ],
)
def test_what_cannot_be_asked_is_said_with_what_to_do(keyward, key, arguments, said):
    status, told = keyward("explain", *arguments, "--action", "kms:Decrypt", "--key", key)
    assert status == 1 and said in told


def test_an_unknown_request_is_said_to_be_so(keyward):
    unknown = str(uuid.uuid4())
    status, told = keyward("explain", "--request-id", unknown)
    assert status == 1 and f"The audit trail of your account has no request {unknown}." in told
    status, told = keyward("explain", "--request-id", unknown[:4])
    text = (
        f"error: invalid value '{unknown[:4]}' for '--request-id <ID>': "
        "give the whole request id, such as 01234567-89ab-cdef-0123-456789abcdef"
    )
    assert status == 2 and text in told


def test_the_last_denied_request_is_explained(keyward, user, other_user, key):
    for caller, action in ((other_user, "kms:Encrypt"), (user, "kms:DescribeKey")):
        with pytest.raises(ClientError, match="AccessDenied"):
            if action == "kms:Encrypt":
                caller.kms.encrypt(KeyId=key, Plaintext=b"x")
            else:
                caller.kms.describe_key(KeyId=key)
    status, told = keyward("explain", "--last-denied", "--principal", user.arn)
    assert status == 3
    assert told.startswith(f"DENIED: kms:DescribeKey on {key_arn(key)}\n  for {user.arn}\n")
    assert "the decision then was ImplicitDeny" in told
    status, told = keyward("explain", "--last-denied", "--principal", other_user.arn)
    assert status == 3
    assert told.startswith(f"DENIED: kms:Encrypt on {key_arn(key)}\n  for {other_user.arn}\n")
    status, told = keyward("explain", "--last-denied")
    assert status == 3 and told.startswith("DENIED")
    status, told = keyward("explain", "--last-denied", "--principal", user_arn("nobody-there"))
    assert status == 1
    assert f"has no request by {user_arn('nobody-there')} that policies denied." in told


def test_another_context_is_proposed_for_a_deny_too(keyward, user, kms):
    allow = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "kms:Decrypt", "Resource": "*"}
    deny = {**allow, "Effect": "Deny", "Condition": {"StringNotEquals": {"kms:EncryptionContext:dept": "hr"}}}
    key = kms.create_key(Policy=policy(DELEGATION, allow, deny))["KeyMetadata"]["KeyId"]
    ask = ("explain", "--principal", user.arn, "--action", "kms:Decrypt", "--key", key)
    status, told = keyward(*ask, "--context", "kms:EncryptionContext:dept=it")
    assert status == 3
    proposal = "call with dept=hr instead of dept=it in the encryption context"
    assert f"What would allow it:\n  - {proposal}\n" in told
    status, told = keyward(*ask, "--context", "kms:EncryptionContext:dept=hr")
    assert status == 0
    assert 'the request has "hr"\n' in told and "differ only in case" not in told


@pytest.mark.parametrize("command", ["explain", "who-can"])
@pytest.mark.parametrize(
    "action,said",
    [
        ("kms:Decrpyt", "There is no action kms:Decrpyt. Did you mean kms:Decrypt?"),
        ("kms:ReEncrypt", "There is no action kms:ReEncrypt. Did you mean kms:ReEncryptTo or kms:ReEncryptFrom?"),
        ("kms:Frobnicate", "There is no action kms:Frobnicate."),
        ("s3:GetObject", "s3:GetObject is not an action on KMS keys: their names begin with kms:."),
    ],
)
def test_an_unknown_action_is_refused_and_the_one_meant_is_named(keyward, user, key, command, action, said):
    if command == "explain":
        status, told = keyward("explain", "--principal", user.arn, "--action", action, "--key", key)
    else:
        status, told = keyward("who-can", action, key)
    assert status == 1 and told.rstrip().endswith(said), told


def test_who_can_lists_everybody_with_the_statement_that_lets_them(keyward, server, iam, kms, user, other_user):
    statement = {
        "Sid": "Named",
        "Effect": "Allow",
        "Principal": {"AWS": user.arn},
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:EncryptionContext:dept": "hr"}},
    }
    key = kms.create_key(Policy=policy(DELEGATION, statement))["KeyMetadata"]["KeyId"]
    other_user.allow("kms:Decrypt", resource=key_arn(key))
    _, told = keyward("who-can", "kms:Decrypt", key, "--output", "json", "--context", "kms:EncryptionContext:dept=hr")
    found = {entry["Principal"]: entry for entry in json.loads(told)["Principals"]}
    assert {ROOT_ARN, user.arn, other_user.arn} <= found.keys()
    assert found[user.arn]["Sid"] == "Named"
    assert found[user.arn]["Conditions"] == ["kms:EncryptionContext:dept = hr"]
    assert found[user.arn]["Through"] == f"the key policy of {key}, Statement[1]"
    assert f'inline policy "p" of the user "{other_user.name}"' in found[other_user.arn]["Through"]
    _, told = keyward("who-can", "kms:Decrypt", key)
    allowed, conditional = told.split("1 principal may call it under conditions:\n")
    assert user.arn not in allowed
    assert conditional.startswith(
        f"  {user.arn}\n      through the key policy of {key}, Statement[1] (Named)\n"
        "      if kms:EncryptionContext:dept = hr\n"
    )
    # A value that is given is settled.
    _, told = keyward("who-can", "kms:Decrypt", key, "--context", "kms:EncryptionContext:dept=it")
    assert user.arn not in told


def test_who_can_never_says_nobody_of_whom_somebody_may_under_conditions(keyward, kms, user):
    admin = {"Effect": "Allow", "Principal": {"AWS": ROOT_ARN}, "Action": "kms:PutKeyPolicy", "Resource": "*"}
    allow = {"Sid": "Users", "Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "kms:Decrypt", "Resource": "*"}
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"kms:EncryptionContext:dept": ["hr", "it"]}},
    }
    key = kms.create_key(Policy=policy(admin, allow, deny))["KeyMetadata"]["KeyId"]
    _, told = keyward("who-can", "kms:Decrypt", key)
    assert told.startswith(
        "Nobody may call kms:Decrypt without conditions.\n"
        "1 principal may call it under conditions:\n"
        f"  {user.arn}\n"
        f"      through the key policy of {key}, Statement[1] (Users)\n"
        "      if kms:EncryptionContext:dept = hr or it\n"
    )
    _, told = keyward("who-can", "kms:Decrypt", key, "--output", "json")
    (way,) = json.loads(told)["Conditional"]
    assert (way["Principal"], way["Sid"]) == (user.arn, "Users")
    # It is so: with that context the call is allowed.
    kms.put_key_policy(
        KeyId=key,
        Policy=policy(admin, {**allow, "Action": ["kms:Encrypt", "kms:Decrypt"]}, deny),
        BypassPolicyLockoutSafetyCheck=True,
    )
    sealed = user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"dept": "it"})["CiphertextBlob"]
    assert user.kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"dept": "it"})["Plaintext"] == b"x"
    # The deny lets nobody in.
    assert "everybody" not in told
    _, told = keyward("who-can", "kms:GenerateMac", key)
    assert told.startswith("Nobody in the account may call kms:GenerateMac.\n")


# Random worlds: what who-can prints is exactly whom the pipeline allows.

ACTIONS = {
    "kms:Encrypt": lambda kms, key: kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"dept": "hr"}),
    "kms:DescribeKey": lambda kms, key: kms.describe_key(KeyId=key),
    "kms:GetKeyPolicy": lambda kms, key: kms.get_key_policy(KeyId=key),
}
CONTEXT = {"kms:Encrypt": ["--context", "kms:EncryptionContext:dept=hr"]}


def random_statement(chance, principals=None, resource="*"):
    actions = chance.choice([["kms:*"], ["kms:Encrypt"], ["kms:De*", "kms:Get*"], ["kms:Encrypt", "kms:DescribeKey"]])
    made = {"Effect": "Deny" if chance.random() < 0.2 else "Allow", "Action": actions, "Resource": resource}
    if principals:
        made["Principal"] = {"AWS": chance.sample(principals, k=chance.randint(1, min(2, len(principals))))}
    if chance.random() < 0.3:
        made["Condition"] = chance.choice(
            [
                {"StringEquals": {"kms:EncryptionContext:dept": chance.choice(["hr", "it"])}},
                {"StringLike": {"aws:PrincipalArn": chance.choice(["*a", "*b", "*"])}},
                {"StringNotEquals": {"aws:PrincipalTag/team": "red"}},
                {"Null": {"kms:EncryptionContext:dept": "true"}},
            ]
        )
    return made


@pytest.mark.parametrize("seed", range(6))
def test_who_can_agrees_with_the_pipeline(own_world, keyward_of, seed):
    server, users = own_world
    chance = random.Random(seed)
    iam, kms = server.client("iam"), server.client("kms")
    arns = [user.arn for user in users]
    statements = [random_statement(chance, [*arns, ROOT_ARN]) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.7:
        statements.append(DELEGATION)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    for user in users:
        iam.put_user_policy(
            UserName=user.name,
            PolicyName="p",
            PolicyDocument=policy(*[random_statement(chance) for _ in range(chance.randint(1, 2))]),
        )
        if chance.random() < 0.3:
            kms.create_grant(KeyId=key, GranteePrincipal=user.arn, Operations=["Encrypt"])
    kms.put_key_policy(KeyId=key, Policy=policy(*statements), BypassPolicyLockoutSafetyCheck=True)
    callers = {user.arn: user.kms for user in users} | {ROOT_ARN: kms}
    for action, call in ACTIONS.items():
        allowed = set()
        for arn, client in callers.items():
            try:
                call(client, key)
                allowed.add(arn)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "AccessDeniedException", error
        _, told = keyward_of(server)("who-can", action, key, "--output", "json", *CONTEXT.get(action, []))
        found = {entry["Principal"] for entry in json.loads(told)["Principals"]}
        assert found == allowed, (seed, action, statements)


@pytest.fixture(scope="module")
def own_world(tmp_path_factory):
    """A server with a few users and nobody else."""
    from keyward import Server

    server = Server(tmp_path_factory.mktemp("whocan") / "data")
    users = [User(server, server.client("iam")) for _ in range(4)]
    yield server, users
    server.kill()


@pytest.fixture
def keyward_of():
    def of(server):
        def run(command, *arguments):
            place = ("--data-dir", server.data_dir, "--endpoint-url", server.url)
            done = subprocess.run(
                [binary(), "policy", command, *place, *arguments], capture_output=True, text=True, env=clean_environment()
            )
            assert done.returncode in (0, 3), done.stderr
            return done.returncode, done.stdout

        return run

    return of
