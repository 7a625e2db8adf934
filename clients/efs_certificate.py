"""The certificate that amazon-efs-utils makes for a mount, by its published layout
(https://github.com/aws/efs-utils), with the request in it that it signs."""

import dataclasses
import datetime
import hashlib
import itertools
import pathlib
import subprocess

from calls_efs import identity

NUMBERS = itertools.count(1)


@dataclasses.dataclass
class Certificate:
    path: pathlib.Path
    key: pathlib.Path
    public_key_hash: str
    signature: str


def openssl(*words, **options):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, **options).stdout


def public_key_hash(key):
    """The SHA-1 of the bits of the public key, as a subject key identifier."""
    der = openssl("rsa", "-in", key, "-pubout", "-outform", "DER")
    # SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING }, whose first byte says that no bit is unused.
    return hashlib.sha1(der[24:]).hexdigest()


def make(
    folder,
    file_system,
    access_point=None,
    credentials=None,
    region="us-east-1",
    now=None,
    hours=3,
    foreign_key=False,
    layout=True,
):
    """Makes a certificate and its key. The last three change it into one that must be refused."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    at = folder / f"efs-{next(NUMBERS)}"
    at.mkdir()
    (at / "certs").mkdir()
    (at / "index.txt").touch()
    (at / "index.txt.attr").write_text("unique_subject = no")
    (at / "serial").write_text("00")
    key = at / "privateKey.pem"
    openssl("genpkey", "-algorithm", "RSA", "-out", key, "-pkeyopt", "rsa_keygen_bits:3072")
    key_hash = public_key_hash(key)
    signature = ""
    extensions = "subjectKeyIdentifier = hash\n"
    sections = ""
    if layout:
        if access_point:
            extensions += f"1.3.6.1.4.1.4843.7.1 = ASN1:UTF8String:{access_point}\n"
        if credentials:
            given = [part for part in credentials if part]
            signature = identity(file_system, given, now, region=region, key_hash=key_hash)["Signature"]
            extensions += "1.3.6.1.4.1.4843.7.2 = ASN1:SEQUENCE:efs_client_auth\n"
            sections += (
                f"[ efs_client_auth ]\naccessKeyId = UTF8String:{credentials[0]}\n"
                f"signature = OCTETSTRING:{signature}\nsigv4DateTime = UTCTIME:{now:%y%m%d%H%M%SZ}\n"
            )
            if credentials[2]:
                sections += f"sessionToken = EXPLICIT:0,UTF8String:{credentials[2]}\n"
        extensions += f"1.3.6.1.4.1.4843.7.3 = ASN1:UTF8String:{file_system}\n"
        extensions += "1.3.6.1.4.1.4843.7.4 = ASN1:SEQUENCE:efs_client_info\n"
        sections += "[ efs_client_info ]\nsource = UTF8String:test\nefs_utils_version = UTF8String:3.1.1\n"
    config = at / "config.conf"
    config.write_text(
        f"""dir = {at}
[ ca ]
default_ca = local_ca
[ local_ca ]
database = $dir/index.txt
serial = $dir/serial
private_key = {key}
cert = $dir/certificate.pem
new_certs_dir = $dir/certs
default_md = sha256
preserve = no
policy = efsPolicy
x509_extensions = v3_ca
[ efsPolicy ]
CN = supplied
[ req ]
prompt = no
distinguished_name = req_distinguished_name
[ req_distinguished_name ]
CN = {file_system}
[ v3_ca ]
{extensions}
{sections}"""
    )
    certificate = at / "certificate.pem"
    openssl("req", "-new", "-config", config, "-key", key, "-out", at / "request.csr")
    start = now + datetime.timedelta(minutes=-15 if hours > 0 else -120)
    end = now + datetime.timedelta(hours=hours)
    signer = ["-selfsign"]
    if foreign_key:
        other = at / "other.pem"
        openssl("genpkey", "-algorithm", "RSA", "-out", other, "-pkeyopt", "rsa_keygen_bits:3072")
        openssl("req", "-new", "-x509", "-key", other, "-subj", f"/CN={file_system}", "-out", at / "ca.pem")
        signer = ["-keyfile", other, "-cert", at / "ca.pem"]
    openssl(
        "ca", "-startdate", f"{start:%y%m%d%H%M%SZ}", "-enddate", f"{end:%y%m%d%H%M%SZ}", *signer, "-batch", "-notext",
        "-config", config, "-in", at / "request.csr", "-out", certificate,
    )  # fmt: skip
    return Certificate(certificate, key, key_hash, signature)
