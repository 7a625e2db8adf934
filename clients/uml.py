"""A second Linux kernel, to have a real NFS client: Debian's user-mode-linux.

It runs as an ordinary process, with this machine's files as its root and a network of its own that leads only
to this machine. Needs root and the packages user-mode-linux, kmod, nfs-common and iproute2 (`./dev` installs them).
"""

import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

KERNEL = "/usr/bin/linux.uml"
MODULES = "/usr/lib/uml/modules"
NEEDED = {
    KERNEL: "user-mode-linux",
    MODULES: "user-mode-linux",
    "/sbin/modprobe": "kmod",
    "/sbin/mount.nfs": "nfs-common",
    "/dev/net/tun": "the kernel's module tun",
}

_NUMBERS = itertools.count(1)


def missing():
    """What this machine lacks, in one sentence; empty if nothing."""
    lacks = sorted({package for path, package in NEEDED.items() if not os.path.exists(path)})
    if os.geteuid() != 0:
        lacks.insert(0, "root")
    if shutil.which("ip") is None:
        lacks.append("iproute2")
    return f"a real NFS client needs {', '.join(lacks)}" if lacks else ""


class Failed(AssertionError):
    """A command in the guest ended with another status than 0."""


class Result:
    def __init__(self, status, output):
        self.status = status
        self.output = output

    def __repr__(self):
        return f"status {self.status}: {self.output}"


class Uml:
    """A booted kernel. `host` is the address of this machine as the guest sees it."""

    def __init__(self):
        # Several may run at a time, also of different processes.
        number = (os.getpid() * 8 + next(_NUMBERS)) % 60000
        self.number = number
        self.tap = f"kwuml{number}"
        network = f"10.{64 + number // 250 % 190}.{number % 250}"
        self.host = f"{network}.1"
        self.guest = f"{network}.2"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keyward-uml-"))
        self.process = None
        self.channel = None
        self.answers = {}
        self.came = threading.Condition()
        self.writing = threading.Lock()
        self.commands = itertools.count(1)

    def __enter__(self):
        try:
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.channel is not None:
            self.channel.close()
        if self.process is not None:
            # The processes of the guest are processes of this machine as well.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        _ip("link", "delete", self.tap, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _boot(self):
        _ip("tuntap", "add", "dev", self.tap, "mode", "tap")
        _ip("address", "add", f"{self.host}/24", "dev", self.tap)
        _ip("link", "set", self.tap, "up")
        listener = socket.create_server((self.host, 0))
        port = listener.getsockname()[1]
        modules = self.folder / "root/lib"
        modules.mkdir(parents=True)
        (modules / "modules").symlink_to(MODULES)
        init = self.folder / "init"
        init.write_text(
            "#!/bin/bash\n"
            "export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C\n"
            "mount -t proc proc /proc\n"
            "mount -t sysfs sys /sys\n"
            "mount -t tmpfs tmp /mnt\n"
            "mount -t tmpfs run /run\n"
            f"modprobe -d {self.folder}/root nfsv4\n"
            # What NFS clients tell servers apart by.
            f"echo guest-{self.number} > /proc/sys/kernel/hostname\n"
            "ip link set lo up\n"
            f"ip address add {self.guest}/24 dev vec0\n"
            "ip link set vec0 up\n"
            f"exec {sys.executable} {pathlib.Path(__file__).resolve()} {self.host} {port}\n"
        )
        init.chmod(0o755)
        log = open(self.folder / "console", "wb")
        self.process = subprocess.Popen(
            [
                KERNEL,
                "mem=192M",
                "rootfstype=hostfs",
                "rootflags=/",
                "rw",
                f"init={init}",
                # Without gro, large TCP frames get stuck.
                f"vec0:transport=tap,ifname={self.tap},depth=128,gro=1",
                "con=null",
                "con0=null,fd:1",
                "quiet",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env={"TMPDIR": str(self.folder), "PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
            start_new_session=True,
        )
        listener.settimeout(1)
        for _ in range(60):
            try:
                self.channel, _address = listener.accept()
                break
            except TimeoutError:
                if self.process.poll() is not None:
                    break
        listener.close()
        if self.channel is None:
            raise RuntimeError(f"the guest did not start: {self.console()[-4000:]}")
        self.channel.settimeout(None)
        threading.Thread(target=self._receive, daemon=True).start()

    def console(self):
        """What the guest's kernel has said."""
        return (self.folder / "console").read_text(errors="replace")

    def _receive(self):
        try:
            for line in self.channel.makefile("r"):
                answer = json.loads(line)
                with self.came:
                    self.answers[answer["number"]] = Result(answer["status"], answer["output"])
                    self.came.notify_all()
        except (OSError, ValueError):
            pass

    def start(self, script):
        """Runs a script of the shell in the guest, and answers its number for `wait`."""
        number = next(self.commands)
        line = json.dumps({"number": number, "script": script}) + "\n"
        with self.writing:
            self.channel.sendall(line.encode())
        return number

    def wait(self, number, seconds=30):
        """How a script ended; `TimeoutError` if it has not."""
        deadline = time.monotonic() + seconds
        with self.came:
            while number not in self.answers:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"the guest has not answered for {seconds} s: {self.console()[-2000:]}")
                self.came.wait(left)
            return self.answers.pop(number)

    def run(self, script, seconds=30):
        """Runs a script and answers how it ended."""
        return self.wait(self.start(script), seconds)

    def check(self, script, seconds=30):
        """Runs a script that must succeed, and answers what it wrote."""
        result = self.run(script, seconds)
        if result.status != 0:
            raise Failed(f"{script}: {result}")
        return result.output

    def mount(self, folder, options, export="/", server=None, seconds=60):
        """Mounts an export of this machine at /mnt/FOLDER in the guest."""
        source = f"{server or self.host}:{export}"
        return self.run(f"mkdir -p /mnt/{folder} && mount -t nfs4 -o {options} {source} /mnt/{folder}", seconds)


def _ip(*arguments, check=True):
    subprocess.run(["ip", *arguments], check=check, capture_output=not check)


def _serve(host, port):
    """The first process of the guest."""
    channel = socket.create_connection((host, port))
    writing = threading.Lock()

    def work(command):
        done = subprocess.run(
            ["/bin/bash", "-c", command["script"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output = done.stdout.decode(errors="replace").strip()
        answer = {"number": command["number"], "status": done.returncode, "output": output}
        with writing:
            channel.sendall((json.dumps(answer) + "\n").encode())

    for line in channel.makefile("r"):
        threading.Thread(target=work, args=(json.loads(line),), daemon=True).start()
    os.system("poweroff -f")


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
