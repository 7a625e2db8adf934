"""The golden matrices of EFS: kinds of caller by every operation of it that is served, allowed or not, and what
decided (`golden/matrix-efs.txt`, as `test_matrix.py` has it for other services); and what each kind of client may do
with a file system under each kind of policy (`golden/matrix-efs-mounts.txt`)."""

import pytest

from calls_efs import CALLS, World, agent, identity, mount
from callers import OTHER, Account, credentials_of, server_of_many
from conftest import policy
from keyward import ACCOUNT, Server, eventually
from test_events import trail
from test_matrix import GOLDEN, by_caller, held, outcome, told

OPERATIONS = [name for name in CALLS if "-" not in name]
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
LOOK = {"Effect": "Allow", "Action": ["elasticfilesystem:Describe*", "elasticfilesystem:List*"], "Resource": "*"}
# The part of a policy for whom it lets in, and for whom it denies.
OWN = {"Effect": "Allow", "Action": "elasticfilesystem:*", "Sid": "Own"}
# What an organization denies: whatever is not encrypted, and mount targets.
PLAIN = {
    "Sid": "Encrypted",
    "Effect": "Deny",
    "Action": "elasticfilesystem:CreateFileSystem",
    "Resource": "*",
    "Condition": {"Bool": {"elasticfilesystem:Encrypted": "false"}},
}
TARGETS = {"Sid": "NoTargets", "Effect": "Deny", "Action": "elasticfilesystem:CreateMountTarget", "Resource": "*"}


class Member(World):
    """In a member account that may have encrypted file systems alone, and no mount targets: there its maker lacks
    what it needs of them."""

    def fresh(self, **members):
        return super().fresh(**{"Encrypted": True, **members})

    def target(self, file_system=None):
        if not file_system:
            self.file_system()
        return "fsmt-01234567"


def member(server):
    """A user of everything in such an account, with an agent of that account."""
    client = server.client("organizations")
    client.create_organization(FeatureSet="ALL")
    root = client.list_roots()["Roots"][0]["Id"]
    client.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    made = client.create_account(Email="m@example.com", AccountName="m")["CreateAccountStatus"]
    made = client.describe_create_account_status(CreateAccountRequestId=made["Id"])["CreateAccountStatus"]
    account = made["AccountId"]
    content = policy(PLAIN, TARGETS)
    deny = client.create_policy(Content=content, Description="", Name="n", Type="SERVICE_CONTROL_POLICY")
    client.attach_policy(PolicyId=deny["Policy"]["PolicySummary"]["Id"], TargetId=account)
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    admin = Account(server).session(role, "admin")
    credentials = Account(server, admin, account).user("all", ALL)
    return Member(server, agent(server, credentials), credentials, maker=credentials)


def worlds(server):
    """Title and world of each kind of caller."""
    own, storage = Account(server), agent(server)
    bound = own.iam.create_policy(PolicyName="look", PolicyDocument=policy(LOOK))["Policy"]["Arn"]
    everything = own.role("everything", ALL)
    assumer = server.client("sts", credentials=own.user("assumer", ALL))
    limited = assumer.assume_role(RoleArn=everything, RoleSessionName="limited", Policy=policy(LOOK))
    arn = lambda name: {"Principal": {"AWS": f"arn:aws:iam::{own.account}:user/{name}"}}  # noqa: E731

    def world(credentials, **more):
        return World(server, storage, credentials, **more)

    return {
        "the account's root user": world(None),
        "a user whom a policy allows everything": world(own.user("all", ALL)),
        "a user whom nothing allows anything": world(own.user("nothing")),
        "a user whom a policy allows to describe and list": world(own.user("look", LOOK)),
        "a user without policies, whom the file system's policy allows everything": world(
            own.user("named"), own_policy=policy({**OWN, **arn("named")})
        ),
        "a user of everything, whom the file system's policy denies everything": world(
            own.user("denied", ALL), own_policy=policy({**OWN, **arn("denied"), "Effect": "Deny"})
        ),
        "a user of everything, with a boundary that allows to describe and list": world(
            own.user("bounded", ALL, boundary=bound)
        ),
        "a session of a role of everything": world(own.session(everything)),
        "such a session with a session policy that allows to describe and list": world(credentials_of(limited)),
        "a user of everything in a member account, whose organization denies plain file systems and mount targets": member(
            server
        ),
    }


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """For each caller and operation: the mark and the reasons."""
    server = Server(tmp_path_factory.mktemp("efs-matrix") / "data")
    asked = {}
    for title, world in worlds(server).items():
        for name in OPERATIONS:
            asked[title, name] = outcome(CALLS[name], world)

    def events():
        found = {event["requestID"]: event for event in trail(server) if "requestID" in event}
        return found if {request for request, _ in asked.values()} <= found.keys() else None

    found = eventually(events)
    server.kill()
    return {cell: told(found[request], code) for cell, (request, code) in asked.items()}


def test_what_each_caller_may_do_with_file_systems(matrix):
    held(by_caller("# Callers by operations of EFS: ✔ allowed, ✘ denied", matrix), GOLDEN / "matrix-efs.txt")


# Who comes to a file system, and under which policy: what the client may do.
EVERYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "elasticfilesystem:Client*"}
SECURE = {"Bool": {"aws:SecureTransport": "true"}}
VIA_TARGET = {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}


def policies(named, point):
    """Title and statements of each policy of a file system."""
    by_point = {"StringEquals": {"elasticfilesystem:AccessPointArn": point}}
    return {
        "no policy": None,
        "everybody may do everything": [EVERYBODY],
        "everybody may mount and nothing else": [{**EVERYBODY, "Action": "elasticfilesystem:ClientMount"}],
        "everybody may write, but not mount": [{**EVERYBODY, "Action": "elasticfilesystem:ClientWrite"}],
        "everybody, by TLS": [{**EVERYBODY, "Condition": SECURE}],
        "everybody, through a mount target": [{**EVERYBODY, "Condition": VIA_TARGET}],
        "everybody, through one access point": [{**EVERYBODY, "Condition": by_point}],
        "the account, whose policies decide": [{**EVERYBODY, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}],
        "one user by its name": [{**EVERYBODY, "Principal": {"AWS": named}}],
        "everybody but one user": [EVERYBODY, {**EVERYBODY, "Effect": "Deny", "Principal": {"AWS": named}}],
        "everybody, and nobody without TLS may write": [
            EVERYBODY,
            {
                **EVERYBODY,
                "Effect": "Deny",
                "Action": "elasticfilesystem:ClientWrite",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


@pytest.fixture(scope="module")
def two_accounts(tmp_path_factory):
    server = server_of_many(tmp_path_factory.mktemp("efs-mounts"))
    yield server
    server.kill()


def test_what_each_client_may_do_under_each_policy(two_accounts):
    server = two_accounts
    own, there = Account(server), Account(server, server.other, OTHER)
    world = World(server, agent(server))
    file_system = world.file_system()
    target = {"MountTargetId": world.target(file_system)}
    point = world.maker.create_access_point(ClientToken="t", FileSystemId=file_system)
    client = {"Effect": "Allow", "Action": "elasticfilesystem:Client*", "Resource": "*"}
    named, may = own.user("named"), own.user("may", client)
    read = {**client, "Action": "elasticfilesystem:ClientMount"}
    session = own.session(own.role("reader", read))
    foreign = there.user("foreign", client)
    clients = {
        "on the agent's machine": ({}, None),
        "by a mount target": (target, None),
        "by TLS": ({**target, "SecureTransport": True}, None),
        "through the access point": ({**target, "AccessPointId": point["AccessPointId"]}, None),
        "the user without policies": (target, named),
        "a user with policies": (target, may),
        "a role that may mount": (target, session),
        "another account's user": (target, foreign),
    }
    lines = ["# Clients of a file system by its policy: m may mount, w write, r be root; - nothing of it", ""]
    for index, title in enumerate(clients, start=1):
        lines.append(f"{index}  {title}")
    lines += ["", " " * 45 + "".join(f"{index:>5}" for index in range(1, len(clients) + 1))]
    arn = f"arn:aws:iam::{ACCOUNT}:user/named"
    for title, statements in policies(arn, point["AccessPointArn"]).items():
        if statements:
            text = policy(*statements)
            world.maker.put_file_system_policy(FileSystemId=file_system, Policy=text)
        cells = [rights(world, file_system, *one) for one in clients.values()]
        lines.append(f"{title:<45}" + "".join(f"{cell:>5}" for cell in cells))
    held("\n".join(lines) + "\n", GOLDEN / "matrix-efs-mounts.txt")


def rights(world, file_system, members, credentials):
    """What a client may do, in three letters."""
    if credentials:
        members = {**members, "Identity": identity(file_system, credentials)}
    status, told = mount(world.storage, file_system, **members)
    if status != 200:
        assert told["__type"] == "AccessDeniedException", told
        return "---"
    return "m" + ("w" if told["Write"] else "-") + ("r" if told["Root"] else "-")
