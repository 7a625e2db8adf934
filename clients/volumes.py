"""Volumes that a test owns: `keyward volume` against the tests' server, and their end after the test."""

import os
import pathlib
import json
import signal
import subprocess

import pytest

from keyward import REGION, binary, clean_environment, eventually

MIB = 1 << 20


class Volumes:
    """Images, mount points and the state of one test, all in one directory."""

    def __init__(self, server, folder, environment=None):
        self.more = environment or {}
        self.server = server
        self.folder = folder
        self.state = folder / "state"
        self.credentials = server.root_credentials()
        self.images = []

    @property
    def environment(self):
        key, secret = self.credentials
        return {
            **clean_environment(),
            "AWS_ENDPOINT_URL_KMS": self.server.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "KEYWARD_VOLUME_STATE_DIR": str(self.state),
            **self.more,
        }

    def run(self, *words, **options):
        command = [binary(), "volume", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, **options)
        here = f"{self.folder}/"
        done.stdout, done.stderr = done.stdout.replace(here, ""), done.stderr.replace(here, "")
        return done

    def __call__(self, *words, **options):
        """Runs a command that works, and answers what it printed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    def fails(self, *words, **options):
        """Runs a command that fails, and answers what it said."""
        done = self.run(*words, **options)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr.removeprefix("keyward: ").removesuffix("\n")

    def logs(self):
        return "".join(path.read_text() for path in self.state.glob("*/log"))

    def image(self, name="image"):
        return self.folder / name

    def directory(self, name="mnt"):
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def create(self, key, size="64MiB", name="image", *words):
        image = self.image(name)
        self("create", image, "--size", size, "--key-id", key, *words)
        return image

    def attach(self, image, *words, name="mnt"):
        path = self.directory(name)
        self.images.append(image)
        self("attach", image, path, *words)
        return path

    def stat(self, image):
        return json.loads(self("stat", image, "--json"))

    def pid(self, image):
        return self.stat(image)["Process"]["Pid"]

    def kill(self, image):
        """Ends a volume's process as a crash would, and waits until it is gone."""
        pid = self.pid(image)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.stat(image)["State"] == "killed")

    def end(self):
        for image in self.images:
            self.run("detach", image, "--force")
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        assert str(self.folder) not in mounts, mounts


def write(path, data):
    """Writes a file, and returns when it is on the volume."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def is_cut_off(path):
    """Whether a file cannot be read any more, though it is in the page cache."""
    try:
        path.read_bytes()
    except OSError:
        return True
    return False


def device_of(volumes, image):
    return volumes.stat(image)["Process"]["Device"]


def run(*words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def require():
    """Volumes need root and two devices. Where tests must not be skipped, what needs them fails without."""
    lacks = [path for path in ("/dev/fuse", "/dev/loop-control") if not os.access(path, os.R_OK | os.W_OK)]
    if (lacks or os.geteuid() != 0) and os.environ.get("CI") != "true":
        pytest.skip(f"volumes need root, and here is no {' and no '.join(lacks) or 'root'}")


@pytest.fixture
def volumes(server, tmp_path):
    require()
    volumes = Volumes(server, tmp_path)
    yield volumes
    volumes.end()
