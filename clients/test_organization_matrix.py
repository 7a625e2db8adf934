"""The golden matrix of Organizations: kinds of caller by every operation of it that is served,
allowed or not, and what decided: `golden/matrix-organizations.txt`. As `test_matrix.py`, on an
organization of its own."""

import copy

import pytest

from callers import Account, credentials_of
from conftest import policy
from keyward import Server, eventually
from test_events import trail
from test_matrix import GOLDEN, by_caller, held, outcome, told
from test_organization_events import CALLS, World
from test_organization_policies import root_credentials

OPERATIONS = [name for name in CALLS if "-" not in name]
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
LOOK = {
    "Effect": "Allow",
    "Action": ["organizations:Describe*", "organizations:List*"],
    "Resource": "*",
}


def callers(server, world, member):
    """Title and credentials of each kind of caller."""
    own, there = Account(server), Account(server, member, world.member)
    bound = own.iam.create_policy(PolicyName="look", PolicyDocument=policy(LOOK))["Policy"]["Arn"]
    everything = own.role("everything", ALL)
    assumer = server.client("sts", credentials=own.user("assumer", ALL))
    limited = assumer.assume_role(RoleArn=everything, RoleSessionName="limited", Policy=policy(LOOK))
    return {
        "the management account's root user": None,
        "a user of it whom a policy allows everything": own.user("all", ALL),
        "a user of it whom nothing allows anything": own.user("nothing"),
        "a user of it whom a policy allows to describe and list": own.user("look", LOOK),
        "a user of it of everything, with a boundary that allows to describe and list": own.user(
            "bounded", ALL, boundary=bound
        ),
        "a session of a role of everything": own.session(everything),
        "such a session with a session policy that allows to describe and list": credentials_of(limited),
        "a member account's root user, whom a service control policy denies listing accounts": member,
        "a user of that account whom a policy allows everything": there.user("all", ALL),
    }


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """For each caller and operation: the mark and the reasons."""
    server = Server(tmp_path_factory.mktemp("organization-matrix") / "data")
    world = World(server)
    world.member = world.account()
    deny = policy({"Sid": "NoListing", "Effect": "Deny", "Action": "organizations:ListAccounts", "Resource": "*"})
    made = world.maker.create_policy(Name="deny", Description="", Type="SERVICE_CONTROL_POLICY", Content=deny)
    world.maker.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=world.member)
    assert server.drain() == 0
    member = root_credentials(server, world.member)
    server.start()
    world.maker = server.client("organizations")
    asked = {}
    for title, credentials in callers(server, world, member).items():
        its = copy.copy(world)
        its.org = server.client("organizations", credentials=credentials)
        for name in OPERATIONS:
            asked[title, name] = outcome(CALLS[name], its)

    def events():
        found = {event["requestID"]: event for event in trail(server) if "requestID" in event}
        return found if {request for request, _ in asked.values()} <= found.keys() else None

    found = eventually(events)
    server.kill()
    return {cell: explained(found[request], code) for cell, (request, code) in asked.items()}


def explained(event, code):
    """As for the other services; what policies allow and Organizations refuses all the same is
    for the management account alone."""
    mark, why = told(event, code)
    if mark == "denied" and all(decision["decision"] == "Allow" for decision in event["keyward"]["decisions"]):
        return mark, f"{why}; but only the management account may"
    return mark, why


def test_what_each_caller_may_do_in_organizations(matrix):
    heading = "# Callers by operations of Organizations: ✔ allowed, ✘ denied"
    held(by_caller(heading, matrix), GOLDEN / "matrix-organizations.txt")
