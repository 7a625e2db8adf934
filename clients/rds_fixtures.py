"""Fixtures of the tests of RDS: a server with an agent that has PostgreSQL, which the test plays. A test module imports
those that it uses."""

import pytest

from calls_rds import World, databases
from conftest import User
from keyward import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("rds") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def storage(server):
    """The agent."""
    return databases(server)


@pytest.fixture(scope="module")
def world(server, storage):
    return World(server, storage)


@pytest.fixture
def rds(server, storage):
    return server.client("rds")


@pytest.fixture
def user(server):
    """A new user whom nothing allows anything yet."""
    return User(server, server.client("iam"))
