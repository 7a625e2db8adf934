"""AWS JSON 1.1 on the raw wire: headers, bodies, error shapes, limits."""

import json
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from keyward import key_arn
from wire import FORM, JSON, Wire

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


def test_an_answer_has_its_headers(wire):
    answer = wire.kms("ListKeys")
    assert answer.headers["Content-Type"] == JSON
    assert UUID.fullmatch(answer.headers["x-amzn-RequestId"])
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["Date"]


def header_names(wire, head, body=b""):
    """The names of an answer's headers as they stand on the wire."""
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=10) as stream:
        stream.sendall(head.encode() + body)
        received = b""
        while b"\r\n\r\n" not in received:
            part = stream.recv(65536)
            assert part, received
            received += part
    lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {line.partition(":")[0] for line in lines}


def test_header_names_are_written_as_aws_writes_them(wire):
    """Some clients compare them with case, whatever HTTP says."""
    usual = {"Content-Type", "Content-Length", "Date", "x-amzn-RequestId", "Server", "Cache-Control",
             "Expires", "Pragma"}
    target = {"content-type": JSON, "x-amz-target": "TrentService.ListKeys"}
    headers = wire.signed(target, b"{}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    signed = f"POST / HTTP/1.1\r\n{lines}content-length: 2\r\n\r\n"
    assert header_names(wire, signed, b"{}") == usual
    assert header_names(wire, signed.replace("HTTP/1.1", "HTTP/1.0"), b"{}") == usual
    refused = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    assert header_names(wire, refused) == usual
    health = {"Content-Type", "Content-Length", "Date"}
    assert header_names(wire, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == health
    # What hyper answers by itself.
    assert header_names(wire, "GET / HTTP/9\r\n\r\n") <= {"Content-Length", "Connection", "Date"}


def test_they_are_after_answers_of_every_kind(wire):
    """One connection: no body at all, a body that is waited for, one that is not."""
    target = {"content-type": JSON, "x-amz-target": "TrentService.ListKeys"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in wire.signed(target, b"{}").items())
    signed = f"POST / HTTP/1.1\r\n{lines}content-length: 2\r\n"
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=10) as stream:
        stream.sendall(b"HEAD /nothing HTTP/1.1\r\nHost: x\r\nX-Amz-Target: TrentService.ListKeys\r\n\r\n")
        stream.sendall(f"{signed}expect: 100-continue\r\n\r\n{{}}".encode())
        stream.sendall(f"{signed}connection: close\r\n\r\n{{}}".encode())
        received = b""
        while part := stream.recv(65536):
            received += part
    assert received.count(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") == 1
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert received.count(b"\r\nx-amzn-RequestId: ") == 3
    assert received.count(b"\r\nContent-Length: ") + received.count(b"\r\nDate: ") >= 5
    assert b"\r\ncontent-" not in received and b"\r\ndate" not in received


def test_an_operation_without_output_has_an_empty_body(wire, key):
    answer = wire.kms("DisableKey", {"KeyId": key})
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


def test_times_are_seconds_with_a_fraction(wire, key):
    answer = wire.kms("DescribeKey", {"KeyId": key})
    assert re.search(rb'"CreationDate":\d{10}(\.\d{1,3})?[,}]', answer.body)


def test_an_error_has_a_bare_type_and_a_small_message(wire):
    answer = wire.kms("DescribeKey", {"KeyId": "foo"})
    assert answer.status == 400
    assert answer.json == {"__type": "NotFoundException", "message": "Invalid keyId 'foo'"}
    assert answer.headers["Content-Type"] == JSON
    assert UUID.fullmatch(answer.headers["x-amzn-RequestId"])


def test_an_error_without_message_has_the_type_alone(wire):
    answer = wire.kms("Decrypt", {"CiphertextBlob": "AAAA"})
    assert answer.json == {"__type": "InvalidCiphertextException"}


def test_a_denial_has_a_capital_message(server, user):
    answer = Wire(server, user.credentials).kms("CreateKey", {})
    assert answer.json == {
        "__type": "AccessDeniedException",
        "Message": f"User: {user.arn} is not authorized to perform: kms:CreateKey on resource: * "
        "because no identity-based policy allows the kms:CreateKey action",
    }


@pytest.mark.parametrize("operation", ["Nothing", "listKeys", "", "TrentService.ListKeys"])
def test_an_unknown_operation_is_named_so(wire, operation):
    answer = wire.kms(operation)
    assert (answer.status, answer.error[0]) == (400, "UnknownOperationException")


def test_another_target_prefix_is_an_unknown_operation(wire):
    answer = wire.kms("", headers={"x-amz-target": "KeyService.ListKeys"})
    assert (answer.status, answer.error[0]) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"[]",
        b'{"Limit":1',
        b'{"Limit":"many"}',
        b'{"Marker":7}',
        b'{"Limit":1,"Limit":2}',
        b'{"Limit":1}{}',
        b'{"Marker":"\xff"}',
        b"[" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
    ],
    ids=["word", "list", "cut", "text for number", "number for text", "twice", "two", "latin1", "deep", "nested"],
)
def test_a_body_that_is_no_request_is_a_serialization_error(wire, body):
    answer = wire.kms("ListKeys", body)
    assert (answer.status, answer.error[0]) == (400, "SerializationException")


def test_a_blob_that_is_not_base64_is_a_serialization_error(wire, key):
    for blob in ("***", "YQ", "YQ=", "YR==="):
        answer = wire.kms("Encrypt", {"KeyId": key, "Plaintext": blob})
        assert answer.error[0] == "SerializationException"


def test_unknown_members_are_ignored_and_null_is_absent(wire):
    answer = wire.kms("ListKeys", {"Limit": None, "Marker": None, "Colour": {"deep": [1]}})
    assert answer.status == 200


def test_an_empty_body_is_no_request_or_an_empty_one(wire):
    assert wire.kms("ListKeys", b"").status in (200, 400)


def test_names_repeated_in_the_encryption_context_are_refused(wire, key):
    body = f'{{"KeyId":"{key}","Plaintext":"YQ==","EncryptionContext":{{"a":"1","a":"2"}}}}'
    answer = wire.kms("Encrypt", body.encode())
    assert (answer.status, answer.error[0]) == (400, "SerializationException")


def test_a_body_over_the_limit_is_too_large(wire):
    answer = wire.kms("ListKeys", b'{"Marker":"' + b"m" * 2_000_000 + b'"}')
    assert answer.status == 413


def test_a_body_that_cannot_be_proven_is_refused_by_its_head(wire):
    """Nothing of it is kept; what is said is said in the usual order."""
    body = b'{"Marker":"' + b"m" * 100_000 + b'"}'
    for bent, code in [
        ({"key": "AKIAIOSFODNN7EXAMPLE"}, "UnrecognizedClientException"),
        ({"age": 3600}, "InvalidSignatureException"),
        ({"service": "iam"}, "InvalidSignatureException"),
        ({"after": {"authorization": None}}, "MissingAuthenticationTokenException"),
        ({"after": {"authorization": "AWS4-HMAC-SHA256 nonsense"}}, "IncompleteSignatureException"),
    ]:
        long = wire.kms("ListKeys", body, **bent)
        short = wire.kms("ListKeys", b"{}", **bent)
        assert long.error[0] == short.error[0] == code, bent
        assert long.status == short.status == 400
    # And with a good claim the body decides.
    assert wire.kms("ListKeys", body).error[0] == "ValidationException"


def test_what_is_not_signed_is_short(wire):
    parameters = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15"}
    form = {"host": f"127.0.0.1:{wire.server.port}",
            "content-type": "application/x-www-form-urlencoded"}

    def ask(token):
        sent = urllib.parse.urlencode({**parameters, "WebIdentityToken": token}).encode()
        return wire.send(form, sent)

    assert b"<Code>ValidationError</Code>" in ask("t" * 60_000).body
    answer = ask("t" * 70_000)
    assert answer.status == 413
    assert b"<Code>RequestEntityTooLargeException</Code>" in answer.body


def chunked(wire, operation, body, pieces):
    """A signed KMS request whose body comes in chunks, each sent on its own; answers what came."""
    headers = wire.signed({"content-type": JSON, "x-amz-target": f"TrentService.{operation}"}, body)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=20) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sendall(f"POST / HTTP/1.1\r\n{lines}transfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode())
        received = b""
        try:
            for at in range(0, len(body), pieces):
                piece = body[at : at + pieces]
                stream.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                time.sleep(0.01)
            stream.sendall(b"0\r\n\r\n")
        except ConnectionError:
            pass  # answered and closed before the end
        while part := stream.recv(65536):
            received += part
        return received


def test_a_body_that_comes_in_pieces_is_the_body(wire, key):
    body = json.dumps({"KeyId": key, "Plaintext": "eA==", "EncryptionContext": {"a": "b" * 300}}).encode()
    for pieces in (1000, 150, 7):
        answer = chunked(wire, "Encrypt", body, pieces)
        assert answer.startswith(b"HTTP/1.1 200") and b"CiphertextBlob" in answer, answer[:300]


def test_pieces_over_the_limit_are_too_large_without_any_length(wire):
    body = b'{"Marker":"' + b"m" * 2_000_000 + b'"}'
    answer = chunked(wire, "ListKeys", body, 100_000)
    assert answer.startswith(b"HTTP/1.1 413"), answer[:300]


def test_other_methods_and_paths_are_not_served(wire):
    host = {"host": f"127.0.0.1:{wire.server.port}"}
    assert wire.send(host, method="GET", path="/nothing").status in (400, 403, 404)
    assert wire.send(host, method="DELETE").status in (400, 403, 404, 405)


def test_an_unsigned_request_to_a_rest_api_is_refused_as_aws_refuses_it(wire):
    host = {"host": f"127.0.0.1:{wire.server.port}"}
    for path in ("/2015-02-01/file-systems", "/2015-02-01/file-systems/fs-01234567/policy"):
        answer = wire.send(host, method="GET", path=path)
        assert (answer.status, answer.json) == (403, {"message": "Missing Authentication Token"}), path
        assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    answer = wire.send(host, method="GET", path="/2015-02-01/nothing")
    assert (answer.status, answer.json) == (404, {})
    assert answer.headers["x-amzn-ErrorType"] == "UnknownOperationException"
    about = wire.send(host, method="GET")
    assert about.status == 200
    assert b"the APIs of AWS KMS, IAM, STS, Organizations, EFS and RDS." in about.body


def test_health_and_readiness_are_open_and_metrics_are_not_here(wire):
    host = {"host": f"127.0.0.1:{wire.server.port}"}
    assert wire.send(host, method="GET", path="/healthz").status == 200
    assert wire.send(host, method="GET", path="/readyz").status == 200
    assert wire.send(host, method="GET", path="/metrics").status != 200


def test_a_connection_serves_many_requests(wire, key):
    headers = wire.signed({"content-type": JSON, "x-amz-target": "TrentService.ListKeys"}, b"{}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST / HTTP/1.1\r\n{lines}content-length: 2\r\n\r\n{{}}".encode()
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=10) as stream:
        stream.sendall(request * 20)  # pipelined
        received = b""
        while received.count(b"HTTP/1.1 200") < 20:
            part = stream.recv(65536)
            assert part, "the connection ended early"
            received += part


def test_a_header_section_without_end_is_cut_off(wire):
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=30) as stream:
        try:
            stream.sendall(b"POST / HTTP/1.1\r\n" + b"x-filler: " + b"f" * 1_000_000)
            answer = stream.recv(4096)
        except ConnectionError:
            answer = b""
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


def test_validation_comes_before_the_key_is_looked_up(wire):
    answer = wire.kms("Encrypt", {"KeyId": "foo"})
    assert answer.error == (
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must not be null",
    )


def test_an_encryption_context_value_is_text(wire, key):
    answer = wire.kms("Encrypt", {"KeyId": key, "Plaintext": "YQ==", "EncryptionContext": {"a": ["1"]}})
    assert (answer.status, answer.error[0]) == (400, "SerializationException")


def test_the_key_of_a_crypto_answer_is_the_arn(wire, key):
    assert wire.kms("Encrypt", {"KeyId": key, "Plaintext": "YQ=="}).json["KeyId"] == key_arn(key)


NAMESPACES = {
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}


def xml_error(service, answer, code, message):
    """The whole body of an error of a service that speaks Query."""
    return (
        f'<ErrorResponse xmlns="{NAMESPACES[service]}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{message}</Message></Error><RequestId>{answer.headers['x-amzn-requestid']}</RequestId>"
        "</ErrorResponse>"
    )


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_what_is_refused_before_its_body_is_read_is_refused_by_the_service_it_is_signed_for(wire, service):
    def ask(body, headers=None):
        return wire.send({**wire.signed({"content-type": FORM}, body, service=service), **(headers or {})}, body)

    missing = (
        "The request names no operation. Requests to kms, organizations and keyward need an X-Amz-Target header, "
        "and requests to iam, sts and rds need an Action parameter."
    )
    for status, code, message, answer in [
        (400, "MalformedQueryString", "A parameter name must not occur twice.", ask(b"a=1&a=2")),
        (400, "MalformedQueryString", "A parameter of the request is not UTF-8.", ask(b"Action=%FF")),
        (400, "MissingAction", missing, ask(b"")),
        (400, "InvalidAction", "Could not find operation  for version NO_VERSION_SPECIFIED", ask(b"{}")),
        (413, "RequestEntityTooLargeException", "", ask(b"a" * 600_000)),
    ]:
        assert (answer.status, answer.headers["content-type"]) == (status, "text/xml"), code
        assert answer.body.decode() == xml_error(service, answer, code, message)
    # In a presigned query as well.
    path, headers = wire.presigned(service, {"A": "1"})
    answer = wire.send(headers, method="GET", path=path)
    message = "Could not find operation  for version NO_VERSION_SPECIFIED"
    assert answer.body.decode() == xml_error(service, answer, "InvalidAction", message)


def test_what_is_signed_for_kms_and_names_no_operation_is_refused_in_json(wire):
    for body in (b"", b"{}", b"a=1&a=2", b"Action=ListKeys"):
        answer = wire.send(wire.signed({"content-type": JSON}, body), body)
        assert (answer.status, answer.headers["content-type"]) == (400, JSON)
        assert answer.json == {"__type": "UnknownOperationException"}
    body = b"a" * 600_000
    answer = wire.send(wire.signed({"content-type": JSON}, body), body)
    assert (answer.status, answer.json) == (413, {"__type": "RequestEntityTooLargeException"})


def test_a_mark_of_a_signature_does_not_make_room_for_a_token(server):
    """AssumeRoleWithWebIdentity is never signed, so what looks like a signature allows nothing."""
    body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=" + "x" * (65 << 10)
    asked = urllib.request.Request(
        f"{server.url}/?X-Amz-Signature=x", body.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)
    assert caught.value.code == 413


@pytest.mark.parametrize("fields,status", [(100, 200), (101, 431)])
def test_a_request_has_at_most_a_hundred_headers(server, fields, status):
    host, port = server.url.removeprefix("http://").split(":")
    more = "".join(f"x-{number}: y\r\n" for number in range(fields - 2))
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode())
        head = connection.makefile("rb").readline()
    assert int(head.split()[1]) == status
