"""Clients of services that Keyward does not serve: told so by name, and counted as what they are."""

import http.client
import json
import re
import socket

import pytest

from errors import refused
from keyward import Server, eventually
from wire import Wire

TOLD = (
    "Keyward does not serve {0}. It serves kms, iam, sts, organizations, elasticfilesystem, rds, environments, de and keyward: "
    "send requests for {0} to another endpoint."
)
# A service of each protocol, a call of it, and the code that its clients find.
CALLS = [
    ("secretsmanager", "list_secrets", "UnknownOperationException"),
    ("dynamodb", "list_tables", "UnknownOperationException"),
    ("lambda", "list_functions", "UnknownOperationException"),
    ("s3", "list_buckets", "InvalidAction"),
    ("ec2", "describe_instances", "InvalidAction"),
    ("autoscaling", "describe_account_limits", "InvalidAction"),
]


@pytest.fixture
def server(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(tmp_path / "data", "--admin-listen", f"127.0.0.1:{port}")
    server.admin_port = port
    yield server
    server.kill()


def metrics(server):
    """Every counter above zero, by name and labels."""

    def read():
        connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=5)
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()

    lines = re.findall(r"^(\w+(?:\{.*\})?) (\d+)$", eventually(read), re.MULTILINE)
    return {name: int(value) for name, value in lines if int(value)}


def unauthenticated(server):
    return {name for name in metrics(server) if name.startswith("keyward_unauthenticated_total")}


OTHER = 'keyward_requests_total{service="other",operation="UnknownOperation",outcome="fault"}'


def test_whoever_asks_for_another_service_is_told_by_name(server):
    for service, call, code in CALLS:
        with refused(code, TOLD.format(service), 400):
            getattr(server.client(service), call)()
    assert metrics(server)[OTHER] == len(CALLS)
    assert not unauthenticated(server)
    text = (server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
    told = [json.loads(line) for line in text.splitlines() if '"UnknownOperation"' in line]
    assert [event["errorMessage"] for event in told] == [TOLD.format(name) for name, _, _ in CALLS]
    assert {event["eventSource"] for event in told} == {"keyward"}


def test_so_is_whoever_proves_nothing_and_that_is_counted_apart(server):
    key, secret = server.root_credentials()
    nobody = server.client("dynamodb", credentials=(key, secret[::-1]))
    with refused("UnknownOperationException", TOLD.format("dynamodb"), 400):
        nobody.list_tables()
    assert unauthenticated(server) == {'keyward_unauthenticated_total{code="UnknownOperationException"}'}
    assert OTHER not in metrics(server)


def test_what_no_api_has_is_counted_for_its_service(server):
    wire = Wire(server)
    answer = wire.kms("", headers={"x-amz-target": "KeyService.ListKeys"})
    assert answer.error == ("UnknownOperationException", None)
    wire.query("iam", {"Action": "ListUsers", "Version": "1999-01-01"})
    of = 'keyward_requests_total{{service="{}",operation="UnknownOperation",outcome="fault"}}'
    assert metrics(server)[of.format("kms")] == 1
    assert metrics(server)[of.format("iam")] == 1
    assert not unauthenticated(server)


def test_what_temporary_credentials_may_not_do_counts_as_denied(server):
    made = server.client("sts").get_session_token()["Credentials"]
    session = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    with refused("InvalidClientTokenId", status=403):
        server.client("iam", credentials=session).list_users()
    with refused("AccessDenied", status=403):
        server.client("sts", credentials=session).get_session_token()
    denied = 'keyward_requests_total{{service="{}",operation="{}",outcome="denied"}}'
    assert metrics(server)[denied.format("iam", "ListUsers")] == 1
    assert metrics(server)[denied.format("sts", "GetSessionToken")] == 1


def test_connections_are_counted_by_whose_they_are(server):
    assert server.client("kms").list_keys()["Keys"] == []
    with socket.create_connection(("127.0.0.1", server.port)):
        strangers = 'keyward_connections{of="strangers"}'
        eventually(lambda: metrics(server).get(strangers) == 1)
