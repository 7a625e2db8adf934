"""docs/file-systems.md, followed by a shell from top to bottom."""

import re

from documents import named, shell
from keyward import Server, eventually
from test_agents import Agent
from volumes import require


def test_the_first_steps_do_what_the_page_says(tmp_path):
    require()
    server = Server(tmp_path / "data", "--agent")
    places = {"/var/lib/keyward": server.data_dir, "/mnt/shared": tmp_path / "mnt"}
    steps = named("file-systems.md", "try") + named("file-systems.md", "clean-up")
    try:
        # The agent of the same start must have called the server before there can be a file system.
        registered = "until keyward agent list --data-dir /var/lib/keyward | grep -q yes; do sleep 0.2; done\n"
        done = shell(registered + steps, places, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        lost = f"cat: {tmp_path}/mnt/file: "
        assert lost in done.stderr, done.stderr
        # What `date` wrote is there at the end, after it could not be read for a while.
        assert re.search(r"The file cannot be read\.\n(?:.+ \d\d:\d\d:\d\d .+)\n", done.stdout), done.stdout
        efs = server.client("efs")
        eventually(lambda: efs.describe_file_systems()["FileSystems"] == [], seconds=30)
        assert str(tmp_path) + "/mnt" not in open("/proc/self/mounts").read()
    finally:
        server.kill()


def test_the_commands_for_another_machine_are_accepted_and_mean_what_the_page_says(tmp_path):
    config = tmp_path / "keyward.toml"
    config.write_text(named("file-systems.md", "other-machine.toml"))
    server = Server(tmp_path / "data", "--config", config)
    try:
        storage = Agent(server)
        efs = server.client("efs")
        file_system = efs.create_file_system(CreationToken="t")["FileSystemId"]
        report = {"VolumeId": file_system, "Generation": 1, "State": "READY"}
        assert storage.call("ReportVolumes", Volumes=[report])[0] == 200
        start = f'eval "$(keyward env --data-dir {server.data_dir})"\nfs={file_system}\n'
        done = shell(start + named("file-systems.md", "other-machine"), {}, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        (target,) = storage.call("PollVolumes")[1]["Volumes"][0]["Targets"]
        assert (target["IpAddress"], target["Port"], target["Cidrs"]) == ("10.1.0.5", 2049, ["10.1.0.0/24"])
        (point,) = efs.describe_access_points(FileSystemId=file_system)["AccessPoints"]

        def mounts(**members):
            asked = {
                "VolumeId": file_system, "MountTargetId": target["MountTargetId"],
                "SecureTransport": True, "ClientAddress": "10.1.0.9", **members,
            }
            status, body = storage.call("AuthorizeMount", **asked)
            return (status, body.get("__type")) if status != 200 else (status, body["Write"], body["Root"])

        through = {"AccessPointId": point["AccessPointId"], "FileSystemId": file_system}
        assert mounts(**through) == (200, True, False)
        assert mounts() == (400, "AccessDeniedException")
        assert mounts(**(through | {"SecureTransport": False})) == (400, "AccessDeniedException")
    finally:
        server.kill()
