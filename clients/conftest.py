"""Fixtures: a server for the whole run, clients of its root user, keys and users to try."""

import json
import uuid

import boto3
import pytest

from keyward import ACCOUNT, Server, key_arn, user_arn
from oidc import Issuer, SigningKey


def configured_server(folder, data):
    """A server that knows the keys of one issuer of web identities."""
    issuer = Issuer("https://issuer.keyward.test/realm", SigningKey(folder, "key-1"))
    (folder / "jwks.json").write_text(json.dumps(issuer.jwks()))
    config = folder / "keyward.toml"
    config.write_text(f'[oidc.jwks_files]\n"{issuer.url}" = "{folder / "jwks.json"}"\n')
    server = Server(data, "--config", config)
    server.issuer = issuer
    return server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server that most tests share; each makes its own keys, users and aliases on it."""
    folder = tmp_path_factory.mktemp("server")
    server = configured_server(folder, folder / "data")
    yield server
    server.kill()


@pytest.fixture
def own_server(tmp_path):
    """A server of this test alone, for what stops it or looks at its files."""
    server = Server(tmp_path / "data")
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.fixture(scope="session")
def kms(server):
    return server.client("kms")


@pytest.fixture(scope="session")
def iam(server):
    return server.client("iam")


@pytest.fixture(scope="session")
def empty_regions():
    """Regions that no test has used yet, one after the other."""
    names = boto3.session.Session().get_available_regions("kms")
    return iter(sorted(set(names) - {"us-east-1", "us-west-2", "eu-central-1"}))


@pytest.fixture
def empty_region(server, empty_regions):
    """A client in a Region that has no key yet, for what lists or counts."""
    return server.client("kms", region=next(empty_regions))


@pytest.fixture
def key(kms):
    """The id of a new key with the default policy."""
    return kms.create_key()["KeyMetadata"]["KeyId"]


@pytest.fixture
def arn(key):
    return key_arn(key)


@pytest.fixture
def alias():
    """A name that no alias has yet."""
    return f"alias/{uuid.uuid4().hex}"


class User:
    """An IAM user with an access key."""

    def __init__(self, server, iam):
        self.name = f"u-{uuid.uuid4().hex[:12]}"
        self.arn = user_arn(self.name)
        self.iam = iam
        self.id = iam.create_user(UserName=self.name)["User"]["UserId"]
        made = iam.create_access_key(UserName=self.name)["AccessKey"]
        self.credentials = (made["AccessKeyId"], made["SecretAccessKey"])
        self.kms = server.client("kms", credentials=self.credentials)

    def allow(self, *actions, resource="*", effect="Allow", name="p", **more):
        """Writes the user's inline policy of that name: one statement."""
        statement = {"Effect": effect, "Action": list(actions), "Resource": resource, **more}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        self.iam.put_user_policy(
            UserName=self.name, PolicyName=name, PolicyDocument=json.dumps(document)
        )


@pytest.fixture
def user(server, iam):
    """A new user whom nothing allows anything yet."""
    return User(server, iam)


@pytest.fixture
def other_user(server, iam):
    return User(server, iam)


def policy(*statements, **more):
    """A policy document as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
DELEGATION = {
    "Sid": "Enable IAM User Permissions",
    "Effect": "Allow",
    "Principal": {"AWS": ROOT_ARN},
    "Action": "kms:*",
    "Resource": "*",
}
