"""A disk that is really full: nothing is answered that is not on the trail, and it mends itself."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from keyward import Server, binary, clean_environment

# Small enough to fill at once, large enough for a store and its journal.
MIB = 24


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mount = tmp_path / "disk"
    mount.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={MIB}m", "tmpfs"]
    subprocess.run(["mount", *options, mount], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", mount], check=True)


def fill(disk):
    """Leaves not one block."""
    with open(disk / "filler", "wb", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError:
                continue


def ready(server):
    try:
        with urllib.request.urlopen(server.url + "/readyz") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until(server, status):
    for _ in range(100):
        found = ready(server)
        if found[0] == status:
            return found[1]
        time.sleep(0.2)
    raise AssertionError(f"/readyz never answered {status}: {ready(server)}")


def test_a_full_disk_refuses_and_recovers(disk, tmp_path):
    config = tmp_path / "keyward.toml"
    config.write_text("[limits]\nfree_disk_bytes = 4194304\n")
    server = Server(disk / "data", "--config", config)
    try:
        kms = server.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        wait_until(server, 200)
        # Red while there is still room: requests still succeed.
        with open(disk / "cushion", "wb") as cushion:
            free = os.statvfs(disk)
            cushion.write(b"\0" * (free.f_bavail * free.f_frsize - (2 << 20)))
        assert "the disk is nearly full" in wait_until(server, 503)
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"

        fill(disk)
        for request in (
            lambda: kms.decrypt(CiphertextBlob=blob),
            lambda: kms.create_key(),
        ):
            with pytest.raises(ClientError) as caught:
                for _ in range(50):
                    request()
            error = caught.value.response
            assert error["Error"]["Code"] == "KMSInternalException"
            assert error["ResponseMetadata"]["HTTPStatusCode"] == 500

        (disk / "filler").unlink()
        (disk / "cushion").unlink()
        wait_until(server, 200)
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
        kms.create_key()
        assert server.drain() == 0
        command = [binary(), "audit", "verify", "--data-dir", server.data_dir]
        audit = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
        assert audit.returncode == 0, audit.stderr
    finally:
        if server.process.poll() is None:
            server.kill()


def test_one_cause_does_not_flood_the_log(disk, tmp_path):
    # The log is on another disk.
    (disk / "data").mkdir(mode=0o700)
    (tmp_path / "data").symlink_to(disk / "data")
    server = Server(tmp_path / "data")
    try:
        kms = server.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        fill(disk)
        failed = 0
        for _ in range(200):
            try:
                kms.encrypt(KeyId=key, Plaintext=b"x")
            except ClientError:
                failed += 1
        assert failed > 100
        lines = [json.loads(line) for line in (tmp_path / "data.log").read_text().splitlines()]
        messages = [line["fields"]["message"] for line in lines if line["level"] in ("ERROR", "WARN")]
        assert messages.count("request failed") == 5, messages
        assert len(messages) < 30, messages
    finally:
        server.kill()


FULL = "no room left to write: free space on"
BOTH = f"the store and the audit trail have {FULL} their disk"
TOLD = "The request could not be completed: the server's disk is full. Its operator must free space on it."


def test_a_full_disk_is_told_once_with_what_to_do(disk, tmp_path):
    # The log is on another disk.
    (disk / "data").mkdir(mode=0o700)
    (tmp_path / "data").symlink_to(disk / "data")
    server = Server(tmp_path / "data")
    try:
        kms, iam = server.client("kms"), server.client("iam")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        fill(disk)
        requests = {
            "Encrypt": (lambda: kms.encrypt(KeyId=key, Plaintext=b"x"), "KMSInternalException"),
            "CreateKey": (lambda: kms.create_key(), "KMSInternalException"),
            "CreateUser": (lambda: iam.create_user(UserName="x"), "ServiceFailure"),
        }
        for request, code in requests.values():
            with pytest.raises(ClientError) as caught:
                for _ in range(50):
                    request()
            error = caught.value.response["Error"]
            assert (error["Code"], error["Message"]) == (code, TOLD)
        for _ in range(100):
            told = ready(server)
            if told == (503, BOTH + "\n"):
                break
            time.sleep(0.2)
        assert told == (503, BOTH + "\n")
        lines = [json.loads(line)["fields"] for line in (tmp_path / "data.log").read_text().splitlines()]
        causes = {line["cause"] for line in lines if line["message"] == "request failed"}
        assert causes == {
            f"the audit event cannot be recorded: the audit trail has {FULL} its disk",
            f"the store has {FULL} its disk",
        }
    finally:
        server.kill()
    # What starts or is called on such a disk says it as well.
    left = f"{tmp_path}/data"
    no_space = "No space left on device (os error 28): free space on its disk, then try again\n"
    for command, said in [
        (["serve", "--listen", "127.0.0.1:0"], f"keyward: {left}/environment.toml cannot be written: {no_space}"),
        (["init"], f"keyward: {left}/environment.toml cannot be written: {no_space}"),
        (
            ["init", "--new-root-credentials"],
            f"keyward: the credentials cannot be written: {left}/admin-credentials: {no_space}",
        ),
        (
            ["account", "create", "--account-id", "111122223333"],
            "keyward: cannot create account 111122223333: the credentials cannot be written: "
            f"{left}/credentials-111122223333: {no_space}",
        ),
        (
            ["service", "create", "elasticfilesystem"],
            f"keyward: the credentials cannot be written: {left}/credentials-elasticfilesystem: {no_space}",
        ),
    ]:
        command = ["timeout", "20", binary(), *command, "--data-dir", left]
        ended = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)


# Room for nothing, and for a part of what a first start writes.
@pytest.mark.parametrize("left", [0, 8, 40, 80])
def test_a_first_start_on_a_full_disk_says_what_to_do(disk, left):
    with open(disk / "cushion", "wb") as cushion:
        cushion.write(b"\0" * (left << 10))
    fill(disk)
    (disk / "cushion").unlink()
    command = [binary(), "init", "--data-dir", disk / "data", "--log", "off"]
    ended = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("free space on its disk") == 1, ended.stderr
