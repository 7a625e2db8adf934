#!/usr/bin/env python3
"""Signs every case anew with botocore's own SigV4Auth and writes the suite's files.

Usage: python3 resign.py [DIRECTORY]    (needs botocore; signs the cases of the AWS Common Runtime
only where awscrt is installed too)
"""

import datetime
import hashlib
import io
import os
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfI"
    "eoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0"
    "wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)
HOST = "example.amazonaws.com"
FORM = "application/x-www-form-urlencoded"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# name: (method, target as sent, target as an encoded URL or None, fields, body, options)
CASES = {
    "get-header-key-duplicate": ("GET", "/", None, [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")], "", {}),
    "get-header-value-multiline": ("GET", "/", None, [("My-Header1", "value1\n  value2\n     value3")], "", {}),
    "get-header-value-order": ("GET", "/", None, [("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"), ("My-Header1", "value2")], "", {}),
    "get-header-value-trim": ("GET", "/", None, [("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')], "", {}),
    "get-unreserved": ("GET", "/" + UNRESERVED, None, [], "", {}),
    "get-utf8": ("GET", "/\u1234", None, [], "", {}),
    "get-vanilla": ("GET", "/", None, [], "", {}),
    "get-vanilla-empty-query-key": ("GET", "/?Param1=value1", None, [], "", {}),
    "get-vanilla-query": ("GET", "/", None, [], "", {}),
    "get-vanilla-query-order-encoded": ("GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", None, [], "", {}),
    "get-vanilla-query-order-key": ("GET", "/?Param1=value2&Param1=Value1", None, [], "", {}),
    "get-vanilla-query-order-key-case": ("GET", "/?Param2=value2&Param1=value1", None, [], "", {}),
    "get-vanilla-query-order-value": ("GET", "/?Param1=value2&Param1=value1", None, [], "", {}),
    "get-vanilla-query-unreserved": ("GET", "/?" + UNRESERVED + "=" + UNRESERVED, None, [], "", {}),
    "get-vanilla-utf8-query": ("GET", "/?\u1234=bar", "/?%E1%88%B4=bar", [], "", {}),
    "get-vanilla-with-session-token": ("GET", "/", None, [], "", {"token": "before"}),
    "normalize-path-get-relative": ("GET", "/example/..", None, [], "", {}),
    "normalize-path-get-relative-relative": ("GET", "/example1/example2/../..", None, [], "", {}),
    "normalize-path-get-slash": ("GET", "//", None, [], "", {}),
    "normalize-path-get-slash-dot-slash": ("GET", "/./", None, [], "", {}),
    "normalize-path-get-slash-pointless-dot": ("GET", "/./example", None, [], "", {}),
    "normalize-path-get-slashes": ("GET", "//example//", None, [], "", {}),
    "normalize-path-get-space": ("GET", "/example space/", None, [], "", {}),
    "post-header-key-case": ("POST", "/", None, [], "", {}),
    "post-header-key-sort": ("POST", "/", None, [("My-Header1", "value1")], "", {}),
    "post-header-value-case": ("POST", "/", None, [("My-Header1", "VALUE1")], "", {}),
    "post-sts-header-after": ("POST", "/", None, [], "", {"token": "after"}),
    "post-sts-header-before": ("POST", "/", None, [], "", {"token": "before"}),
    "post-vanilla": ("POST", "/", None, [], "", {}),
    "post-vanilla-empty-query-value": ("POST", "/?Param1=value1", None, [], "", {}),
    "post-vanilla-query": ("POST", "/?Param1=value1", None, [], "", {}),
    "post-x-www-form-urlencoded": ("POST", "/", None, [("Content-Type", FORM)], "Param1=value1", {}),
    "post-x-www-form-urlencoded-parameters": ("POST", "/", None, [("Content-Type", FORM + "; charset=utf8")], "Param1=value1", {}),
    # What clients of Keyward send.
    "kms-generate-data-key": ("POST", "/", None, [("X-Amz-Target", "TrentService.GenerateDataKey"), ("Content-Type", "application/x-amz-json-1.1")], '{"KeyId": "alias/app", "KeySpec": "AES_256"}', {"service": "kms"}),
    "kms-with-body-hash": ("POST", "/", None, [("X-Amz-Target", "TrentService.ListKeys"), ("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Content-Sha256", hashlib.sha256(b"{}").hexdigest())], "{}", {"service": "kms"}),
    "iam-list-users": ("GET", "/?Action=ListUsers&Version=2010-05-08", None, [("Content-Type", FORM + "; charset=utf-8")], "", {"service": "iam", "host": "iam.amazonaws.com"}),
    "sts-get-caller-identity-presigned": ("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", None, [("x-k8s-aws-id", "a cluster")], "", {"service": "sts", "host": "sts.us-east-1.amazonaws.com", "presigned": 60}),
    "sts-get-caller-identity-presigned-token": ("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", None, [("x-k8s-aws-id", "a cluster")], "", {"service": "sts", "host": "sts.us-east-1.amazonaws.com", "presigned": 60, "token": "before"}),
}

botocore.auth.get_current_datetime = lambda *args, **kwargs: NOW


def rendered(method, target, fields, body):
    lines = [f"{method} {target} HTTP/1.1"] + [f"{name}:{value}" for name, value in fields]
    return "\n".join(lines) + ("\n\n" + body if body else "")


def sign(method, target, encoded, fields, body, options):
    host = options.get("host", HOST)
    token = TOKEN if options.get("token") == "before" else None
    credentials = Credentials(ACCESS_KEY, SECRET_KEY, token)
    request = AWSRequest(method=method, url=f"https://{host}{encoded or target}", data=body)
    request.headers.add_header("Host", host)
    for name, value in fields:
        request.headers.add_header(name, value)
    service = options.get("service", "service")
    if "presigned" in options:
        auth = botocore.auth.SigV4QueryAuth(credentials, service, "us-east-1", expires=options["presigned"])
    else:
        auth = botocore.auth.SigV4Auth(credentials, service, "us-east-1")
    kept = {}
    for step in ("canonical_request", "string_to_sign"):
        made = getattr(auth, step)
        setattr(auth, step, lambda *args, made=made, step=step: kept.setdefault(step, made(*args)))
    auth.add_auth(request)
    if options.get("token") == "after":
        request.headers.add_header("X-Amz-Security-Token", TOKEN)
    if "presigned" in options:
        target = request.url.removeprefix(f"https://{host}")
    sent = [(name, value) for name, value in request.headers.items()]
    return kept, target, sent, request.headers.get("Authorization", "")


def common_runtime_cases():
    """Requests as the signer of the AWS Common Runtime sends them: name and text."""
    try:
        from awscrt import auth, http
    except ImportError:
        return
    fields = [
        ("Host", "127.0.0.1:5670"), ("X-Amz-Target", "TrentService.Encrypt"),
        ("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", "2"), ("User-Agent", "x"),
        ("amz-sdk-request", "attempt=1"), ("Accept-Encoding", "identity"),
        ("Connection", "keep-alive"), ("Expect", "100-continue"),
    ]
    with_hash = auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256
    without_hash = auth.AwsSignedBodyHeaderType.NONE
    in_query = auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS
    in_header = auth.AwsSignatureType.HTTP_REQUEST_HEADERS
    caller = "/?Action=GetCallerIdentity&Version=2011-06-15"
    for name, service, method, target, sent, body, body_hash, place in [
        ("kms-crt", "kms", "POST", "/", fields, "{}", without_hash, in_header),
        ("kms-crt-body-hash", "kms", "POST", "/", fields, "{}", with_hash, in_header),
        ("sts-crt-presigned", "sts", "GET", caller, fields[:1], "", without_hash, in_query),
    ]:
        stream = io.BytesIO(body.encode()) if body else None
        request = http.HttpRequest(method, target, http.HttpHeaders(sent), stream)
        config = auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4, signature_type=place, region="us-east-1",
            credentials_provider=auth.AwsCredentialsProvider.new_static(ACCESS_KEY, SECRET_KEY),
            service=service, date=NOW.replace(tzinfo=datetime.timezone.utc),
            signed_body_header_type=body_hash,
            expiration_in_seconds=60 if place == in_query else None,
        )
        auth.aws_sign_request(request, config).result()
        yield name, rendered(method, request.path, list(request.headers), body)


def write(root, name, files):
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    for extension, text in files.items():
        with open(os.path.join(folder, f"{name}.{extension}"), "w", newline="") as file:
            file.write(text)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for name, (method, target, encoded, fields, body, options) in CASES.items():
        kept, signed_target, sent, authorization = sign(method, target, encoded, fields, body, options)
        unsigned = [(field, value) for field, value in sent if field != "Authorization"]
        files = {
            "req": rendered(method, target, unsigned, body),
            "creq": kept["canonical_request"],
            "sts": kept["string_to_sign"],
            "sreq": rendered(method, signed_target, sent, body),
        }
        if authorization:
            files["authz"] = authorization
        write(root, name, files)
    for name, text in common_runtime_cases():
        write(root, name, {"sreq": text})


if __name__ == "__main__":
    main()
