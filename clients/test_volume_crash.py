"""SIGKILL of a volume's process at any moment under load: every byte that was flushed is there afterwards.

`KEYWARD_KILLS` sets how often the process is killed (10 by default).
"""

import os
import random
import threading
import time

from volumes import device_of, run, volumes

KILLS = int(os.environ.get("KEYWARD_KILLS", "10"))
# How long the load runs before the kill, in seconds, at most.
LONGEST = 0.4


class Writer:
    """Appends to one file and flushes each time; notes what had been flushed, and nothing else."""

    def __init__(self, path):
        self.path = path
        self.flushed = b""
        # What may be there in addition: it was written, and the process was killed before the flush ended.
        self.open = b""

    def run(self, stop):
        try:
            with open(self.path, "ab", buffering=0) as file:
                while not stop.is_set():
                    self.open = os.urandom(random.choice((1, 700, 4096, 20_000)))
                    file.write(self.open)
                    os.fsync(file.fileno())
                    self.flushed += self.open
                    self.open = b""
                    if len(self.flushed) > 2_000_000:
                        return
        except OSError:
            # The process was killed: this write was not flushed.
            pass

    def check(self):
        found = self.path.read_bytes()
        assert found.startswith(self.flushed), f"{self.path.name} lost what had been flushed"
        rest = found[len(self.flushed) :]
        # Nothing that nobody wrote: ext4 may know of a length whose bytes were not written any more.
        written = self.open[: len(rest)]
        assert len(rest) <= len(self.open)
        assert all(byte in (wanted, 0) for byte, wanted in zip(rest, written)), f"{self.path.name} has other bytes"
        with open(self.path, "r+b") as file:
            file.truncate(len(self.flushed))
            os.fsync(file.fileno())


def test_nothing_flushed_is_lost(volumes, arn):
    image = volumes.create(arn, "256MiB")
    mnt = volumes.attach(image)
    writers = []
    for kill in range(KILLS):
        # New files as well as old ones; files that are complete are still checked after each kill.
        if kill % 10 < 3:
            writers.append(Writer(mnt / f"file-{kill}"))
        stop = threading.Event()
        threads = [threading.Thread(target=writer.run, args=(stop,)) for writer in writers[-4:]]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.02, LONGEST))
        volumes.kill(image)
        stop.set()
        for thread in threads:
            thread.join()
        volumes.attach(image)
        for writer in writers:
            if writer.path.exists() or writer.flushed:
                writer.check()
    assert sum(len(writer.flushed) for writer in writers) > 0
    assert volumes("check", image).startswith("image is as it was written: ")
    volumes("detach", image)
    volumes("attach", "--no-mount", image)
    run("e2fsck", "-fn", device_of(volumes, image))
    volumes("detach", image)
