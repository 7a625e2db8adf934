"""Databases whose processes are killed at any moment while rows are committed: what was committed is there.

`KEYWARD_KILLS` sets how many times each kind of process is killed (2 by default).
"""

import os
import random
import signal
import subprocess
import threading

from databases import PATIENCE, PROGRAMS, check_data, database_storage, instance, offered, rds
from keyward import eventually
from storage import arn, kms


class Counter:
    """A client that inserts numbers one after the other, and notes down those that were committed."""

    def __init__(self, instance):
        self.instance = instance
        self.committed, self.stopped = [], threading.Event()
        self.environment = instance.environment()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = 0
        while not self.stopped.is_set():
            client = subprocess.Popen(
                [PROGRAMS / "psql", "-XAtw", "-v", "ON_ERROR_STOP=1"], env=self.environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
            try:
                while not self.stopped.is_set():
                    number += 1
                    client.stdin.write(f"INSERT INTO counter VALUES ({number}) RETURNING id;\n")
                    client.stdin.flush()
                    # Only the second line says that it was committed.
                    if [client.stdout.readline().strip() for _ in range(2)] != [str(number), "INSERT 0 1"]:
                        break
                    self.committed.append(number)
            except BrokenPipeError:
                pass
            finally:
                client.kill()
                client.wait()
            self.stopped.wait(0.1)

    def goes_on(self):
        before = len(self.committed)
        try:
            eventually(lambda: len(self.committed) > before + 5, seconds=PATIENCE)
        except AssertionError as error:
            raise AssertionError(self.instance.said()) from error

    def stop(self):
        self.stopped.set()
        self.thread.join()


def test_what_was_committed_is_there_however_often_everything_is_killed(own_server, rds, instance):
    storage = instance.storage
    instance.psql("CREATE TABLE counter (id int PRIMARY KEY)")
    counter = Counter(instance)
    kinds = ["postmaster", "backend", "volume", "agent", "server"]
    victims = kinds * int(os.environ.get("KEYWARD_KILLS", "2"))
    random.Random(15).shuffle(victims)
    try:
        for victim in victims:
            counter.goes_on()
            if victim == "postmaster":
                os.kill(storage.postmaster(instance.id), signal.SIGKILL)
            elif victim == "backend":
                os.kill(random.choice(instance.processes()), signal.SIGKILL)
            elif victim == "volume":
                os.kill(storage.keeper(instance.id)["pid"], signal.SIGKILL)
            elif victim == "agent":
                postmaster = storage.postmaster(instance.id)
                storage.kill()
                counter.goes_on()
                storage.start()
                counter.goes_on()
                # It is the same server: nobody was disconnected.
                assert storage.postmaster(instance.id) == postmaster
            else:
                own_server.restart()
        counter.goes_on()
    finally:
        counter.stop()
    # The server has another port since it was killed.
    rds = instance.rds = own_server.client("rds")
    instance.wait()
    found = set(map(int, instance.psql("SELECT id FROM counter").split()))
    assert set(counter.committed) <= found
    amcheck = subprocess.run(
        [
            PROGRAMS / "pg_amcheck", "--install-missing", "--heapallindexed", "--parent-check",
            "--host", storage.runtime() / "servers" / instance.id / "socket", "--port", str(instance.port),
            "--username", "rdsadmin", "--no-password", "--database", "app", "--database", "postgres",
        ],
        capture_output=True, text=True,
    )
    assert amcheck.returncode == 0, amcheck.stdout + amcheck.stderr
    rds.stop_db_instance(DBInstanceIdentifier=instance.name)
    instance.wait("stopped")
    check_data(storage.mounted(instance.id) / "pgdata")
