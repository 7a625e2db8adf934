"""A `keyward serve` that the tests own, and the clients that talk to it."""

import configparser
import os
import pathlib
import signal
import subprocess
import threading
import time

import boto3
import botocore.session
from botocore.config import Config

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROOT = pathlib.Path(__file__).resolve().parent.parent

# The service models, read once: a session reads megabytes of them for its first client.
MODELS = botocore.session.get_session().get_component("data_loader")

# What the server prints when it is ready, before the address.
READY = "listening on "


def binary():
    """The program under test: what `./dev test` built."""
    path = pathlib.Path(os.environ.get("KEYWARD_BIN", ROOT / "target/debug/keyward"))
    assert path.exists(), f"{path} does not exist: start the tests by ./dev test"
    return path


def pins():
    """The pinned packages of the clients, a line each."""
    return "".join(path.read_text() for path in sorted((ROOT / "clients").glob("requirements*.txt")))


class Server:
    """One server process on one data directory."""

    def __init__(self, data_dir, *arguments, environment=None):
        self.data_dir = pathlib.Path(data_dir)
        self.arguments = arguments
        self.environment = environment or {}
        self.listen = "127.0.0.1:0"
        self.process = None
        self.url = None
        self.start()

    def start(self):
        """Starts the process and waits until it listens."""
        self.log = open(self.data_dir.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(
            [binary(), "serve", "--data-dir", self.data_dir, "--listen", self.listen, *self.arguments],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**clean_environment(), **self.environment},
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith(READY):
                self.url = line.removeprefix(READY).strip()
                break
        else:
            log = self.data_dir.with_suffix(".log").read_text()
            raise AssertionError(f"the server left with {self.process.wait()}:\n{log}")
        # Read on, so that the server never stops at a full pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def kill(self):
        """Ends the process as a crash would."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def drain(self):
        """Asks the process to leave and answers its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=20)
        self.log.close()
        return status

    def restart(self):
        self.kill()
        self.start()

    def root_credentials(self):
        """The access key of the account's root user: id and secret."""
        parser = configparser.ConfigParser()
        parser.read(self.data_dir / "admin-credentials")
        section = parser[parser.sections()[0]]
        return section["aws_access_key_id"], section["aws_secret_access_key"]

    def client(self, service, credentials=None, region=REGION, **config):
        """A boto3 client as everybody has it, but for two things: it neither checks parameters
        itself nor tries again, so that the tests see what the server says."""
        key, secret, *token = credentials or self.root_credentials()
        session = botocore.session.get_session()
        session.register_component("data_loader", MODELS)
        return boto3.session.Session(botocore_session=session).client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token[0] if token else None,
            config=Config(
                parameter_validation=False,
                retries={"total_max_attempts": 1, "mode": "standard"},
                **config,
            ),
        )


def clean_environment():
    """The environment without anything that would steer an AWS client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KEYWARD_"))}
    kept["AWS_EC2_METADATA_DISABLED"] = "true"
    kept["AWS_CONFIG_FILE"] = os.devnull
    kept["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    return kept


def key_arn(key_id, region=REGION, account=ACCOUNT):
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def alias_arn(name, region=REGION, account=ACCOUNT):
    return f"arn:aws:kms:{region}:{account}:{name}"


def user_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def eventually(check, seconds=15):
    """Waits until `check` answers something true, and answers that."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)
