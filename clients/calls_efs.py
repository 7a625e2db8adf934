"""What the tests of EFS need of a storage agent, and of a client that mounts, both played by the tests."""

import datetime
import hashlib
import hmac
import urllib.parse
import uuid

from keyward import REGION
from test_agents import Agent

DEFAULT_SUBNET = "subnet-00000000000000001"
DEFAULT_VPC = "vpc-00000000000000001"
DEFAULT_GROUP = "sg-00000000000000001"


def agent(server):
    return Agent(server)


def wanted(storage, file_system):
    """What is wanted of a volume."""
    _, known = storage.call("PollVolumes", WaitSeconds=0)
    (volume,) = [one for one in known["Volumes"] if one["VolumeId"] == file_system]
    return volume


def report(storage, file_system, state, **more):
    generation = wanted(storage, file_system)["Generation"]
    told = {"VolumeId": file_system, "Generation": generation, "State": state, **more}
    status, answer = storage.call("ReportVolumes", Volumes=[told])
    assert (status, answer) == (200, {"Stale": []})


def wait(storage, file_system):
    """Makes a file system available."""
    report(storage, file_system, "READY")


def forget(storage, file_system):
    """Has a deleted file system be gone."""
    report(storage, file_system, "GONE")


def make(server, **members):
    """The id of a new file system."""
    made = server.client("efs").create_file_system(CreationToken=uuid.uuid4().hex, **members)
    return made["FileSystemId"]


def serve(storage, file_system, state="READY"):
    """Has the agent serve the mount targets that it is told of, and no others."""
    targets = wanted(storage, file_system)["Targets"]
    served = [{"MountTargetId": target["MountTargetId"], "State": state} for target in targets]
    report(storage, file_system, "READY", Targets=served)
    return targets


def identity(file_system, credentials, at=None, host=None, region=REGION, key_hash="ab" * 20):
    """What the certificate of `mount.efs -o tls,iam` says: the access key's signature of the client's public
    key, for a file system. Signed by the steps that efs-utils publishes."""
    key, secret, *token = credentials
    at = at or datetime.datetime.now(datetime.timezone.utc)
    stamp, date = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
    scope = f"{date}/{region}/elasticfilesystem/aws4_request"
    query = {
        "Action": "Connect",
        "PublicKeyHash": key_hash,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": "86400",
        "X-Amz-SignedHeaders": "host",
    }
    if token:
        query["X-Amz-Security-Token"] = token[0]
    query = "&".join(f"{name}={urllib.parse.quote_plus(value)}" for name, value in sorted(query.items()))
    nothing = hashlib.sha256(b"").hexdigest()
    request = f"GET\n/\n{query}\nhost:{host or file_system}\n\nhost\n{nothing}"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing = f"AWS4{secret}".encode()
    for part in [date, region, "elasticfilesystem", "aws4_request", to_sign]:
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    told = {"AccessKeyId": key, "DateTime": stamp, "Signature": signing.hex(), "PublicKeyHash": key_hash}
    return {**told, "SessionToken": token[0]} if token else told


def mount(storage, file_system, **members):
    """Asks, as the agent, whether a client may mount: status and body. Without anything else, it is one on the
    agent's own machine, without TLS and without credentials."""
    members = {"SecureTransport": False, "ClientAddress": "127.0.0.1", **members}
    return storage.call("AuthorizeMount", VolumeId=file_system, **members)
