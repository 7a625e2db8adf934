"""The systemd units in deploy/systemd, as systemd itself judges them. Nothing is installed or started."""

import os
import re
import shutil
import subprocess

import pytest

from keyward import ROOT, binary

UNITS = ROOT / "deploy" / "systemd"
PROGRAM = "/usr/local/bin/keyward"

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze") and os.environ.get("CI") != "true",
    reason="there is no systemd-analyze (package systemd)",
)


@pytest.fixture(params=sorted(path.name for path in UNITS.iterdir()))
def unit(request, tmp_path):
    """A unit that starts the program under test."""
    text = (UNITS / request.param).read_text()
    assert f"\nExecStart={PROGRAM} " in text
    path = tmp_path / request.param
    path.write_text(text.replace(PROGRAM, str(binary())))
    return path


def analyze(*words):
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True)


def test_systemd_accepts_it(unit):
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Tenths of what systemd calls exposure: of 10, it calls less than 2 OK, and 9.6 is a service without any restriction.
# The agent is root and mounts file systems, and so cannot have a mount namespace of its own.
@pytest.mark.parametrize("unit,most", [("keyward.service", 15), ("keyward-agent.service", 60)], indirect=["unit"])
def test_it_can_do_little_else(unit, most):
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={most}", unit)
    assert done.returncode == 0, done.stdout


def test_the_server_has_no_capability_and_no_privilege():
    text = (UNITS / "keyward.service").read_text()
    assert re.findall(r"^User=(.*)$", text, re.M) == ["keyward"]
    for setting in ("CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes"):
        assert f"\n{setting}\n" in text


def test_the_options_that_it_starts_with_exist(unit):
    words = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.M)[1].split()
    command = [word for word in words[:3] if not word.startswith("-")]
    said = helped(*command)
    for option in (word for word in words if word.startswith("--")):
        assert f" {option} " in said, option


def helped(*command):
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_manual_installs_and_removes_every_unit():
    manual = (ROOT / "docs" / "operations.md").read_text()
    for unit in UNITS.iterdir():
        assert f"install -m 0644 deploy/systemd/{unit.name} /etc/systemd/system/" in manual
        assert f"systemctl disable --now {unit.stem}" in manual
        assert f"rm /etc/systemd/system/{unit.name}" in manual
