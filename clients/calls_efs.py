"""What the tests of EFS need of a storage agent, played by the tests."""

import uuid

from test_agents import Agent


def agent(server):
    return Agent(server)


def generation(storage, file_system):
    """What is wanted of a volume: its generation."""
    _, known = storage.call("PollVolumes", WaitSeconds=0)
    (volume,) = [one for one in known["Volumes"] if one["VolumeId"] == file_system]
    return volume["Generation"]


def report(storage, file_system, state):
    told = {"VolumeId": file_system, "Generation": generation(storage, file_system), "State": state}
    status, answer = storage.call("ReportVolumes", Volumes=[told])
    assert (status, answer) == (200, {"Stale": []})


def wait(storage, file_system):
    """Makes a file system available."""
    report(storage, file_system, "READY")


def forget(storage, file_system):
    """Has a deleted file system be gone."""
    report(storage, file_system, "GONE")


def make(server, **members):
    """The id of a new file system."""
    made = server.client("efs").create_file_system(CreationToken=uuid.uuid4().hex, **members)
    return made["FileSystemId"]
