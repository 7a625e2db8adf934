"""Who gets in: every way a signature can be wrong, on the raw wire."""

import datetime
import re

import pytest

from wire import FORM, Wire

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
TOKEN = "The security token included in the request is invalid."
GET_CALLER_IDENTITY = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


def test_a_well_signed_request_is_served(wire):
    answer = wire.kms("ListKeys")
    assert answer.status == 200
    assert "Keys" in answer.json


def test_an_unsigned_request_is_refused(wire):
    answer = wire.kms("ListKeys", after={"authorization": None})
    assert (answer.status, answer.error) == (400, ("MissingAuthenticationTokenException", "Missing Authentication Token"))


def test_another_scheme_is_refused(wire):
    for value in ("Basic YTpi", "AWS4-HMAC-SHA256", "Bearer x"):
        answer = wire.kms("ListKeys", after={"authorization": value})
        assert answer.status == 400
        assert answer.error[0] in ("IncompleteSignatureException", "MissingAuthenticationTokenException")


def test_an_incomplete_header_names_each_missing_part(wire):
    value = "AWS4-HMAC-SHA256 Nothing=here"
    answer = wire.kms("ListKeys", after={"authorization": value, "x-amz-date": None})
    assert (answer.status, answer.error) == (
        400,
        (
            "IncompleteSignatureException",
            "Authorization header requires 'Credential' parameter. "
            "Authorization header requires 'Signature' parameter. "
            "Authorization header requires 'SignedHeaders' parameter. "
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            f"Authorization={value}",
        ),
    )


def test_a_wrong_secret_is_a_wrong_signature(wire):
    answer = wire.kms("ListKeys", secret="x" * 40)
    assert (answer.status, answer.error) == (400, ("InvalidSignatureException", MISMATCH))


@pytest.mark.parametrize(
    "bent",
    [
        {"sent_body": b'{"Limit":1}'},
        {"after": {"x-amz-target": "TrentService.CreateKey"}},
        {"after": {"content-type": "application/x-amz-json-1.0"}},
        {"after": {"host": "example.com"}},
    ],
    ids=["body", "target", "content type", "host"],
)
def test_what_was_changed_after_signing_is_a_wrong_signature(wire, bent):
    answer = wire.kms("ListKeys", **bent)
    assert (answer.status, answer.error) == (400, ("InvalidSignatureException", MISMATCH))


def test_an_unknown_access_key_is_an_invalid_token(wire):
    answer = wire.kms("ListKeys", key="AKIAUNKNOWNUNKNOWN00")
    assert (answer.status, answer.error) == (400, ("UnrecognizedClientException", TOKEN))


def test_a_long_term_key_has_no_session_token(wire):
    answer = wire.kms("ListKeys", headers={"x-amz-security-token": "made-up"})
    assert (answer.status, answer.error) == (400, ("UnrecognizedClientException", TOKEN))


def test_a_request_older_than_5_minutes_has_expired(wire):
    assert wire.kms("ListKeys", age=280).status == 200
    answer = wire.kms("ListKeys", age=320)
    code, text = answer.error
    assert (answer.status, code) == (400, "InvalidSignatureException")
    stamp = r"\d{8}T\d{6}Z"
    assert re.fullmatch(rf"Signature expired: {stamp} is now earlier than {stamp} \({stamp} - 5 min\.\)", text)


def test_a_request_from_over_5_minutes_ahead_is_not_yet_current(wire):
    assert wire.kms("ListKeys", age=-280).status == 200
    answer = wire.kms("ListKeys", age=-320)
    code, text = answer.error
    assert (answer.status, code) == (400, "InvalidSignatureException")
    stamp = r"\d{8}T\d{6}Z"
    assert re.fullmatch(rf"Signature not yet current: {stamp} is still later than {stamp} \({stamp} \+ 5 min\.\)", text)


def test_the_scope_names_region_service_and_terminator(wire):
    answer = wire.kms("ListKeys", region="mars-north-1")
    assert answer.error == (
        "InvalidSignatureException",
        "Credential should be scoped to a valid region, not 'mars-north-1'.",
    )
    answer = wire.kms("ListKeys", service="s3")
    assert answer.error == (
        "InvalidSignatureException",
        "Credential should be scoped to correct service: 'kms'.",
    )
    answer = wire.kms("ListKeys", terminator="aws5_request")
    assert answer.error == (
        "InvalidSignatureException",
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'.",
    )


def test_the_scope_of_another_service_we_serve_is_wrong_too(wire):
    for service in ("sts", "iam"):
        answer = wire.kms("ListKeys", service=service)
        assert answer.error == (
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'kms'.",
        )


def test_a_region_of_another_partition_is_not_served(wire):
    answer = wire.kms("ListKeys", region="cn-north-1")
    assert answer.error == (
        "InvalidSignatureException",
        "Credential should be scoped to a valid region, not 'cn-north-1'.",
    )


def test_the_date_of_the_scope_is_the_date_of_the_request(wire):
    answer = wire.kms("ListKeys", scope_date="20200101")
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")
    code, text = answer.error
    assert code == "InvalidSignatureException"
    assert text.startswith(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
        f"HTTP: '20200101' != '{today}', from '{today}T"
    )


def test_several_faults_of_the_scope_are_named_together(wire):
    answer = wire.kms("ListKeys", region="mars-north-1", service="s3")
    assert answer.error == (
        "InvalidSignatureException",
        "Credential should be scoped to a valid region, not 'mars-north-1'. "
        "Credential should be scoped to correct service: 'kms'.",
    )


def test_a_credential_has_five_parts(wire):
    headers = wire.signed({"content-type": "application/x-amz-json-1.1", "x-amz-target": "TrentService.ListKeys"})
    headers["authorization"] = headers["authorization"].replace("/kms/", "/")
    answer = wire.send(headers)
    assert answer.error[0] == "IncompleteSignatureException"


def test_the_host_must_be_signed(wire):
    answer = wire.kms("ListKeys", unsigned=("host",))
    assert (answer.status, answer.error) == (
        400,
        (
            "InvalidSignatureException",
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ),
    )


@pytest.mark.parametrize("name", ["x-amz-target", "x-amz-security-token", "x-amz-content-sha256"])
def test_what_steers_the_request_must_be_signed(wire, name):
    extra = {} if name == "x-amz-target" else {name: "x"}
    answer = wire.kms("ListKeys", headers=extra, unsigned=(name,), payload_hash=None)
    assert answer.status == 400
    assert answer.error[0] in ("InvalidSignatureException", "UnrecognizedClientException")


def test_the_content_hash_is_the_hash_of_the_body(wire):
    from wire import sha256

    answer = wire.kms("ListKeys", headers={"x-amz-content-sha256": sha256(b"{}")})
    assert answer.status == 200
    answer = wire.kms("ListKeys", headers={"x-amz-content-sha256": sha256(b"other")})
    assert (answer.status, answer.error[0]) == (400, "InvalidSignatureException")
    answer = wire.kms("ListKeys", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert (answer.status, answer.error[0]) == (400, "InvalidSignatureException")


def test_other_headers_may_be_signed_in_any_number(wire):
    more = {"amz-sdk-invocation-id": "1", "amz-sdk-request": "attempt=1;  max=3", "x-amzn-trace-id": "Root=1"}
    assert wire.kms("ListKeys", headers=more).status == 200


def test_the_same_request_twice_is_served_twice(wire):
    headers = wire.signed({"content-type": "application/x-amz-json-1.1", "x-amz-target": "TrentService.ListKeys"}, b"{}")
    assert [wire.send(headers, b"{}").status for _ in range(2)] == [200, 200]


def test_a_deleted_access_key_is_an_invalid_token(server, user, iam):
    wire = Wire(server, user.credentials)
    assert wire.kms("ListKeys").error[0] == "AccessDeniedException"
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials[0])
    assert wire.kms("ListKeys").error == ("UnrecognizedClientException", TOKEN)


def test_sts_and_iam_take_requests_of_15_minutes(wire):
    assert wire.query("sts", GET_CALLER_IDENTITY, age=880).status == 200
    answer = wire.query("sts", GET_CALLER_IDENTITY, age=920)
    assert answer.status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in answer.body
    assert b"- 15 min.)" in answer.body


@pytest.mark.parametrize(
    "bent,status,code",
    [
        ({"secret": "x" * 40}, 403, "SignatureDoesNotMatch"),
        ({"key": "AKIAUNKNOWNUNKNOWN00"}, 403, "InvalidClientTokenId"),
    ],
)
def test_the_query_protocol_has_its_own_names(wire, bent, status, code):
    for service, parameters in (
        ("sts", GET_CALLER_IDENTITY),
        ("iam", {"Action": "CreateUser", "Version": "2010-05-08", "UserName": "x"}),
    ):
        answer = wire.query(service, parameters, **bent)
        assert answer.status == status
        assert f"<Code>{code}</Code>".encode() in answer.body
        assert b"<ErrorResponse" in answer.body


def test_an_unsigned_query_is_refused(wire):
    headers = {"host": f"127.0.0.1:{wire.server.port}", "content-type": FORM}
    answer = wire.send(headers, b"Action=GetCallerIdentity&Version=2011-06-15")
    assert answer.status == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in answer.body


def test_a_presigned_get_caller_identity_is_served_for_15_minutes(wire):
    for age, expires in ((0, 60), (600, 60), (880, 900)):
        path, headers = wire.presigned("sts", GET_CALLER_IDENTITY, age=age, expires=expires)
        answer = wire.send(headers, method="GET", path=path)
        assert (answer.status, b"<Arn>" in answer.body) == (200, True)
    path, headers = wire.presigned("sts", GET_CALLER_IDENTITY, age=920)
    assert wire.send(headers, method="GET", path=path).status in (400, 403)


def test_a_presigned_request_may_sign_further_headers(wire):
    # As the tokens of Kubernetes clusters do.
    path, headers = wire.presigned("sts", GET_CALLER_IDENTITY, expires=60, headers={"x-k8s-aws-id": "cluster"})
    assert wire.send(headers, method="GET", path=path).status == 200
    headers["x-k8s-aws-id"] = "other"
    assert wire.send(headers, method="GET", path=path).status == 403


def test_nothing_else_is_served_presigned(wire):
    path, headers = wire.presigned("iam", {"Action": "CreateUser", "Version": "2010-05-08", "UserName": "presigned"})
    assert wire.send(headers, method="GET", path=path).status in (400, 403)
    path, headers = wire.presigned("kms", {"Action": "ListKeys"})
    assert wire.send(headers, method="GET", path=path).status in (400, 403, 404, 405)
