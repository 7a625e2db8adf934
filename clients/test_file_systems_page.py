"""docs/file-systems.md, followed by a shell from top to bottom."""

import re

from documents import named, shell
from keyward import Server, eventually
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
