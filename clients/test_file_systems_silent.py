"""A place for backups that does not answer: a file system of FUSE whose process says nothing, as one of another machine may."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

from keyward import binary, eventually
from storage import arn, efs, kms, shared
from test_file_systems_backups import backup, backups, place, storage
from volumes import write


@contextlib.contextmanager
def silent(place):
    """Until the end, whoever opens the place waits."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if libc.mount(b"silent", bytes(place), b"fuse.silent", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "cannot mount")
        yield
    finally:
        # What waits fails now.
        os.close(device)
        subprocess.run(["umount", "-l", place], check=True)


def test_an_agent_ends_although_its_place_says_nothing(storage, shared, place):
    file_system, file = shared
    name = backup(storage, file_system)
    write(file, b"more")
    storage.unmount(file.parent)
    with silent(place):
        words = [binary(), "agent", "backup", file_system, "--state-dir", storage.state]
        asked = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        eventually(lambda: storage.log().count("backing the volume up") == 2)
        time.sleep(2)
        begun = time.monotonic()
        storage.process.send_signal(signal.SIGTERM)
        assert storage.process.wait(timeout=60) == 0
        assert time.monotonic() - begun < 20
        assert storage.keeper(file_system) is None
        assert "the agent has ended before it was done" in asked.communicate(timeout=10)[1]
    storage.start()
    eventually((storage.state / "mounts" / file_system / "file").exists, seconds=30)
    assert backups(storage, file_system) == ({file_system: [name]}, [])
