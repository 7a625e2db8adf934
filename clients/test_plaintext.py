"""Where Keyward's own commands send requests without encryption: only within this machine, unless that is accepted."""

import subprocess

import pytest

from keyward import binary, clean_environment

KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
# Nobody has this address (RFC 5737).
ELSEWHERE = "http://192.0.2.1:1"
REFUSED = (
    "`{url}` is not encrypted, and is on another machine: use a URL that begins with https://, or accept the danger"
    " with --danger-plaintext"
)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def said(*command, **environment):
    done = subprocess.run(
        [binary(), *command], env={**clean_environment(), **CREDENTIALS, **environment}, capture_output=True, text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


def commands(folder):
    """Each asks a server or a bucket whose URL is in a flag or in the environment."""
    image = folder / "image"
    return {
        "plugin": ["k8s-plugin", f"--key={KEY}", f"--listen={folder}/s.sock", "--health-port=off", "--kms-endpoint"],
        "sts": [
            "k8s-plugin", f"--key={KEY}", f"--listen={folder}/s.sock", "--health-port=off",
            "--kms-endpoint=https://localhost:1", "--sts-endpoint",
        ],
        "explain": ["policy", "who-can", "kms:Decrypt", KEY, "--endpoint-url"],
        "agents": ["agent", "list", "--endpoint-url"],
        "register": ["agent", "register", f"--state-dir={folder}/agent", f"--token-file={folder}/token", "--endpoint-url"],
        "volume": ["volume", "create", image, "--size=64MiB", f"--key-id={KEY}", "--endpoint-url"],
        "copies": ["volume", "copies", "s3://bucket/prefix", "--endpoint-url"],
    }


NAMES = ["plugin", "sts", "explain", "agents", "register", "volume", "copies"]


@pytest.mark.parametrize("name", NAMES)
def test_another_machine_is_not_asked_without_encryption(name, tmp_path):
    (tmp_path / "token").write_text("token")
    command = commands(tmp_path)[name]
    assert REFUSED.format(url=ELSEWHERE) in said(*command, ELSEWHERE)
    aws = "http://kms.eu-west-1.amazonaws.com"
    refused = f"`{aws}` is not encrypted: AWS is asked only by URLs that begin with https://"
    assert refused in said(*command, aws)
    assert refused in said(*command, aws, "--danger-plaintext")


@pytest.mark.parametrize("name", NAMES)
def test_no_password_of_a_url_is_shown(name, tmp_path):
    (tmp_path / "token").write_text("token")
    shown = said(*commands(tmp_path)[name], "https://user:secret-word@localhost:1")
    assert "the URL `…@localhost:1` has a user name or a password, which no server is told: leave it out" in shown
    assert "secret-word" not in shown


def test_the_environment_is_no_way_around(tmp_path):
    assert REFUSED.format(url=ELSEWHERE) in said("agent", "list", AWS_ENDPOINT_URL=ELSEWHERE)
    assert REFUSED.format(url=ELSEWHERE) in said(
        "volume", "copies", "s3://bucket/prefix", AWS_ENDPOINT_URL_S3=ELSEWHERE
    )


def test_whoever_accepts_the_danger_asks_another_machine():
    # Nobody listens there; that is what is said then.
    here = "http://127.0.0.1:1"
    assert "is the server running?" in said("agent", "list", "--endpoint-url", here)
    assert "is the server running?" in said("agent", "list", "--endpoint-url", "http://0.0.0.0:1", "--danger-plaintext")
