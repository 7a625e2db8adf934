"""A server that root starts: it serves as somebody else, and without any capability."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import urllib.request

import boto3
import pytest

from keyward import Server, binary, clean_environment, eventually
from volumes import require

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# The unprivileged user that every system has.
NOBODY = pwd.getpwnam("nobody")
# A user that no system has.
STRANGER = 54321


@pytest.fixture
def folder():
    """A directory that others than root can enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="keyward-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(folder):
    """Starts servers on one data directory, and ends them."""
    servers = []

    def start(*words):
        servers.append(Server(folder / "data", *words))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def data_of(folder, uid, gid):
    path = folder / "data"
    path.mkdir(mode=0o700)
    os.chown(path, uid, gid)
    return path


def statuses(server):
    """What the kernel says of each thread of a server."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()
    return [dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()) for task in tasks]


def assert_unprivileged(server, uid, gid, groups):
    for status in statuses(server):
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, (kind, status)
        assert status["NoNewPrivs"] == "1"
        assert status["Uid"].split() == [str(uid)] * 4
        assert status["Gid"].split() == [str(gid)] * 4
        assert sorted(status["Groups"].split()) == sorted(map(str, groups))


def log(server):
    return server.data_dir.with_suffix(".log").read_text()


def test_the_owner_of_the_data_directory_serves(folder, start):
    data_of(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    server = start()
    assert_unprivileged(server, NOBODY.pw_uid, NOBODY.pw_gid, os.getgrouplist("nobody", NOBODY.pw_gid))
    server.client("kms").create_key()
    # All that it has created is its own.
    assert {path.stat().st_uid for path in server.data_dir.rglob("*")} == {NOBODY.pw_uid}
    assert '"user":"nobody"' in log(server)
    server.restart()
    server.client("kms").list_keys()


def test_an_owner_without_a_name_serves(folder, start):
    data_of(folder, STRANGER, STRANGER + 1)
    server = start()
    assert_unprivileged(server, STRANGER, STRANGER + 1, [STRANGER + 1])
    server.client("kms").create_key()


@pytest.mark.parametrize("given", ["nobody", str(NOBODY.pw_uid)])
def test_the_given_user_serves_and_gets_a_new_data_directory(folder, start, given):
    server = start("--user", given)
    found = server.data_dir.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (NOBODY.pw_uid, NOBODY.pw_gid, 0o700)
    assert_unprivileged(server, NOBODY.pw_uid, NOBODY.pw_gid, os.getgrouplist("nobody", NOBODY.pw_gid))


def test_the_configuration_names_the_user(folder, start):
    config = folder / "keyward.toml"
    config.write_text('user = "nobody"\n')
    config.chmod(0o600)
    server = start("--config", config)
    assert_unprivileged(server, NOBODY.pw_uid, NOBODY.pw_gid, os.getgrouplist("nobody", NOBODY.pw_gid))


def test_what_only_root_may_is_done_before(folder, start):
    """A privileged port, and a private key that only root can read."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    more = ["-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*new, *more], check=True, capture_output=True)
    key.chmod(0o600)
    config = folder / "keyward.toml"
    config.write_text(f'user = "nobody"\n[tls]\ncertificate = "{certificate}"\nprivate_key = "{key}"\n')
    port = next(port for port in range(1023, 512, -1) if is_free(port))
    server = start("--config", config, "--admin-listen", f"127.0.0.1:{port}")
    assert_unprivileged(server, NOBODY.pw_uid, NOBODY.pw_gid, os.getgrouplist("nobody", NOBODY.pw_gid))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as metrics:
        assert metrics.status == 200
    access, secret = server.root_credentials()
    client = boto3.client(
        "kms",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        verify=str(certificate),
    )
    client.create_key()


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_root_serves_without_capabilities_where_the_data_is_its_own(folder, start):
    data_of(folder, 0, 0)
    server = start()
    assert_unprivileged(server, 0, 0, os.getgroups())
    server.client("kms").create_key()
    assert "the server runs as root, though without any capability" in log(server)


def refused(folder, *words):
    command = [binary(), "serve", "--data-dir", folder / "data", "--listen", "127.0.0.1:0", *words]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=clean_environment())
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.removeprefix("keyward: ").removesuffix("\n").replace(f"{folder}/", "")


def test_a_data_directory_of_somebody_else_is_refused(folder):
    data_of(folder, 0, 0)
    group = "nogroup"
    assert refused(folder, "--user", "nobody") == (
        "the data directory data belongs to another user than `nobody`, which the server is to serve as: give it away "
        f"with `chown -R nobody:{group} data`, the root key too if it is elsewhere"
    )
    assert refused(folder, "--user", "nobody-of-that-name") == (
        "there is no user `nobody-of-that-name`: create it with `useradd --system nobody-of-that-name`, or give another "
        "--user"
    )
    assert list((folder / "data").iterdir()) == []


def test_an_agent_beside_the_server_needs_a_data_directory_of_root(folder):
    data_of(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    assert refused(folder, "--agent") == (
        "--agent keeps its volumes in the data directory and runs as root, so root must own the data directory, "
        "but the server would run as `nobody`. Run a separate agent instead, as root: `keyward agent run --data-dir data`"
    )


def test_a_place_for_backups_is_for_an_agent(folder):
    data_of(folder, 0, 0)
    assert refused(folder, "--backup-to", "/mnt/backups") == (
        "--backup-to is for the agent, which makes the backups: add --agent"
    )


def test_an_agent_beside_the_server_has_what_the_server_has_given_up(folder, start):
    require()
    server = start("--agent")
    assert_unprivileged(server, 0, 0, os.getgroups())
    agents = lambda: keyward("agent", "list", "--data-dir", server.data_dir)  # noqa: E731
    eventually(lambda: "yes" in agents())
    began = children(server.process.pid)
    assert len(began) == 1
    (beside,) = began
    # It ends with the server, however that ends.
    server.kill()
    eventually(lambda: not pathlib.Path(f"/proc/{beside}").exists())
    server.start()


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def keyward(*words):
    done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nobody_else_can_choose(folder):
    data_of(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    shutil.copy(binary(), folder / "keyward")
    command = [folder / "keyward", "serve", "--data-dir", folder / "data", "--listen", "127.0.0.1:0", "--user", "root"]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=clean_environment(), user=NOBODY.pw_uid, group=NOBODY.pw_gid
    )
    assert (done.returncode, done.stderr) == (
        1,
        "keyward: only root can serve as another user: start the server as root, or leave `--user root` out\n",
    )


def fails(*words, user=None):
    """What a command says that is refused."""
    command = [binary(), *map(str, words)]
    if user:
        command = ["setpriv", f"--reuid={user}", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


def test_root_changes_nothing_in_a_data_directory_of_another_user(folder, start):
    server = start()
    server.kill()
    data = folder / "data"
    for path in [data, *data.rglob("*")]:
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    told = fails("service", "create", "elasticfilesystem", "--data-dir", data)
    assert told.startswith(f"keyward: the data directory {data} belongs to `nobody`, who could not read what root creates")
    assert "`runuser -u nobody -- keyward ...`" in told
    assert not (data / "credentials-elasticfilesystem").exists()


def test_a_directory_that_may_not_be_read_is_not_called_missing(folder):
    closed = folder / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    told = fails("agent", "list", "--data-dir", closed / "data", user=NOBODY.pw_uid)
    assert f"this user may not read the data directory {closed / 'data'}" in told
