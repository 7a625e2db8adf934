"""An agent that a test owns: `keyward agent run` against the tests' server, its volumes, and their end after the test."""

import errno
import hmac
import json
import os
import pathlib
import signal
import subprocess
import threading
import uuid

import pytest

from keyward import binary, clean_environment, eventually
from volumes import require, write

# What the agent prints when it has heard for the first time what is wanted.
RUNNING = " is running"
TEXT = b"the quarterly figures, which nobody may read " * 100


class Storage:
    """One agent: its process, its state directory, and where its file systems are mounted."""

    # What its environment has besides.
    environment = {}

    def __init__(self, server, folder, *arguments):
        self.server = server
        self.folder = folder
        self.state = folder / "agent"
        self.arguments = arguments
        self.process = None
        self.start("--token-file", self.token())

    def token(self):
        """A file with a token."""
        done = self.run("agent", "token", "storage-1", "--data-dir", self.server.data_dir)
        path = self.folder / f"token-{uuid.uuid4().hex}"
        path.write_text(done.stdout)
        return path

    def run(self, *words, expect=0):
        done = subprocess.run(
            [binary(), *map(str, words)], capture_output=True, text=True, env=clean_environment()
        )
        assert done.returncode == expect, done.stdout + done.stderr + self.log()
        return done

    def begin(self, *more):
        """Starts the agent."""
        with open(self.folder / "agent.log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    binary(), "agent", "run", "--state-dir", self.state, "--data-dir", self.server.data_dir,
                    "--volume-size", "96MiB", *self.arguments, *more,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**clean_environment(), **self.environment},
                text=True,
            )

    def start(self, *more):
        """Starts the agent and waits until it has heard from the server."""
        self.begin(*more)
        line = self.process.stdout.readline()
        assert line.endswith(RUNNING + "\n"), f"{line}{self.log()}"
        self.id = line.split()[1]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def log(self):
        paths = [self.folder / "agent.log", *sorted(self.state.glob("keepers/*/log"))]
        return "".join(f"== {path}\n{path.read_text()}" for path in paths if path.exists())

    def kill(self):
        """Ends the agent as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks the agent to end, and answers its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def image(self, file_system):
        return self.state / "volumes" / f"{file_system}.img"

    def note_as_the_agent(self, path, text):
        """Writes one of the agent's own files with its MAC, as docs/formats.md describes it."""
        credentials = json.loads((self.state / "credentials.json").read_text())

        def mac(key, message):
            return hmac.digest(key, message, "sha256")

        secret, agent = credentials["secret_access_key"].encode(), credentials["agent_id"].encode()
        key = mac(secret, b"\0\0\0\1keyward-agent-notes-v1\0" + agent + b"\0\0\1\0")
        tag = mac(key, path.name.encode() + b"\0" + text.encode()).hex()
        path.write_text(f"{text}\nhmac-sha256 {tag}\n")

    def keeper(self, file_system):
        """What the process of a volume says of itself."""
        for path in self.state.glob("keepers/*/process.json"):
            process = json.loads(path.read_text())
            if process["image"] == str(self.image(file_system)):
                return process
        return None

    def mount(self, file_system, *words, name="mnt"):
        """Mounts a file system on a directory, and answers that."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        command = [binary(), "mount", file_system, path, *words, "--state-dir", self.state]

        def answer():
            done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=clean_environment())
            # Its files can be there a moment before its process says so.
            is_early = "is not there yet: try again when it is `available`" in done.stderr
            return None if is_early else done

        done = eventually(answer, seconds=30)
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        return path

    def unmount(self, path):
        self.run("unmount", path, "--state-dir", self.state)

    def end(self):
        """Takes everything away, however the test ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        take_away(self.folder)


def take_away(folder):
    """Ends the processes of all volumes below a directory, and unmounts everything there."""
    # What is being cut off cannot be listed, which `os.walk` passes over.
    named = (pathlib.Path(top) / "process.json" for top, _, files in os.walk(folder) if "process.json" in files)
    for path in [path for path in named if path.parent.parent.name == "keepers"]:
        try:
            image = json.loads(path.read_text())["image"]
        except FileNotFoundError:
            # The cut-off was complete meanwhile.
            continue
        command = [binary(), "volume", "detach", "--force", image, "--state-dir", path.parent.parent]
        subprocess.run(command, capture_output=True, env=clean_environment())
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in mounts if str(folder) in line.split()[4]]
    for point in reversed(points):
        subprocess.run(["umount", "-l", point], capture_output=True)
    devices = subprocess.run(["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"], capture_output=True, text=True)
    for line in devices.stdout.splitlines():
        if str(folder) in line:
            subprocess.run(["losetup", "-d", line.split()[0]], capture_output=True)


def state(efs, file_system):
    """The life cycle state of a file system; none if it is gone."""
    try:
        (found,) = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
    except efs.exceptions.FileSystemNotFound:
        return None
    return found["LifeCycleState"]


def available(efs, file_system):
    eventually(lambda: state(efs, file_system) == "available", seconds=60)
    return file_system


def create(efs, **members):
    """A new file system, when it is there."""
    made = efs.create_file_system(CreationToken=uuid.uuid4().hex, **members)
    return available(efs, made["FileSystemId"])


def device_of(path):
    """The disk that a path is on; none for a mount whose process has ended, as that of a volume while it is cut off."""
    try:
        return os.lstat(path).st_dev
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return None


def files_of(folder):
    """Every file below a directory that is on its own disk, not on one that is mounted there."""
    device = os.stat(folder).st_dev
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if device_of(os.path.join(path, name)) == device]
        for name in names:
            file = pathlib.Path(path, name)
            if file.is_file() and not file.is_symlink():
                yield file


def contains(path, text):
    """Whether a file has a text in it, however large it is. Holes are passed over."""
    with open(path, "rb", buffering=0) as file:
        end, at = file.seek(0, os.SEEK_END), 0
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return False
            piece = os.pread(file.fileno(), 1 << 20, max(0, at - len(text)))
            if text in piece:
                return True
            at = max(0, at - len(text)) + len(piece)
    return False


@pytest.fixture
def storage(own_server, tmp_path):
    require()
    storage = Storage(own_server, tmp_path)
    yield storage
    storage.end()


@pytest.fixture
def efs(own_server):
    return own_server.client("efs")


@pytest.fixture
def kms(own_server):
    return own_server.client("kms")


@pytest.fixture
def iam(own_server):
    return own_server.client("iam")


@pytest.fixture
def arn(kms):
    return kms.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def shared(storage, efs, arn):
    """An encrypted file system, mounted, with a file that is on disk and in the page cache."""
    file_system = create(efs, Encrypted=True, KmsKeyId=arn)
    path = storage.mount(file_system)
    write(path / "file", TEXT)
    assert (path / "file").read_bytes() == TEXT
    return file_system, path / "file"
