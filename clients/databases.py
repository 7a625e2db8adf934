"""Databases that a test owns: an agent on this machine that runs PostgreSQL, DB instances on it, clients that verify them, and
their end after the test."""

import contextlib
import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time
import uuid

import pytest

from keyward import clean_environment, eventually
from storage import Storage
from volumes import require as require_volumes

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
PASSWORD = "correct-horse-battery"
# How long something may take that does happen.
PATIENCE = 180


def require():
    """Databases need PostgreSQL besides what volumes need."""
    require_volumes()
    lacks = [name for name in ("postgres", "psql", "pgbench") if not (PROGRAMS / name).exists()]
    if lacks and os.environ.get("CI") != "true":
        pytest.skip("databases need the package postgresql-15")
    assert not lacks, lacks


def free_port():
    """A port that nobody has, outside of those that the kernel gives to clients."""
    for port in range(20_000 + os.getpid() % 5_000, 32_000, 7):
        with socket.socket() as tried:
            try:
                tried.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


class DatabaseStorage(Storage):
    """An agent that runs databases."""

    def runtime(self):
        """Where database servers are told something, and where their volumes are mounted."""
        return runtime_of(self.state)

    def authority(self):
        return self.state / "postgres" / "authority" / "authority.pem"

    def user(self, resource_id):
        """The system user of a database; none if there is none."""
        return user_of(resource_id)

    def processes(self, resource_id):
        """The processes of a database."""
        user = self.user(resource_id)
        return [] if user is None else processes_of(user.pw_uid)

    def postmaster(self, resource_id):
        path = self.mounted(resource_id) / "pgdata" / "postmaster.pid"
        return int(path.read_text().split()[0])

    def mounted(self, resource_id):
        """Where the volume of a database is mounted."""
        return self.runtime() / "volumes" / resource_id

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        end_databases(self.state)
        super().end()
        remove_databases(self.state)


def runtime_of(state):
    """Where everything is of the database servers of the agent with that state directory."""
    digest = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()
    return pathlib.Path("/run/keyward-postgres") / digest[:8]


def user_of(resource_id):
    name = f"keyward-pg-{resource_id}".lower()[:32]
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def end_databases(state):
    """Kills what an agent that has ended has left of its databases, before its volumes are taken away."""
    for path in (runtime_of(state) / "servers").glob("db-*"):
        user = user_of(path.name)
        while user is not None and (left := processes_of(user.pw_uid)):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def remove_databases(state):
    """Removes the rest."""
    runtime = runtime_of(state)
    for path in (runtime / "servers").glob("db-*"):
        user = user_of(path.name)
        if user is not None:
            subprocess.run(["userdel", user.pw_name], capture_output=True)
    for point in (runtime / "volumes").glob("*"):
        subprocess.run(["umount", "-l", point], capture_output=True)
    shutil.rmtree(runtime, ignore_errors=True)


def processes_of(uid):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
        if str(uid) in ids and "\nState:\tZ" not in status:
            found.append(int(path.name))
    return found


class Instance:
    """One DB instance, by its name."""

    def __init__(self, rds, storage, **members):
        self.rds, self.storage = rds, storage
        self.name = "orders-" + uuid.uuid4().hex[:8]
        self.port = members.pop("Port", free_port())
        made = rds.create_db_instance(
            **{
                "DBInstanceIdentifier": self.name,
                "DBInstanceClass": "db.t3.micro",
                "Engine": "postgres",
                "AllocatedStorage": 20,
                "MasterUsername": "master",
                "MasterUserPassword": PASSWORD,
                "DBName": "app",
                "Port": self.port,
                **members,
            }
        )["DBInstance"]
        self.id = made["DbiResourceId"]

    def wait(self, status="available", seconds=PATIENCE):
        end = time.monotonic() + seconds
        while (found := self.status()) != status:
            if time.monotonic() > end:
                raise AssertionError(f"not {status} but {found}\n{self.said()}")
            time.sleep(0.2)
        return self

    def said(self):
        """What the agent says of it, and what it has logged."""
        listed = self.storage.run("agent", "list", "--data-dir", self.storage.server.data_dir).stdout
        return listed + self.storage.log()[-6000:]

    def describe(self):
        (found,) = self.rds.describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"]
        return found

    def status(self):
        try:
            return self.describe()["DBInstanceStatus"]
        except self.rds.exceptions.DBInstanceNotFoundFault:
            return None

    def environment(self, password=PASSWORD):
        """For a client that verifies the server."""
        endpoint = self.describe()["Endpoint"]
        return {
            **clean_environment(),
            "PGHOST": endpoint["Address"],
            "PGPORT": str(endpoint["Port"]),
            "PGUSER": "master",
            "PGDATABASE": "app",
            "PGPASSWORD": password,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.storage.authority()),
            "PGCONNECT_TIMEOUT": "20",
        }

    def command(self, sql):
        return [PROGRAMS / "psql", "-XqAtw", "-v", "ON_ERROR_STOP=1", "-c", sql]

    def try_psql(self, sql, password=PASSWORD):
        return subprocess.run(
            self.command(sql), env=self.environment(password), capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    def psql(self, sql, password=PASSWORD):
        """The answer to a question."""
        done = self.try_psql(sql, password)
        assert done.returncode == 0, done.stderr + self.said()
        return done.stdout.strip()

    def session(self, sql, **options):
        """A client that goes on."""
        return subprocess.Popen(
            self.command(sql), env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, **options,
        )

    def is_reachable(self):
        return self.try_psql("SELECT 1").returncode == 0

    def processes(self):
        return self.storage.processes(self.id)


def check_data(data):
    """Checks the checksums of everything, while the server does not run."""
    uid = os.stat(data).st_uid
    done = subprocess.run(
        ["setpriv", f"--reuid={uid}", "--clear-groups", PROGRAMS / "pg_checksums", "--check", "-D", data],
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Bad checksums:  0" in done.stdout, done.stdout


@pytest.fixture
def database_storage(own_server, tmp_path):
    require()
    storage = DatabaseStorage(own_server, tmp_path)
    yield storage
    storage.end()


@pytest.fixture
def rds(own_server):
    return own_server.client("rds")


@pytest.fixture
def offered(rds, database_storage):
    """An agent whose databases the server has heard of."""
    eventually(lambda: rds.describe_db_engine_versions(Engine="postgres")["DBEngineVersions"])
    return database_storage


@pytest.fixture
def instance(rds, offered, arn):
    """An encrypted instance that is available."""
    return Instance(rds, offered, StorageEncrypted=True, KmsKeyId=arn).wait()
