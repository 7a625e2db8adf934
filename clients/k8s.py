"""The Kubernetes plugin as the tests run it, and a client that asks it as an API server does: over gRPC on its socket,
with the messages of Kubernetes' KMS v2 API put together by Google's own library."""

import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from keyward import binary, clean_environment, eventually

# How long an API server waits unless it is told otherwise.
TIMEOUT = 3

# https://github.com/kubernetes/kms/blob/master/apis/v2/api.proto: the members of each message, in their order.
MESSAGES = {
    "StatusRequest": [],
    "StatusResponse": ["version", "healthz", "key_id"],
    "DecryptRequest": ["ciphertext:bytes", "uid", "key_id", "annotations:map"],
    "DecryptResponse": ["plaintext:bytes"],
    "EncryptRequest": ["plaintext:bytes", "uid"],
    "EncryptResponse": ["ciphertext:bytes", "key_id", "annotations:map"],
}
FIELD = descriptor_pb2.FieldDescriptorProto


def messages():
    """The classes of all messages, by their names."""
    file = descriptor_pb2.FileDescriptorProto(name="kms_v2.proto", package="v2", syntax="proto3")
    for name, members in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, member in enumerate(members, start=1):
            member, _, kind = member.partition(":")
            field = message.field.add(name=member, number=number, label=FIELD.LABEL_OPTIONAL)
            field.type = FIELD.TYPE_BYTES if kind == "bytes" else FIELD.TYPE_STRING
            if kind == "map":
                entry = message.nested_type.add(name="AnnotationsEntry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, label=FIELD.LABEL_OPTIONAL, type=FIELD.TYPE_STRING)
                entry.field.add(name="value", number=2, label=FIELD.LABEL_OPTIONAL, type=FIELD.TYPE_BYTES)
                field.label, field.type = FIELD.LABEL_REPEATED, FIELD.TYPE_MESSAGE
                field.type_name = f".v2.{name}.AnnotationsEntry"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"v2.{name}")) for name in MESSAGES
    }


V2 = messages()


def connect(socket):
    """A connection of its own, with the name of the host that an API server gives."""
    options = [("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(f"unix://{socket}", options=options)


class Plugin:
    """A `keyward k8s-plugin`, and the calls of an API server."""

    def __init__(self, folder, *flags, environment=None, port=0, starts=True):
        self.socket = folder / "kms" / "socket.sock"
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        self.log_path = folder / "plugin.log"
        self.port = port
        health = f"127.0.0.1:{port}" if port else "off"
        self.command = [
            binary(), "k8s-plugin", f"--listen={self.socket}", f"--health-port={health}", "--log-format=text", *flags,
        ]
        self.environment = {**clean_environment(), **(environment or {})}
        self.channel = None
        if starts:
            self.start()

    def start(self):
        self.log = open(self.log_path, "ab")
        before = self.log.tell()
        self.process = subprocess.Popen(self.command, stderr=self.log, env=self.environment)
        eventually(lambda: b" listening " in self.log_path.read_bytes()[before:] or self.process.poll() is not None)
        assert self.process.poll() is None, self.log_path.read_text()
        self.channel = connect(self.socket)

    def refused(self):
        """What it says if it does not start."""
        done = subprocess.run(
            self.command, env=self.environment, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 1, done.stderr
        return done.stderr

    def said(self, words):
        return words in self.log_path.read_text()

    def end(self, number=signal.SIGTERM):
        """Ends it, and answers its exit status."""
        if self.channel:
            self.channel.close()
        self.process.send_signal(number)
        status = self.process.wait(timeout=20)
        self.log.close()
        return status

    def call(self, method, timeout=TIMEOUT, service="v2.KeyManagementService", **members):
        request, response = V2[f"{method}Request"], V2[f"{method}Response"]
        ask = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return ask(request(**members), timeout=timeout)

    def status(self, **more):
        return self.call("Status", **more)

    def encrypt(self, plaintext=None, **more):
        return self.call("Encrypt", plaintext=plaintext or os.urandom(32), uid="u", **more)

    def decrypt(self, ciphertext, key_id, annotations=None, **more):
        found = self.call(
            "Decrypt", ciphertext=ciphertext, uid="u", key_id=key_id, annotations=annotations or {}, **more
        )
        return found.plaintext

    def reads(self, stored):
        """Decrypts what `encrypt` has answered."""
        return self.decrypt(stored.ciphertext, stored.key_id, dict(stored.annotations))

    def http(self, path):
        """Status and body of the listener for health and metrics."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()


class Refused:
    """The block makes one call, refused with this code; `said` has the words."""

    def __init__(self, code):
        self.code = code

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        assert kind is not None and issubclass(kind, grpc.RpcError), f"it was not refused: {error!r}"
        assert error.code() == self.code, error
        self.said = error.details()
        return True


UNUSABLE = grpc.StatusCode.FAILED_PRECONDITION
INVALID = grpc.StatusCode.INVALID_ARGUMENT
AWAY = grpc.StatusCode.UNAVAILABLE


def in_threads(run, count):
    """Runs a function in so many threads, and answers what each has answered."""
    answers, threads = [], []
    for _ in range(count):
        threads.append(threading.Thread(target=lambda: answers.append(run())))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return answers
