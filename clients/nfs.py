"""NFS exports that a test owns: directories on file systems of their own, and the crate that serves them."""

import itertools
import os
import pathlib
import queue
import subprocess
import threading
import time

import uml

NUMBERS = itertools.count(1)


def missing():
    """What this machine lacks, in one sentence; empty if nothing."""
    if uml.missing():
        return uml.missing()
    for path, package in (("/usr/bin/ganesha.nfsd", "nfs-ganesha"), ("/usr/bin/stunnel4", "stunnel4")):
        if not os.path.exists(path):
            return f"this needs {package}"
    return ""


def program():
    """The example of the crate that serves what it is told."""
    built = os.environ.get("KEYWARD_BIN") or pathlib.Path(__file__).parent.parent / "target/debug/keyward"
    return pathlib.Path(built).parent / "examples/serve"


class FileSystem:
    """An ext4 of its own, mounted on this machine."""

    def __init__(self, folder, size="64M"):
        number = next(NUMBERS)
        self.image = folder / f"image-{number}"
        self.path = folder / f"mounted-{number}"
        self.path.mkdir()
        subprocess.run(["truncate", "-s", size, self.image], check=True)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        self.mount()

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.path], check=True)

    def unmount(self):
        subprocess.run(["umount", self.path], check=True)

    def close(self):
        if self.path.is_mount():
            self.unmount()


class Exports:
    """The program, spoken with by lines."""

    def __init__(self, folder):
        self.state = folder / "nfs"
        self.log = folder / "serve.log"
        self.process = None
        self.questions = []
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [program()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(self.log, "ab"),
            text=True,
        )
        self.answers = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        self("start", self.state)

    def _read(self, lines):
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("asked "):
                self.questions.append(line.removeprefix("asked "))
            else:
                self.answers.put(line)

    def say(self, *words):
        """Gives a command and answers what is said."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answers.get(timeout=60)

    def __call__(self, *words):
        """Gives a command that must work."""
        answer = self.say(*words)
        assert answer == "ok", answer

    def asked(self):
        """What was asked about clients since the last time."""
        asked, self.questions = self.questions, []
        return asked

    def servers(self):
        """The numbers of the nfs-ganesha processes that serve."""
        numbers = (int(path.read_text()) for path in self.state.glob("*/*/ganesha.pid"))
        return [number for number in numbers if is_server(number)]

    def logs(self):
        return "".join(path.read_text() for path in self.state.glob("*/*/ganesha.log"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=60)


def tunnel(uml, folder, port, certificate=None, verify=None, version="TLSv1.2"):
    """Runs stunnel in the guest as amazon-efs-utils does, and answers the options to mount through it."""
    lines = [
        "foreground = yes",
        "fips = no",
        f"pid = /run/stunnel-{port}.pid",
        "[efs]",
        "client = yes",
        f"accept = 127.0.0.1:{port}",
        f"connect = {uml.host}:2049",
        f"sslVersion = {version}",
        "renegotiation = no",
        "TIMEOUTbusy = 20",
        "TIMEOUTclose = 0",
        "TIMEOUTidle = 70",
        "delay = yes",
    ]
    if certificate is not None:
        lines += [f"cert = {certificate.path}", f"key = {certificate.key}"]
    if verify is not None:
        lines += ["verify = 2", f"CAfile = {verify}", "checkHost = localhost"]
    config = folder / f"stunnel-{port}.conf"
    config.write_text("\n".join(lines) + "\n")
    uml.start(f"stunnel4 {config} >{folder}/stunnel-{port}.log 2>&1")
    uml.check(f"for i in $(seq 100); do ss -H -l -n -t sport = :{port} | grep -q . && exit; sleep 0.1; done; exit 1")
    return f"vers=4.1,port={port}"


def is_server(number):
    try:
        return b"ganesha" in pathlib.Path(f"/proc/{number}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def eventually(check, seconds=30):
    """Waits until something is so; a test that fails would wait for nothing else."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.05)
