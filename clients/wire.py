"""Requests made by hand: a SigV4 signer whose every part can be bent, and bare HTTP."""

import datetime
import hashlib
import hmac
import http.client
import json
import urllib.parse

from keyward import REGION

JSON = "application/x-amz-json-1.1"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def iso(moment):
    return moment.strftime("%Y%m%dT%H%M%SZ")


class Answer:
    """What came back."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """Type and message of an error, as `(code, text)`; the text is None if absent."""
        body = self.json
        return body["__type"], body.get("message", body.get("Message"))


class Wire:
    """Sends requests to one server with one access key."""

    def __init__(self, server, credentials=None):
        self.server = server
        self.key, self.secret = credentials or server.root_credentials()

    def send(self, headers, body=b"", method="POST", path="/"):
        """Sends exactly this."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if "content-length" not in (name.lower() for name in headers):
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def kms(self, operation, body=b"{}", **bent):
        """One KMS request; what is bent goes to `signed`."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        headers = {"content-type": JSON, "x-amz-target": f"TrentService.{operation}"}
        headers.update(bent.pop("headers", {}))
        headers = {name: value for name, value in headers.items() if value is not None}
        after = bent.pop("after", {})
        sent = bent.pop("sent_body", body)
        signed = self.signed(headers, body, **bent)
        signed.update(after)
        return self.send({name: value for name, value in signed.items() if value is not None}, sent)

    def json(self, service, target, members):
        """One request of an API that speaks JSON."""
        body = json.dumps(members).encode()
        headers = {"content-type": JSON, "x-amz-target": target}
        return self.send(self.signed(headers, body, service=service), body)

    def organizations(self, operation, members):
        """One request of Organizations."""
        return self.json("organizations", f"AWSOrganizationsV20161128.{operation}", members)

    def query(self, service, parameters, method="POST", **bent):
        """One request of the AWS Query protocol."""
        body = urllib.parse.urlencode(parameters).encode()
        headers = self.signed({"content-type": FORM}, body, service=service, **bent)
        return self.send(headers, body, method)

    def signed(
        self,
        headers,
        body=b"",
        *,
        method="POST",
        query="",
        region=REGION,
        service="kms",
        terminator="aws4_request",
        key=None,
        secret=None,
        age=0,
        scope_date=None,
        unsigned=(),
        payload_hash=None,
        path="/",
    ):
        """The headers with a signature over them; `age` is in seconds, into the past."""
        moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
        headers = {"host": f"127.0.0.1:{self.server.port}", "x-amz-date": iso(moment), **headers}
        date = scope_date or iso(moment)[:8]
        scope = f"{date}/{region}/{service}/{terminator}"
        names = sorted(name.lower() for name in headers if name not in unsigned)
        lower = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        canonical = "\n".join(
            [
                method,
                path,
                query,
                *(f"{name}:{lower[name]}" for name in names),
                "",
                ";".join(names),
                payload_hash or lower.get("x-amz-content-sha256") or sha256(body),
            ]
        )
        text = "\n".join(["AWS4-HMAC-SHA256", iso(moment), scope, sha256(canonical.encode())])
        signing = f"AWS4{secret or self.secret}".encode()
        for part in (date, region, service, terminator):
            signing = mac(signing, part)
        signature = mac(signing, text).hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key or self.key}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers

    def presigned(self, service, parameters, region=REGION, age=0, expires=900, headers=None):
        """The path of a GET request that carries its signature in the query."""
        moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
        headers = {"host": f"127.0.0.1:{self.server.port}", **(headers or {})}
        scope = f"{iso(moment)[:8]}/{region}/{service}/aws4_request"
        names = sorted(headers)
        parameters = {
            **parameters,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.key}/{scope}",
            "X-Amz-Date": iso(moment),
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": ";".join(names),
        }
        query = "&".join(sorted(f"{quote(name)}={quote(value)}" for name, value in parameters.items()))
        lines = [f"{name}:{headers[name]}" for name in names]
        canonical = "\n".join(["GET", "/", query, *lines, "", ";".join(names), sha256(b"")])
        text = "\n".join(["AWS4-HMAC-SHA256", iso(moment), scope, sha256(canonical.encode())])
        signing = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            signing = mac(signing, part)
        return f"/?{query}&X-Amz-Signature={mac(signing, text).hex()}", headers
