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
