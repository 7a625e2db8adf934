"""What the tests of IAM share: names nobody has yet, policies, and who they are given to."""

import json
import uuid

from conftest import policy
from keyward import ACCOUNT

ANY = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ALLOW_ALL = policy(ANY)
DENY_ALL = policy({"Effect": "Deny", "Action": "*", "Resource": "*"})
TRUST = policy({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})
AWS_POLICY = "arn:aws:iam::aws:policy/"


def new_name(kind="n"):
    """A name that nothing has yet."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def iam_arn(kind, name, path="/"):
    return f"arn:aws:iam::{ACCOUNT}:{kind}{path}{name}"


def not_allowed(caller, action, resource):
    """What IAM says to whom nothing allows."""
    return (
        f"User: {caller} is not authorized to perform: {action} on resource: {resource} because no "
        f"identity-based policy allows the {action} action"
    )


class Kind:
    """Users, groups and roles, of which many operations are the same but for the names."""

    def __init__(self, iam, word):
        self.iam, self.word = iam, word
        self.member = f"{word}Name"
        self.noun = word.lower()

    def make(self, name=None, **more):
        name = name or new_name(self.noun)
        if self.word == "Role":
            more = {"AssumeRolePolicyDocument": TRUST, **more}
        self.call(f"create_{self.noun}", name, **more)
        return name

    def call(self, operation, name, **more):
        return getattr(self.iam, operation)(**{self.member: name}, **more)

    def arn(self, name):
        return iam_arn(self.noun, name)

    def missing(self, name):
        return f"The {self.noun} with name {name} cannot be found."


def make_policy(iam, document=ALLOW_ALL, name=None, **more):
    """A customer managed policy; answers its ARN."""
    name = name or new_name("policy")
    made = iam.create_policy(PolicyName=name, PolicyDocument=document, **more)
    return made["Policy"]["Arn"]


def all_pages(operation, member, **more):
    """Everything of a list, a few at a time."""
    found, pages, marker = [], 0, {}
    while True:
        page = operation(MaxItems=2, **marker, **more)
        assert len(page[member]) <= 2
        found += page[member]
        pages += 1
        if not page["IsTruncated"]:
            assert "Marker" not in page
            return found, pages
        marker = {"Marker": page["Marker"]}


def loaded(document):
    """A document as boto3 answers it: decoded."""
    return document if isinstance(document, dict) else json.loads(document)
