"""The process: first start, restart, crash, refusals, and what is left in the data directory."""

import json
import os
import pty
import re
import shutil
import stat
import subprocess

import pytest

from errors import refused
from keyward import ACCOUNT, Server, binary, clean_environment, eventually
from test_events import trail


def keyward(*arguments, **environment):
    return subprocess.run(
        [binary(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**clean_environment(), **environment},
    )


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_first_start_makes_the_root_key_and_the_credentials(own_server):
    assert mode(own_server.data_dir / "root.key") == 0o600
    assert mode(own_server.data_dir / "admin-credentials") == 0o600
    key, secret = own_server.root_credentials()
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key)
    assert len(secret) == 40
    assert own_server.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_everything_is_there_after_a_crash(own_server):
    kms = own_server.client("kms")
    key = kms.create_key(Description="kept")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/kept", TargetKeyId=key)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}])
    blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    before = kms.describe_key(KeyId=key)["KeyMetadata"]
    own_server.restart()
    kms = own_server.client("kms")
    assert kms.describe_key(KeyId="alias/kept")["KeyMetadata"] == before
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "a", "TagValue": "b"}]


def test_sigterm_drains_and_leaves_with_0(own_server):
    own_server.client("kms").create_key()
    assert own_server.drain() == 0


def test_what_was_changed_before_sigterm_is_on_the_trail_when_the_server_has_left(own_server):
    kms = own_server.client("kms")
    made = [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(20)]
    assert own_server.drain() == 0
    recorded = [
        event["resources"][0]["ARN"] for event in trail(own_server) if event["eventName"] == "CreateKey"
    ]
    assert recorded == made


def test_a_second_process_on_the_directory_is_refused(own_server):
    second = keyward("serve", "--data-dir", own_server.data_dir, "--listen", "127.0.0.1:0")
    assert second.returncode != 0
    assert str(own_server.data_dir) in second.stderr
    own_server.client("kms").list_keys()


def test_a_store_without_its_root_key_does_not_start(own_server):
    own_server.drain()
    key = own_server.data_dir / "root.key"
    kept = key.read_bytes()
    key.unlink()
    refused = keyward("serve", "--data-dir", own_server.data_dir, "--listen", "127.0.0.1:0")
    assert refused.returncode != 0
    assert "root" in refused.stderr
    assert not key.exists(), "nothing is made anew"
    key.write_bytes(kept)
    key.chmod(0o644)
    refused = keyward("serve", "--data-dir", own_server.data_dir, "--listen", "127.0.0.1:0")
    assert refused.returncode != 0, "others could read the root key"
    key.chmod(0o600)
    own_server.start()
    own_server.client("kms").list_keys()


def test_a_new_store_for_a_root_key_that_existed_is_warned_about(tmp_path):
    """Perhaps the data directory was lost."""
    server = Server(tmp_path / "data", "--root-key", tmp_path / "root.key")
    text = "a new store was created for a root key that existed before: if this is not the first start, the data directory was lost"
    log = server.data_dir.with_suffix(".log")
    try:
        server.restart()
        assert text not in log.read_text()
        server.kill()
        shutil.rmtree(server.data_dir)
        server.start()
        assert text in log.read_text()
    finally:
        server.kill()


def test_a_store_with_another_root_key_does_not_start(own_server, tmp_path):
    own_server.drain()
    assert keyward("init", "--data-dir", tmp_path / "other").returncode == 0
    (own_server.data_dir / "root.key").write_bytes((tmp_path / "other/root.key").read_bytes())
    refused = keyward("serve", "--data-dir", own_server.data_dir, "--listen", "127.0.0.1:0")
    assert refused.returncode != 0


def test_init_makes_what_the_first_start_makes(tmp_path):
    assert keyward("init", "--data-dir", tmp_path / "data").returncode == 0
    before = (tmp_path / "data/admin-credentials").read_text()
    server = Server(tmp_path / "data")
    assert (tmp_path / "data/admin-credentials").read_text() == before
    assert server.client("sts").get_caller_identity()["Account"] == ACCOUNT
    server.kill()


def test_lost_root_credentials_can_be_made_anew_offline(own_server):
    old = own_server.root_credentials()
    own_server.drain()
    done = keyward("init", "--data-dir", own_server.data_dir, "--new-root-credentials")
    assert done.returncode == 0, done.stderr
    assert own_server.root_credentials() != old
    own_server.start()
    assert own_server.client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_new_root_credentials_end_the_sessions_of_the_root_user(own_server):
    made = own_server.client("sts").get_session_token()["Credentials"]
    session = made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]
    assert own_server.client("kms", credentials=session).list_keys()["Keys"] == []
    own_server.drain()
    assert keyward("init", "--data-dir", own_server.data_dir, "--new-root-credentials").returncode == 0
    own_server.start()
    with refused("UnrecognizedClientException", "The security token included in the request is invalid."):
        own_server.client("kms", credentials=session).list_keys()


def test_bootstrap_credentials_are_taken_at_the_first_start_only(tmp_path):
    chosen = {
        "KEYWARD_BOOTSTRAP_ACCESS_KEY_ID": "test",
        "KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY": "a-secret-of-more-than-20-characters",
    }
    server = Server(tmp_path / "data", environment=chosen)
    own = tuple(chosen.values())
    assert server.client("sts", credentials=own).get_caller_identity()["Account"] == ACCOUNT
    assert server.drain() == 0
    server.environment = {**chosen, "KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY": "another-secret-of-20-characters"}
    server.start()
    assert server.client("sts", credentials=own).get_caller_identity()["Account"] == ACCOUNT
    server.kill()


def test_a_bootstrap_secret_can_come_from_a_file(tmp_path):
    (tmp_path / "secret").write_text("a-secret-of-more-than-20-characters\n")
    server = Server(
        tmp_path / "data",
        environment={
            "KEYWARD_BOOTSTRAP_ACCESS_KEY_ID": "file-key",
            "KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE": str(tmp_path / "secret"),
        },
    )
    own = ("file-key", "a-secret-of-more-than-20-characters")
    assert server.client("sts", credentials=own).get_caller_identity()["Account"] == ACCOUNT
    server.kill()


@pytest.mark.parametrize("bad", ["ASIAEXAMPLE", "abc", "has space", "x" * 129])
def test_a_bootstrap_access_key_id_has_its_rules(tmp_path, bad):
    refused = keyward(
        *("serve", "--data-dir", tmp_path / "data", "--listen", "127.0.0.1:0"),
        KEYWARD_BOOTSTRAP_ACCESS_KEY_ID=bad,
        KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY="a-secret-of-more-than-20-characters",
    )
    assert refused.returncode != 0


def test_listening_beyond_loopback_without_a_certificate_is_refused(tmp_path):
    refused = keyward("serve", "--data-dir", tmp_path / "data", "--listen", "0.0.0.0:0")
    assert refused.returncode != 0
    assert "--danger-" in refused.stderr


def test_unknown_configuration_is_refused_by_name(tmp_path):
    (tmp_path / "keyward.toml").write_text('colour = "red"\n')
    refused = keyward("serve", "--data-dir", tmp_path / "data", "--config", tmp_path / "keyward.toml")
    assert refused.returncode != 0
    assert "colour" in refused.stderr


def test_the_account_and_the_region_can_be_chosen(tmp_path):
    server = Server(tmp_path / "data", "--account-id", "111122223333", "--region", "cn-north-1")
    kms = server.client("kms", region="cn-northwest-1")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    assert arn.startswith("arn:aws-cn:kms:cn-northwest-1:111122223333:key/")
    identity = server.client("sts", region="cn-north-1").get_caller_identity()
    assert identity["Arn"] == "arn:aws-cn:iam::111122223333:root"
    server.kill()


def test_metrics_are_on_the_admin_address_alone(tmp_path):
    import http.client
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(tmp_path / "data", "--admin-listen", f"127.0.0.1:{port}")

    def metrics():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        return answer.status == 200 and answer.read().decode()

    assert "# TYPE" in eventually(metrics)
    server.kill()


def test_the_log_and_the_store_hold_no_secret_and_no_name(own_server):
    kms = own_server.client("kms")
    key = kms.create_key(Description="a-description-to-look-for")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/a-name-to-look-for", TargetKeyId=key)
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    secret = own_server.root_credentials()[1].encode()
    own_server.drain()
    for path in [own_server.data_dir.with_suffix(".log"), *own_server.data_dir.rglob("*")]:
        if not path.is_file() or path.name in ("admin-credentials", "root.key"):
            continue
        content = path.read_bytes()
        assert made["Plaintext"] not in content, path
        assert secret not in content, path
        if "audit" not in str(path) and path.suffix != ".log":
            assert b"a-name-to-look-for" not in content, path
            assert b"a-description-to-look-for" not in content, path


def logged(tmp_path, stderr, *arguments):
    """Starts a server with this standard error, and ends it when it listens."""
    command = [binary(), "serve", "--data-dir", tmp_path / "data", "--listen", "127.0.0.1:0", *arguments]
    with subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as server:
        printed = []
        for line in server.stdout:
            printed.append(line)
            if line.startswith("listening on "):
                break
        server.terminate()
        assert server.wait(timeout=20) == 0
    return "".join(printed)


def test_the_log_is_text_on_a_terminal(tmp_path):
    terminal, stderr = pty.openpty()
    logged(tmp_path, stderr)
    os.close(stderr)
    text = os.read(terminal, 65536).decode()
    assert re.search(r"INFO\S* serving", text), text
    assert "{" not in text, text


def test_the_log_is_json_elsewhere_unless_it_is_to_be_text(tmp_path):
    with open(tmp_path / "log", "w+") as log:
        logged(tmp_path, log)
        log.seek(0)
        lines = [json.loads(line) for line in log]
        assert "serving" in [line["fields"]["message"] for line in lines]
    with open(tmp_path / "log", "w+") as log:
        logged(tmp_path, log, "--log-format", "text")
        log.seek(0)
        assert " INFO serving url=" in log.read()


def test_only_the_first_start_says_what_it_created(tmp_path):
    first = logged(tmp_path, subprocess.DEVNULL)
    assert first.startswith("Keyward created a new server:\n")
    assert f'\n  eval "$({binary()} env --data-dir {tmp_path / "data"})"\n' in first
    second = logged(tmp_path, subprocess.DEVNULL)
    assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+\n", second)
