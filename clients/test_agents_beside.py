"""What becomes of the agent of `keyward serve --agent` that cannot run."""

import time

import pytest

from keyward import Server, eventually
from storage import take_away
from test_agents import keyward
from volumes import require

FOR_GOOD = "the agent has ended and is not started again: do what it says above, then restart the server"


@pytest.fixture
def server(tmp_path):
    require()
    server = Server(tmp_path / "data", "--agent")
    eventually(lambda: connected(server))
    yield server
    if server.process.poll() is None:
        server.drain()
    take_away(tmp_path)


def connected(server):
    rows = [line.split() for line in keyward(server, "list").splitlines() if line]
    return [row[0] for row in rows if row[0].startswith("agent-") and row[3] == "yes"]


def log(server):
    return server.data_dir.with_suffix(".log").read_text()


def start(server):
    assert server.drain() == 0
    server.start()


def test_one_that_was_removed_ends_and_its_directory_can_be_moved_away(server):
    (first,) = connected(server)
    assert "the server runs as root" not in log(server)
    keyward(server, "remove", first)
    eventually(lambda: FOR_GOOD in log(server), seconds=30)
    # Longer than it takes until an agent is started again.
    time.sleep(7)
    assert log(server).count(f"agent {first} has been removed") == 1
    state = server.data_dir / "agent"
    assert f"(`mv {state} {state}.removed`)" in log(server)
    assert server.client("kms").list_keys()["Keys"] == []
    state.rename(f"{state}.removed")
    start(server)
    (second,) = eventually(lambda: connected(server))
    assert second != first


def test_one_whose_volumes_are_missing_ends_and_comes_back_with_them(server):
    (agent,) = connected(server)
    volumes = server.data_dir / "agent" / "volumes"
    assert server.drain() == 0
    # A stop is no warning.
    assert "cannot get the list of volumes" not in log(server)
    volumes.rename(volumes.with_name("elsewhere"))
    server.start()
    eventually(lambda: FOR_GOOD in log(server), seconds=30)
    assert f"agent {agent} has registered with " in log(server)
    assert server.drain() == 0
    volumes.rmdir()
    volumes.with_name("elsewhere").rename(volumes)
    server.start()
    assert eventually(lambda: connected(server)) == [agent]
