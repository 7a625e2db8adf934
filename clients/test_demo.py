"""`./dev demo`, with the program that is tested. The demo checks each thing that it shows, and stops at the first that is wrong."""

import os
import subprocess

import pytest

from databases import end_databases, remove_databases, require
from keyward import binary, clean_environment

SHOWN = "one key protected the file system, the database, the secrets, the service: "


def test_everything_that_the_demo_shows_is_true(tmp_path):
    require()
    xtask = os.environ.get("KEYWARD_XTASK")
    if not xtask and os.environ.get("CI") != "true":
        pytest.skip("`./dev test` names the program of the demo in KEYWARD_XTASK")
    assert xtask, "KEYWARD_XTASK is not set"
    state = tmp_path / "demo" / "agent"
    try:
        done = subprocess.run(
            [xtask, "demo", "--program", binary(), "--folder", tmp_path / "demo"],
            env=clean_environment(), capture_output=True, text=True,
        )
    finally:
        end_databases(state)
        remove_databases(state)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    assert SHOWN in done.stdout
