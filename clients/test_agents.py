"""Agents by the command line and by a client of their own: a token, a registration, and the end."""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from keyward import binary, clean_environment, eventually
from wire import Wire

TARGET = "Keyward_20261101."


def keyward(server, *arguments, expect=0):
    done = subprocess.run(
        [binary(), "agent", *arguments, "--data-dir", server.data_dir],
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout if expect == 0 else done.stderr


def register(server, token):
    """RegisterAgent, which nobody signs: status and body."""
    request = urllib.request.Request(
        server.url,
        data=json.dumps({"Token": token}).encode(),
        headers={"X-Amz-Target": TARGET + "RegisterAgent", "Content-Type": "application/x-amz-json-1.1"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Agent:
    """An agent that has registered."""

    def __init__(self, server, name="storage-1", token=None):
        status, made = register(server, token or keyward(server, "token", name).strip())
        assert status == 200, made
        self.id = made["AgentId"]
        credentials = made["AccessKeyId"], made["SecretAccessKey"]
        self.wire = Wire(server, credentials=credentials)
        # Who never called is given no volumes.
        assert self.call("PollVolumes")[0] == 200

    def call(self, operation, **members):
        """Status and body of an operation for agents."""
        answer = self.wire.json("keyward", TARGET + operation, members)
        return answer.status, json.loads(answer.body)


@pytest.fixture
def server(own_server):
    return own_server


def test_file_systems_without_an_agent_that_runs_are_told_of(server):
    gone, left = Agent(server, "gone"), Agent(server, "left")
    assert gone.call("PollVolumes", WaitSeconds=0)[0] == left.call("PollVolumes", WaitSeconds=0)[0] == 200
    efs = server.client("efs")
    made = [efs.create_file_system(CreationToken=f"waits-{at}")["FileSystemId"] for at in range(2)]
    lines = lambda: [line for line in keyward(server, "list").splitlines() if line]  # noqa: E731
    said = keyward(server, "remove", gone.id)
    first, second = said.splitlines()
    assert first == f"Removed {gone.id}."
    assert second == (
        "1 file system has no agent now, and nobody can open what is encrypted until it is assigned to another agent "
        "(`keyward agent assign`). `keyward agent list` says which."
    )
    states = {one["FileSystemId"]: one["LifeCycleState"] for one in efs.describe_file_systems()["FileSystems"]}
    (lost,) = [one for one in made if states[one] == "error"]
    assert f"{lost:<25}has no agent: {gone.id} was removed" in lines()
    # An agent counts as connected for a while after it was answered.
    waits = lambda one: (  # noqa: E731
        f"{one:<25}waits for {left.id}, which is not connected: start that agent, or assign the file system to another "
        "one (`keyward agent assign`)"
    )
    (other,) = [one for one in made if one != lost]
    eventually(lambda: waits(other) in lines(), seconds=60)
    said = keyward(server, "assign", lost, left.id).splitlines()
    assert said[1] == f"{left.id} is not connected: nothing happens until it is started, see `keyward agent list`."
    assert waits(lost) in lines()
    efs.delete_file_system(FileSystemId=lost)
    assert any(line.startswith(f"{lost:<25}waits to be deleted by {left.id}, which is not connected") for line in lines())
    assert keyward(server, "remove", left.id).splitlines()[0] == f"Removed {left.id}."


def test_an_agent_comes_by_a_token_and_goes_by_its_id(server):
    token = keyward(server, "token", "storage-1").strip()
    assert re.fullmatch(r"keyward-agent\.us-east-1\.000000000000\.token-[0-9a-f]{17}\.[\w-]{43}", token)
    status, made = register(server, token)
    assert (status, made["AgentName"]) == (200, "storage-1")
    head = ["AGENT", "NAME", "VOLUMES", "CONNECTED", "DATABASES", "BACKUPS"]

    def listed():
        lines = [line.split() for line in keyward(server, "list").splitlines() if line]
        # When a token expires, is looked at below.
        return [line[:5] if "expires" in line else line for line in lines]

    open_token = [token.split(".")[3], "storage-1", "unused", "token,", "expires"]
    assert listed() == [head, [made["AgentId"], "storage-1", "0", "never", "no", "no"], open_token]
    assert re.search(r" storage-1 +unused token, expires \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", keyward(server, "list").rstrip())
    credentials = made["AccessKeyId"], made["SecretAccessKey"]
    assert Wire(server, credentials=credentials).json("keyward", TARGET + "PollVolumes", {}).status == 200
    assert register(server, token)[1]["__type"] == "InvalidTokenException"
    assert listed() == [head, [made["AgentId"], "storage-1", "0", "yes", "no", "no"]]
    assert keyward(server, "remove", made["AgentId"]) == f"Removed {made['AgentId']}.\n"
    assert listed() == [head]
    revoked = keyward(server, "token", "storage-2").strip()
    named = revoked.split(".")[3]
    assert keyward(server, "remove", named) == f"Removed {named}.\n"
    assert register(server, revoked)[1]["__type"] == "InvalidTokenException"
    told = keyward(server, "remove", named, expect=1)
    assert f"NotFoundException: There is no token {named} in your account and Region." in told
    told = keyward(server, "remove", made["AgentId"], expect=1)
    assert f"NotFoundException: There is no agent {made['AgentId']} in your account and Region. `keyward agent list` shows the IDs." in told
    events = {"CreateAgentToken", "RegisterAgent", "ListAgents", "RemoveAgent"}

    def named():
        text = (server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
        return {name for name in events if f'"eventName":"{name}"' in text} == events and text

    text = eventually(named)
    assert token.rsplit(".", 1)[1] not in text and made["SecretAccessKey"] not in text


def test_an_agent_asks_for_its_volumes_and_is_told_of_no_others(server):
    agent = Agent(server)
    status, body = agent.call("PollVolumes", WaitSeconds=0)
    assert (status, body["Volumes"]) == (200, [])
    status, body = agent.call("PollVolumes", Known=body["Known"], WaitSeconds=1)
    assert (status, body["Volumes"]) == (200, [])
    for operation, members in [
        ("OpenVolume", {"VolumeId": "fs-0123456789abcdef0"}),
        ("ReportVolumes", {"Volumes": [{"VolumeId": "fs-0123456789abcdef0", "Generation": 1, "State": "READY"}]}),
    ]:
        status, body = agent.call(operation, **members)
        assert (status, body["__type"]) == (400, "NotFoundException")
        assert body["message"] == "No volume fs-0123456789abcdef0 is assigned to this agent."
    keyward(server, "remove", agent.id)
    assert agent.call("PollVolumes")[1]["__type"] == "UnrecognizedClientException"


def test_a_first_start_that_cannot_succeed_ends_with_a_sentence(server, tmp_path):
    token = tmp_path / "token"
    token.write_text(keyward(server, "token", "storage-1"))

    def started(url, file=token):
        command = [binary(), "agent", "run", "--state-dir", tmp_path / "agent", "--endpoint-url", url, "--token-file", file]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr.splitlines()

    assert started("nonsense")[-1] == "keyward: `nonsense` is not a URL that begins with http:// or https://"
    with socket.socket() as unused:
        # Bound, so that nobody else has the port, and not listening.
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        *tries, last = started(f"http://127.0.0.1:{port}")
    assert last == (
        f"keyward: the agent has not registered: http://127.0.0.1:{port} has not answered 5 times. "
        "Start it again with the same token when the server can be reached: "
        f"cannot connect to 127.0.0.1:{port}: Connection refused (os error 111): is the server running?"
    )
    assert sum("the server has not answered: trying again" in line for line in tries) == 4
    assert not (tmp_path / "agent").exists(), "nothing is left of it"
    wrong = tmp_path / "wrong"
    wrong.write_text(token.read_text()[:-3])
    assert started(server.url, wrong)[-1].startswith("keyward: InvalidTokenException: The token is not valid: ")
    # The token is as good as before.
    assert register(server, token.read_text().strip())[0] == 200


def test_the_name_of_an_agent_has_a_rule_in_words(server):
    for name in ["bad name", "", "a" * 65, "\N{LATIN SMALL LETTER E WITH ACUTE}"]:
        told = keyward(server, "token", name, expect=2)
        assert "a name has 1 to 64 letters (a-z, A-Z), digits and the characters . _ -" in told
