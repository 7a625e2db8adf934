"""A service that acts for its callers, played by the tests: Amazon EFS as far as keys are
concerned, with the credentials of `elasticfilesystem` and no door into Keyward but the public one.

It takes the requests that `aws efs` signs for it, hands each to Keyward to learn on whose behalf
it may act, and does with the key what EFS does: describe it, take a data key, leave a grant for
itself; later it uses the grant as the service principal, and retires it at the end.
"""

import base64
import configparser
import http.server
import json
import subprocess
import threading
import urllib.request
import uuid

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from keyward import Server, binary, clean_environment

PRINCIPAL = "elasticfilesystem.{region}.amazonaws.com"
CONTEXT = "aws:elasticfilesystem:filesystem:id"


def initialised_with_service(data_dir, *names):
    """Initialises a data directory and gives services credentials; answers them by name."""
    run = lambda *arguments: subprocess.run(  # noqa: E731
        [binary(), *arguments, "--data-dir", data_dir],
        env=clean_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    run("init")
    found = {}
    for name in names:
        run("service", "create", name)
        parser = configparser.ConfigParser()
        parser.read(data_dir / f"credentials-{name}")
        section = parser["default"]
        found[name] = section["aws_access_key_id"], section["aws_secret_access_key"]
    return found


def server_with_service(data_dir, *names, arguments=()):
    credentials = initialised_with_service(data_dir, *names)
    return Server(data_dir, *arguments), credentials


class Forwarder:
    """One service's side of forward access."""

    def __init__(self, server, name, credentials, region):
        self.server, self.name, self.region = server, name, region
        self.credentials = credentials

    def own_client(self, service, source_arn=None):
        """A client that calls as the service principal, for a resource if one is named."""
        client = self.server.client(service, credentials=self.credentials, region=self.region)
        if source_arn:

            def name_source(request, **_):
                request.headers["X-Amz-Source-Arn"] = source_arn
                request.headers["X-Amz-Source-Account"] = source_arn.split(":")[4]

            client.meta.events.register("before-sign.*", name_source)
        return client

    def call(self, operation, **parameters):
        """One call of Keyward's own service; answers status and body."""
        body = json.dumps(parameters).encode()
        request = AWSRequest(
            "POST",
            self.server.url + "/",
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"Keyward_20261101.{operation}",
            },
            data=body,
        )
        SigV4Auth(Credentials(*self.credentials), "keyward", self.region).add_auth(request)
        request = request.prepare()
        sent = urllib.request.Request(request.url, data=body, headers=dict(request.headers), method="POST")
        try:
            with urllib.request.urlopen(sent) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def forward(self, method, path, headers, body, key_id):
        """Turns a request that a user signed for this service into credentials of a session."""
        path, _, query = path.partition("?")
        return self.call(
            "CreateForwardAccessSession",
            Method=method,
            Path=path,
            Query=query,
            Headers=[{"Name": name, "Value": value} for name, value in headers],
            Body=base64.b64encode(body).decode(),
            KeyId=key_id,
        )

    def client_of(self, answer, service="kms"):
        """A client that calls as the forwarded caller."""
        given = answer["Credentials"]
        credentials = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        return self.server.client(service, credentials=credentials, region=self.region)


def presented(region, credentials, key_id="unused", path="/2015-02-01/file-systems", service="elasticfilesystem"):
    """A request that a user signs for a service, as the service receives it: method, path,
    headers, body."""
    body = json.dumps({"CreationToken": uuid.uuid4().hex, "KmsKeyId": key_id}).encode()
    request = AWSRequest("POST", f"https://{service}.{region}.amazonaws.com{path}", data=body)
    SigV4Auth(Credentials(*credentials), service, region).add_auth(request)
    prepared = request.prepare()
    headers = [(name, str(value)) for name, value in prepared.headers.items()]
    headers.append(("Host", f"{service}.{region}.amazonaws.com"))
    return "POST", path, headers, body


class Efs(Forwarder):
    """The service, listening on a port of its own."""

    def __init__(self, server, credentials, region="us-west-2"):
        super().__init__(server, "elasticfilesystem", credentials, region)
        self.principal = PRINCIPAL.format(region=region)
        self.file_systems = {}
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.answer(*service.create(self.path, self.headers.items(), body))

            def do_DELETE(self):
                self.answer(*service.delete(self.path.rsplit("/", 1)[1]))

            def answer(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if "ErrorCode" in body:
                    self.send_header("x-amzn-ErrorType", body["ErrorCode"])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()

    def create(self, path, headers, body):
        """CreateFileSystem with `Encrypted`; answers status and body."""
        asked = json.loads(body)
        key_id = asked.get("KmsKeyId", "alias/aws/elasticfilesystem")
        status, forwarded = self.forward("POST", path, headers, body, key_id)
        if status != 200:
            message = forwarded.get("message", forwarded.get("Message", ""))
            return 403, {"ErrorCode": forwarded["__type"], "Message": message}
        file_system = f"fs-{uuid.uuid4().hex[:17]}"
        context = {CONTEXT: file_system}
        as_caller = self.client_of(forwarded)
        key_id = forwarded["KeyId"]
        try:
            as_caller.describe_key(KeyId=key_id)
            blob = as_caller.generate_data_key_without_plaintext(
                KeyId=key_id, KeySpec="AES_256", EncryptionContext=context
            )["CiphertextBlob"]
            grant = as_caller.create_grant(
                KeyId=key_id,
                GranteePrincipal=self.principal,
                RetiringPrincipal=self.principal,
                Operations=["Encrypt", "Decrypt", "RetireGrant"],
                Constraints={"EncryptionContextEquals": context},
            )
        except ClientError as error:
            given = error.response["Error"]
            return 400, {"ErrorCode": given["Code"], "Message": given["Message"]}
        self.file_systems[file_system] = {"key": key_id, "blob": blob, "grant": grant["GrantId"]}
        return 201, {
            "OwnerId": key_id.split(":")[4],
            "CreationToken": asked["CreationToken"],
            "FileSystemId": file_system,
            "CreationTime": 0,
            "LifeCycleState": "available",
            "NumberOfMountTargets": 0,
            "SizeInBytes": {"Value": 0},
            "PerformanceMode": asked.get("PerformanceMode", "generalPurpose"),
            "Encrypted": True,
            "KmsKeyId": key_id,
            "ThroughputMode": asked.get("ThroughputMode", "bursting"),
            "Tags": [],
        }

    def mount(self, file_system, context_of=None):
        """Opens the file system's data key as the service principal: no user is involved."""
        blob = self.file_systems[file_system]["blob"]
        context = {CONTEXT: context_of or file_system}
        opened = self.own_client("kms").decrypt(CiphertextBlob=blob, EncryptionContext=context)
        return opened["Plaintext"]

    def delete(self, file_system):
        """DeleteFileSystem: the grant is retired."""
        found = self.file_systems.pop(file_system)
        self.own_client("kms").retire_grant(KeyId=found["key"], GrantId=found["grant"])
        return 204, {}

    def client(self, credentials):
        """`aws efs` of a user, pointed at this service."""
        key, secret, *token = credentials
        return boto3.session.Session().client(
            "efs",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token[0] if token else None,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
