"""Buckets that a test owns: moto's server, which verifies signatures and policies, and a service that answers anything."""

import http.client
import http.server
import socket
import ssl
import subprocess
import sys
import threading
import time

import boto3
import pytest

from keyward import REGION, clean_environment


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Moto:
    """A server of buckets. After its first requests, which make a user, every request must be signed and allowed."""

    BUCKET = "our-backups"

    def __init__(self, folder):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.log = open(folder / "moto.log", "wb")
        # The user, its key, its policy, and the bucket.
        environment = {**clean_environment(), "INITIAL_NO_AUTH_ACTION_COUNT": "4"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=self.log, stderr=self.log, env=environment,
        )
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end
                time.sleep(0.1)
        iam = self.client("iam", ("first", "first"))
        iam.create_user(UserName="backup")
        made = iam.create_access_key(UserName="backup")["AccessKey"]
        self.credentials = made["AccessKeyId"], made["SecretAccessKey"]
        iam.put_user_policy(
            UserName="backup", PolicyName="p",
            PolicyDocument='{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}',
        )
        self.client("s3", ("first", "first")).create_bucket(Bucket=self.BUCKET)
        self.s3 = self.client("s3", self.credentials)

    def client(self, service, credentials):
        key, secret = credentials
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret
        )

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.BUCKET, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def environment(self):
        key, secret = self.credentials
        return {"AWS_ENDPOINT_URL_S3": self.url, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    moto = Moto(tmp_path_factory.mktemp("moto"))
    yield moto
    moto.end()


class Between:
    """A service that answers what a function says: `answer(method, path, body)` is a status and a body, or `None` to
    pass the request on to moto as it is. It notes down what it was asked. With a certificate and its key, it speaks TLS."""

    def __init__(self, moto, answer, certificate=None):
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.command, self.path))
                status, headers, data = answer(self.command, self.path, body) or self.passed_on(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_DELETE = handle_any

            def passed_on(self, body):
                connection = http.client.HTTPConnection(moto.url.removeprefix("http://"))
                # With the name of this service, for which it is signed.
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                return answer.status, {}, answer.read()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # What is being answered is waited for at the end.
        self.server.daemon_threads = False
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
