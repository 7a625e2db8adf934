"""Fixtures of the tests of EFS below the wire of NFS: a server with an agent that the test plays. A test module imports
those that it uses."""

import pytest

from calls_efs import agent, make, wait
from conftest import User
from keyward import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("efs") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def storage(server):
    """The agent."""
    return agent(server)


@pytest.fixture
def efs(server, storage):
    return server.client("efs")


@pytest.fixture
def kms(server):
    return server.client("kms")


@pytest.fixture
def iam(server):
    return server.client("iam")


@pytest.fixture
def file_system(server, storage):
    """The id of a file system that is available."""
    made = make(server)
    wait(storage, made)
    return made


@pytest.fixture
def user(server):
    """A new user whom nothing allows anything yet."""
    return User(server, server.client("iam"))
