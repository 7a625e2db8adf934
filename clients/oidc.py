"""An OpenID Connect issuer that the tests own: its keys, its tokens, and its web server, which can
be made to misbehave."""

import base64
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import time

from keyward import ACCOUNT


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True)
    return done.stdout


def encoded(data):
    """Base64 as JSON Web Tokens have it."""
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SigningKey:
    """A key pair made by openssl: RSA, or the curve P-256."""

    def __init__(self, folder, kid, algorithm="RS256"):
        self.kid, self.algorithm, self.path = kid, algorithm, pathlib.Path(folder) / f"{kid}.pem"
        if algorithm.startswith("RS"):
            openssl("genrsa", "-out", self.path, "2048")
        else:
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path)

    def public_pem(self):
        return openssl("pkey", "-in", self.path, "-pubout")

    def jwk(self):
        if self.algorithm.startswith("RS"):
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip()
            number = bytes.fromhex(modulus.partition("=")[2])
            return {"kty": "RSA", "kid": self.kid, "use": "sig", "n": encoded(number), "e": "AQAB"}
        point = openssl("ec", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        x, y = encoded(point[:32]), encoded(point[32:])
        return {"kty": "EC", "kid": self.kid, "crv": "P-256", "x": x, "y": y}

    def sign(self, message):
        digest = "-sha" + self.algorithm[2:]
        signature = openssl("dgst", digest, "-sign", self.path, data=message)
        return signature if self.algorithm.startswith("RS") else plain(signature)


def plain(signature):
    """Both numbers of an ECDSA signature one after the other, out of their DER."""
    numbers, at = b"", 2
    for _ in range(2):
        length = signature[at + 1]
        number = signature[at + 2 : at + 2 + length]
        numbers += number.lstrip(b"\0").rjust(32, b"\0")
        at += 2 + length
    return numbers


class Issuer:
    """Who signs tokens under a URL."""

    def __init__(self, url, key, audience="client"):
        self.url, self.key, self.audience = url, key, audience

    @property
    def host_and_path(self):
        return self.url.removeprefix("https://")

    @property
    def provider_arn(self):
        return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{self.host_and_path}"

    def jwks(self):
        return {"keys": [self.key.jwk()]}

    def claims(self, **changed):
        now = int(time.time())
        claims = {"iss": self.url, "sub": "repo:main", "aud": self.audience, "iat": now, "exp": now + 600}
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def token(self, key=None, header=None, **changed):
        key = key or self.key
        header = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
        message = f"{encoded(header)}.{encoded(self.claims(**changed))}".encode()
        return f"{message.decode()}.{encoded(key.sign(message))}"


class Authority:
    """A certificate authority and what it certifies."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "ca.pem"
        openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self.folder / "ca.key", "-out", self.file, "-days", "2", "-subj", "/CN=tests",
            "-addext", "keyUsage=critical,keyCertSign",
        )

    def certify(self, names):
        """A server's certificate and key, for `DNS:…` and `IP:…` names."""
        request, extensions = self.folder / "leaf.csr", self.folder / "leaf.ext"
        key, certificate = self.folder / "leaf.key", self.folder / "leaf.pem"
        openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", request, "-subj", "/CN=issuer",
        )
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        openssl(
            "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.folder / "ca.key",
            "-CAcreateserial", "-out", certificate, "-days", "2", "-extfile", extensions,
        )
        return certificate, key


class Web:
    """An https server on loopback. `pages` maps paths to bytes, to a status, to a redirect's target,
    or to a function that answers by itself."""

    def __init__(self, certificate, key):
        self.pages, self.asked, pages = {}, [], self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                pages.asked.append(self.path)
                page = pages.pages.get(self.path, 404)
                if callable(page):
                    page(self)
                elif isinstance(page, bytes):
                    self.answer(200, page)
                elif isinstance(page, str):
                    self.answer(302, b"", ("Location", page))
                else:
                    self.answer(page, b"")

            def answer(self, status, body, *headers):
                self.send_response(status)
                for header in [("Content-Length", str(len(body))), *headers]:
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        # Every address of the loopback network, so that some can be allowed and others not.
        self.server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_port

    def publish(self, issuer, /, keys=None, **changed):
        """Puts an issuer's two documents where they belong."""
        base = "/" + issuer.url.removeprefix("https://").partition("/")[2]
        discovery = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks", **changed}
        self.pages[f"{base}/.well-known/openid-configuration"] = json.dumps(discovery).encode()
        self.pages[f"{base}/jwks"] = json.dumps(keys or issuer.jwks()).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def trust(issuer, **more):
    """The statement of a trust policy that lets in whom the issuer vouches for."""
    return {
        "Effect": "Allow",
        "Principal": {"Federated": issuer.provider_arn},
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
        **more,
    }
