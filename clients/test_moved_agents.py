"""Agents whose state directory was copied or moved."""

import shutil

from keyward import eventually
from storage import Storage, arn, available, create, efs, kms, storage

TWIN = "another agent uses this agent's identity"


class Copy(Storage):
    """A second agent, on a copy of the first one's state directory."""

    def __init__(self, first, folder):
        folder.mkdir()
        self.server, self.folder, self.state, self.arguments = first.server, folder, folder / "agent", ()
        shutil.copytree(first.state, self.state, ignore=shutil.ignore_patterns("*.sock"))
        self.start()


def polls(server):
    trail = sorted((server.data_dir / "audit").glob("*.jsonl"))
    return sum(path.read_text().count('"eventName":"PollVolumes"') for path in trail)


def test_two_agents_of_one_identity_give_way_to_each_other(own_server, storage, tmp_path, arn, efs):
    copy = Copy(storage, tmp_path / "copy")
    try:
        # The overtaken one is held back, so that the other one has waited since.
        for agent in [storage, copy]:
            eventually(lambda: TWIN in agent.log())
        log = storage.log()
        assert "stop one of them, and register it anew (`keyward agent token`) with another --state-dir" in log
        assert "OvertakenException: A newer request of agent " + storage.id in log
        # They were asked for 1,000 times a second before.
        assert polls(own_server) < 50
        # One of them always listens.
        available(efs, create(efs, Encrypted=True, KmsKeyId=arn))
        copy.stop()
        # Whoever is left goes on by itself, and so does one that is started again.
        storage.stop()
        storage.start()
        available(efs, create(efs, Encrypted=True, KmsKeyId=arn))
    finally:
        copy.end()
