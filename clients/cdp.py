"""The stock `cdp` CLI of Cloudera against the tests' server, and an agent that the tests play, which does what it is told."""

import json
import pathlib
import subprocess
import sys
import threading
import uuid

from calls_rds import AUTHORITY, VERSIONS
from keyward import ACCOUNT, binary, clean_environment
from test_agents import Agent


def keyward(*words, server=None, expect=0):
    """Runs a command of `keyward`, and answers what it prints."""
    where = ["--data-dir", server.data_dir] if server else []
    done = subprocess.run(
        [binary(), *map(str, words), *where], capture_output=True, text=True, env=clean_environment()
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout if expect == 0 else done.stderr


class Cdp:
    """The CLI with the access key of a user."""

    def __init__(self, server, folder, access_key_id, private_key):
        self.url = f"http://localhost:{server.port}"
        self.environment = {
            **clean_environment(),
            "HOME": str(folder),
            "CDP_ACCESS_KEY_ID": access_key_id,
            "CDP_PRIVATE_KEY": private_key,
        }

    def run(self, *words):
        """Exit status, what is printed, and what is said of errors."""
        cli = pathlib.Path(sys.executable).parent / "cdp"
        done = subprocess.run(
            [cli, "--endpoint-url", self.url, *map(str, words)],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *words):
        """What an operation answers."""
        status, out, said = self.run(*words)
        assert status == 0, said
        return json.loads(out) if out.strip() else {}


def key_of(server, user):
    """A new access key of a user: id and private key."""
    made = json.loads(keyward("cdp", "create-access-key", "--user", user, "--output", "json", server=server))
    return made["AccessKeyId"], made["PrivateKey"]


class Player(threading.Thread):
    """An agent that has PostgreSQL, and reports that everything is as it is wanted, until it is told to hang."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.agent = Agent(server)
        self.hangs = threading.Event()
        self.ends = threading.Event()
        self.poll()
        self.start()

    def poll(self, seconds=0):
        told = {"Databases": VERSIONS, "DatabaseAuthority": AUTHORITY, "WaitSeconds": seconds}
        status, answer = self.agent.call("PollVolumes", **told)
        return answer["Volumes"] if status == 200 else []

    def run(self):
        while not self.ends.wait(0.05):
            if self.hangs.is_set():
                continue
            try:
                reports = [self.report(volume) for volume in self.poll()]
                if reports:
                    self.agent.call("ReportVolumes", Volumes=reports)
            except OSError:
                return

    def report(self, volume):
        said = {"VolumeId": volume["VolumeId"], "Generation": volume["Generation"]}
        if volume["Wanted"] == "ABSENT":
            return {**said, "State": "GONE"}
        said["State"] = "READY"
        if "Database" in volume:
            names = ("EngineVersion", "RestartEpoch", "PasswordEpoch")
            said["Database"] = {"State": "RUNNING", **{name: volume["Database"][name] for name in names}}
        else:
            targets = volume["Targets"]
            said["Targets"] = [{"MountTargetId": one["MountTargetId"], "State": "READY"} for one in targets]
        return said

    def end(self):
        self.ends.set()
        self.join()


class Story:
    """A role that CDP may assume, a key with the template's policy, and an environment with both."""

    def __init__(self, server, root):
        self.server, self.root = server, root
        self.kms, self.iam = server.client("kms"), server.client("iam")
        found = root("environments", "get-credential-prerequisites", "--cloud-platform", "AWS")
        self.external_id = found["aws"]["externalId"]
        self.role_name = f"cdp-{uuid.uuid4().hex[:8]}"
        self.role = f"arn:aws:iam::{ACCOUNT}:role/{self.role_name}"
        trust = keyward("cde", "policy-template", "trust", "--external-id", self.external_id)
        self.iam.create_role(RoleName=self.role_name, AssumeRolePolicyDocument=trust)
        self.allow(json.loads(keyward("cde", "policy-template", "role")))
        self.policy = json.loads(keyward("cde", "policy-template", "key", "--role", self.role))
        made = self.kms.create_key(Policy=json.dumps(self.policy))
        self.key = made["KeyMetadata"]["Arn"]

    def allow(self, policy):
        """Replaces the role's policy."""
        self.iam.put_role_policy(RoleName=self.role_name, PolicyName="p", PolicyDocument=json.dumps(policy))

    def credential(self):
        name = f"credential-{uuid.uuid4().hex[:8]}"
        self.root("environments", "create-aws-credential", "--credential-name", name, "--role-arn", self.role)
        return name

    def environment(self, key="own", credential=None):
        """The name of a new environment."""
        name = f"env-{uuid.uuid4().hex[:8]}"
        words = [] if key is None else ["--encryption-key-arn", self.key if key == "own" else key]
        self.root(*create(name, credential or self.credential()), *words)
        return name

    def grants(self):
        """The grants of the key: whom they are for."""
        grants = self.kms.list_grants(KeyId=self.key)["Grants"]
        return sorted(one.get("GranteePrincipal") or one["GranteeServicePrincipal"] for one in grants)


def create(name, credential):
    """The words that create an environment."""
    return [
        "environments", "create-aws-environment", "--environment-name", name, "--credential-name", credential,
        "--region", "us-east-1", "--security-access", "cidr=10.0.0.0/8", "--authentication", "publicKeyId=login",
        "--log-storage", "storageLocationBase=s3a://logs/cde,instanceProfile=arn:aws:iam::000000000000:instance-profile/logs",
    ]


def enable(environment, name=None):
    """The words that enable a service."""
    return [
        "de", "enable-service", "--name", name or f"svc-{uuid.uuid4().hex[:8]}", "--env", environment,
        "--instance-type", "m5.2xlarge", "--minimum-instances", "1", "--maximum-instances", "4",
    ]
