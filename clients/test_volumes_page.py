"""docs/volumes.md, followed by a shell."""

import subprocess

from documents import named, shell
from keyward import binary, clean_environment
from volumes import require


def test_the_commands_do_what_the_page_says(own_server, tmp_path):
    require()
    places = {"/var/lib/keyward": own_server.data_dir, "/mnt/customers": tmp_path / "mnt", "/mnt/backup": tmp_path / "backup"}
    state = tmp_path / "state"
    steps = named("volumes.md", "keys") + named("volumes.md", "commands")
    try:
        done = shell(steps, places, tmp_path, KEYWARD_VOLUME_STATE_DIR=str(state))
        assert done.returncode == 0, done.stdout + done.stderr
        for image in ("customers.img", "monday.img"):
            assert (tmp_path / image).stat().st_size >= 10 << 30
        assert str(tmp_path / "mnt") not in open("/proc/self/mounts").read()
    finally:
        command = [binary(), "volume", "detach", "--force", tmp_path / "customers.img", "--state-dir", state]
        subprocess.run(command, capture_output=True, env=clean_environment())
