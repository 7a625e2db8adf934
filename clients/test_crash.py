"""SIGKILL at any moment under load: nothing acknowledged is lost, and every blob opens.

`KEYWARD_KILLS` sets how many times the server is killed (20 by default).
"""

import json
import os
import random
import subprocess
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from keyward import Server, binary, clean_environment

KILLS = int(os.environ.get("KEYWARD_KILLS", "20"))
# How long the load runs before the kill, in seconds, at most.
LONGEST = 0.4


def policy(sid):
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Load:
    """Writers that note down what the server acknowledged, and nothing else."""

    def __init__(self):
        self.keys, self.blobs, self.policies = [], [], {}
        self.lock = threading.Lock()

    def run(self, server, stop):
        workers = [
            threading.Thread(target=self.work, args=(server, stop, step))
            for step in (self.create, self.encrypt, self.put_policy)
        ]
        for worker in workers:
            worker.start()
        return workers

    def work(self, server, stop, step):
        kms = server.client("kms")
        while not stop.is_set():
            try:
                step(kms)
            except (BotoCoreError, ClientError):
                # The connection went with the server: this request was not acknowledged.
                if stop.wait(0.01):
                    return

    def create(self, kms):
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        with self.lock:
            self.keys.append(key)

    def encrypt(self, kms):
        with self.lock:
            key = random.choice(self.keys)
        plaintext = os.urandom(16)
        blob = kms.encrypt(KeyId=key, Plaintext=plaintext)["CiphertextBlob"]
        with self.lock:
            self.blobs.append((blob, plaintext))

    def put_policy(self, kms):
        with self.lock:
            key = random.choice(self.keys[:8])
        sid = f"at {time.monotonic_ns()}"
        # Until the answer comes either policy may stand.
        self.policies.setdefault(key, {"Enable IAM User Permissions"}).add(sid)
        kms.put_key_policy(KeyId=key, Policy=policy(sid))
        self.policies[key] = {sid}


def check(kms, load):
    for key in load.keys:
        assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    for blob, plaintext in load.blobs:
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plaintext
    for key, sids in load.policies.items():
        text = kms.get_key_policy(KeyId=key)["Policy"]
        assert any(sid in text for sid in sids), (key, sids, text)


def test_nothing_acknowledged_is_lost(tmp_path):
    server = Server(tmp_path / "data")
    load = Load()
    load.keys.append(server.client("kms").create_key()["KeyMetadata"]["KeyId"])
    try:
        for _ in range(KILLS):
            stop = threading.Event()
            workers = load.run(server, stop)
            time.sleep(random.uniform(0.02, LONGEST))
            server.kill()
            stop.set()
            for worker in workers:
                worker.join()
            server.start()
            check_last(server.client("kms"), load)
        check(server.client("kms"), load)
        server.drain()
        command = [binary(), "audit", "verify", "--data-dir", server.data_dir]
        audit = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
        assert audit.returncode == 0, audit.stderr
        assert audit.stdout.startswith("Verified "), audit.stdout
    finally:
        if server.process.poll() is None:
            server.kill()


def check_last(kms, load):
    """What was acknowledged right before the kill; the rest is checked at the end."""
    for key in load.keys[-3:]:
        kms.describe_key(KeyId=key)
    for blob, plaintext in load.blobs[-3:]:
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plaintext


@pytest.mark.parametrize("change", ["disable_key", "deny by policy"])
def test_no_decrypt_begun_after_a_revocation_succeeds(kms, server, change):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for round_number in range(15):
        revoked, finish, wrong = threading.Event(), threading.Event(), []

        def reader():
            client = server.client("kms")
            while not finish.is_set():
                late = revoked.is_set()
                try:
                    client.decrypt(CiphertextBlob=blob)
                    if late:
                        wrong.append(round_number)
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    assert code in ("DisabledException", "AccessDeniedException"), code

        readers = [threading.Thread(target=reader) for _ in range(3)]
        for thread in readers:
            thread.start()
        time.sleep(0.05)
        if change == "disable_key":
            kms.disable_key(KeyId=key)
        else:
            deny(kms, key)
        revoked.set()
        time.sleep(0.05)
        finish.set()
        for thread in readers:
            thread.join()
        assert not wrong
        if change == "disable_key":
            kms.enable_key(KeyId=key)
        else:
            kms.put_key_policy(KeyId=key, Policy=policy("again"))


def deny(kms, key):
    statements = json.loads(policy("still"))["Statement"]
    statements.append({**statements[0], "Sid": "no", "Effect": "Deny", "Action": "kms:Decrypt"})
    kms.put_key_policy(
        KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
