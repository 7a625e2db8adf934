"""`keyward volume send`, `receive` and `copies` with a bucket: moto's, whose server verifies every signature with botocore,
and services that fail, cheat or never end."""

import re
import subprocess
import threading

import pytest

from buckets import Between, moto
from keyward import REGION, binary
from test_volume_copies import PIECE, fill, mib, reused
from volumes import run, volumes


@pytest.fixture
def bucket(volumes, moto):
    """The volumes of this test, whose commands find the bucket in their environment, and a prefix that is its own."""
    volumes.more = moto.environment()
    volumes.place = f"s3://{moto.BUCKET}/{volumes.folder.name}"
    return volumes


def image_of(volumes, arn, pieces=range(10, 13)):
    volumes.more, more = {}, volumes.more
    image = volumes.create(arn)
    volumes.more = more
    fill(image, pieces)
    return image


def test_a_volume_comes_back_from_a_bucket(bucket, moto, arn):
    image = image_of(bucket, arn)
    said = bucket("send", image, bucket.place, "--name", "v/one")
    assert said == f"The copy v/one of image is in {bucket.place}.\nIt has {mib(4)}.\n"
    keys = moto.keys(f"{bucket.folder.name}/")
    assert [key.split("/")[1] for key in keys] == ["chunks"] * 4 + ["copies"]
    assert keys[-1] == f"{bucket.folder.name}/copies/v/one"
    assert bucket("copies", bucket.place) == f"v/one  {mib(4)}, an image of 73.3 MiB\n"
    assert bucket("copies", bucket.place, "--verify", "v/one") == f"v/one is whole: {mib(4)}.\n"
    new = bucket.image("new")
    said = bucket("receive", bucket.place, new)
    assert said.splitlines()[:2] == [
        "new is made from the copy v/one.", f"It has {mib(4)}.",
    ]
    assert new.read_bytes() == image.read_bytes()
    # Only what has changed is sent.
    fill(image, [10], seed=2)
    assert "of which 3 were there already" in bucket("send", image, f"{bucket.place}/", "--name", "v/two")
    assert bucket("copies", bucket.place, "--remove", "v/one") == (
        "v/one is removed, and 1 chunk that no other copy needs: 4 MiB.\n"
    )
    assert bucket("copies", bucket.place, "--remove", "v/two").startswith("v/two is removed, and 4 chunks")
    assert moto.keys(f"{bucket.folder.name}/") == []


def test_flags_say_where_the_bucket_is_and_who_asks(bucket, moto, arn, tmp_path):
    image = image_of(bucket, arn)
    key, secret = moto.credentials
    (credentials := tmp_path / "credentials").write_text(
        f"[backup]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    bucket.more = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
                   "AWS_REGION": ""}
    flags = ("--endpoint-url", moto.url, "--profile", "backup", "--region", REGION)
    bucket("send", image, bucket.place, "--name", "v/one", *flags)
    assert bucket("copies", bucket.place, *flags).startswith("v/one  ")
    bucket.more["AWS_REGION"] = REGION
    said = bucket.fails("copies", bucket.place)
    assert said == "cannot connect to 127.0.0.1:1: Connection refused (os error 111): is the server running?"


def test_damaged_and_missing_chunks_of_a_bucket_are_found(bucket, moto, arn):
    image = image_of(bucket, arn)
    bucket("send", image, bucket.place, "--name", "v/one")
    one, two, three, _ = moto.keys(f"{bucket.folder.name}/chunks/")
    moto.s3.put_object(Bucket=moto.BUCKET, Key=one, Body=b"x" * PIECE)
    moto.s3.put_object(Bucket=moto.BUCKET, Key=two, Body=b"x" * (PIECE + 1))
    moto.s3.delete_object(Bucket=moto.BUCKET, Key=three)
    done = bucket.run("copies", bucket.place, "--verify", "v/one")
    assert done.returncode == 1
    one, two, three = (f"s3://{moto.BUCKET}/{key}" for key in (one, two, three))
    assert done.stdout.splitlines()[:4] == [
        "v/one cannot be received:", f"  {one} is damaged", f"  {two} is damaged", f"  {three} is missing",
    ]
    assert re.search(rf"^the chunk ({one}|{two}|{three}) of `v/one` is (damaged|missing): ",
                     bucket.fails("receive", bucket.place, bucket.image("new")))
    assert not bucket.image("new").exists()


def test_a_damaged_chunk_of_a_bucket_is_sent_again_if_it_is_read(bucket, moto, arn):
    image = image_of(bucket, arn)
    bucket("send", image, bucket.place, "--name", "v/one")
    one, two, *_ = moto.keys(f"{bucket.folder.name}/chunks/")
    length = moto.s3.head_object(Bucket=moto.BUCKET, Key=one)["ContentLength"]
    moto.s3.put_object(Bucket=moto.BUCKET, Key=one, Body=b"x" * length)
    moto.s3.put_object(Bucket=moto.BUCKET, Key=two, Body=b"x")
    # The length is seen in the list.
    assert "of which 3 were there already" in bucket("send", image, bucket.place, "--name", "v/two")
    done = bucket.run("copies", bucket.place, "--verify", "v/two")
    assert done.stdout.startswith(f"v/two cannot be received:\n  s3://{moto.BUCKET}/{one} is damaged\n\n")
    assert "of which 3 were there already" in bucket("send", image, bucket.place, "--name", "v/three", "--verify")
    for name in ("v/one", "v/two", "v/three"):
        assert bucket("copies", bucket.place, "--verify", name) == f"{name} is whole: {mib(4)}.\n"


def test_a_manifest_of_a_stranger_is_not_believed(bucket, moto, arn):
    image = image_of(bucket, arn)
    bucket("send", image, bucket.place, "--name", "v/one")
    key = f"{bucket.folder.name}/copies/v/one"
    moto.s3.put_object(Bucket=moto.BUCKET, Key=key, Body=b"KWVCOPYM" + b"\0\3" + b"x" * 100)
    assert bucket.fails("receive", bucket.place, bucket.image("new")) == (
        "the manifest of `v/one` has version 3, and this release knows version 2: use a newer release"
    )
    moto.s3.put_object(Bucket=moto.BUCKET, Key=key, Body=b"x" * (41 << 20))
    assert "the manifest of `v/one` is damaged: it is longer than a manifest can be" in bucket.fails(
        "receive", bucket.place, bucket.image("new")
    )
    # Names that would be paths are nobody's.
    for name in ("..", "../../../etc/x", "a b", "v/one/more", ".hidden"):
        moto.s3.put_object(Bucket=moto.BUCKET, Key=f"{bucket.folder.name}/copies/{name}", Body=b"x")
        moto.s3.put_object(Bucket=moto.BUCKET, Key=f"{bucket.folder.name}/copies/w/{name}", Body=b"x")
    moto.s3.delete_object(Bucket=moto.BUCKET, Key=key)
    assert bucket("copies", bucket.place) == f"There is no copy in {bucket.place} yet.\n"


def test_more_objects_than_one_page_are_listed(bucket, moto):
    for number in range(1001):
        key = f"{bucket.folder.name}/copies/v/{number:04}"
        moto.s3.put_object(Bucket=moto.BUCKET, Key=key, Body=b"x")
    done = bucket.run("copies", bucket.place)
    lines = done.stdout.splitlines()
    assert len(lines) == 1001 and lines[-1].startswith("v/1000  the manifest of `v/1000` is damaged")


def test_what_the_service_refuses_is_said_with_what_to_do(bucket, moto, arn):
    image = image_of(bucket, arn)
    host = moto.url.removeprefix("http://")
    assert bucket.fails("send", image, "s3://no-such-bucket/x") == (
        f"{host} has no bucket `no-such-bucket`: create it first, or correct the name or the service's URL"
    )
    key, _ = moto.credentials
    bucket.more["AWS_SECRET_ACCESS_KEY"] = "wrong"
    said = bucket.fails("send", image, bucket.place)
    assert re.fullmatch(
        rf"{host} refused s3:ListBucket on the bucket `our-backups` with status 403, SignatureDoesNotMatch: .+", said
    ), said
    bucket.more["AWS_SECRET_ACCESS_KEY"] = ""
    assert bucket.fails("send", image, bucket.place) == "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"
    bucket.more = {"AWS_ENDPOINT_URL_S3": bucket.server.url}
    # A Keyward server is no service of buckets.
    said = bucket.fails("send", image, bucket.place)
    host = bucket.server.url.removeprefix("http://")
    assert said == (
        f"{host} is a Keyward server, which has no buckets: give the URL of the service that has the bucket `our-backups` "
        "with --endpoint-url (for an agent, --backup-endpoint-url) or in AWS_ENDPOINT_URL_S3"
    )


@pytest.mark.parametrize("place,said", [
    ("s3://", "`` is not the name of a bucket, which has 3 to 63 lower-case letters, digits, `.` and `-`"),
    ("s3://Bad_Name/x", "`Bad_Name` is not the name of a bucket, which has 3 to 63 lower-case letters, digits, `.` and `-`"),
    ("s3://our-backups/a//b", "`s3://our-backups/a//b` is not a place for copies: the parts of the prefix, which `/` "
     "separates, have letters, digits, `.`, `_` and `-`, at most 512 together"),
    ("s3://our-backups/../b", "`s3://our-backups/../b` is not a place for copies: the parts of the prefix, which `/` "
     "separates, have letters, digits, `.`, `_` and `-`, at most 512 together"),
])
def test_what_is_no_bucket_is_said(bucket, place, said):
    assert bucket.fails("copies", place) == said


def test_a_service_that_fails_for_a_while_is_asked_again(bucket, moto, arn):
    image = image_of(bucket, arn)
    fails = iter([503, 500, 429])
    lock = threading.Lock()

    def answer(method, path, body):
        with lock:
            status = next(fails, None) if method == "PUT" else None
        return status and (status, {}, b"<Error><Code>SlowDown</Code></Error>")

    service = Between(moto, answer)
    try:
        bucket("send", image, bucket.place, "--name", "v/one", "--endpoint-url", service.url)
        assert next(fails, None) is None
    finally:
        service.end()
    assert bucket("copies", bucket.place, "--verify", "v/one") == f"v/one is whole: {mib(4)}.\n"


def test_sending_to_a_bucket_that_is_killed_goes_on(bucket, moto, arn):
    image = image_of(bucket, arn, range(5, 15))
    reached, go = threading.Semaphore(0), threading.Event()

    def answer(method, path, body):
        if method == "PUT" and sum(asked[0] == "PUT" for asked in service.asked) > 5:
            reached.release()
            go.wait()
            return 500, {}, b""
        return None

    service = Between(moto, answer)
    command = [binary(), "volume", "send", image, bucket.place, "--name", "v/one", "--endpoint-url", service.url]
    process = subprocess.Popen(command, env=bucket.environment)
    assert reached.acquire(timeout=60)
    process.kill()
    process.wait()
    go.set()
    service.end()
    assert bucket("copies", bucket.place) == f"There is no copy in {bucket.place} yet.\n"
    there = len(moto.keys(f"{bucket.folder.name}/chunks/"))
    assert 1 <= there <= 5
    said = bucket("send", image, bucket.place, "--name", "v/one")
    assert f"It has {mib(11)}, of which " in said and reused(said) == (11, there)
    # The same for what is received.
    reached, go = threading.Semaphore(0), threading.Event()

    def answer(method, path, body):
        if "/chunks/" in path and sum("/chunks/" in asked[1] for asked in service.asked) > 8:
            reached.release()
            go.wait()
            return 500, {}, b""
        return None

    service = Between(moto, answer)
    new = bucket.image("new")
    command = [binary(), "volume", "receive", bucket.place, new, "--endpoint-url", service.url]
    process = subprocess.Popen(command, env=bucket.environment)
    assert reached.acquire(timeout=60)
    process.kill()
    process.wait()
    go.set()
    service.end()
    assert not new.exists()
    said = bucket("receive", bucket.place, new)
    total, there = reused(said)
    assert total == 11 and 1 <= there <= 8
    assert new.read_bytes() == image.read_bytes()


ENDLESS = b"""<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>
</ListBucketResult>"""


@pytest.mark.parametrize("status,headers,body,said", [
    (200, {}, ENDLESS, "{host} does not answer as a service of buckets does, its list has no end: check its URL"),
    (200, {}, b"<html>Welcome</html>",
     "{host} does not answer as a service of buckets does, its list is not one: check its URL"),
    (200, {}, b"x" * (5 << 20),
     "{host} does not answer as a service of buckets does, its list is not XML: check its URL"),
    (301, {"x-amz-bucket-region": "eu-west-1", "Location": "http://127.0.0.1:1/"}, b"",
     "the bucket `our-backups` is in the Region eu-west-1: use that one"),
    (307, {"Location": "http://127.0.0.1:1/"}, b"",
     "{host} refused s3:ListBucket on the bucket `our-backups` with status 307, without saying why"),
    (403, {}, b"<Error><Code>AccessDenied</Code><Message>No\x1b[0m way.</Message></Error>",
     "{host} refused s3:ListBucket on the bucket `our-backups` with status 403, without saying why"),
    (403, {}, b"<Error><Code>AccessDenied</Code><Message>No way.</Message></Error>",
     "{host} does not allow s3:ListBucket on the bucket `our-backups`, AccessDenied: No way: the access key {key} needs "
     "s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects"),
])
def test_a_service_that_cheats_is_named(bucket, moto, status, headers, body, said):
    service = Between(moto, lambda *_: (status, headers, body))
    try:
        found = bucket.fails("copies", bucket.place, "--endpoint-url", service.url)
    finally:
        service.end()
    host = service.url.removeprefix("http://")
    assert found == said.format(host=host, key=moto.credentials[0])


def test_only_signed_requests_are_sent_and_no_secret(bucket, moto, arn):
    image = image_of(bucket, arn)
    seen = []
    service = Between(moto, lambda method, path, body: seen.append((method, path)))
    try:
        bucket("send", image, bucket.place, "--name", "v/one", "--endpoint-url", service.url)
    finally:
        service.end()
    methods = [method for method, _ in seen]
    # The copies, the chunks; the chunks, the manifest; the chunks again.
    assert methods == ["GET", "GET"] + ["PUT"] * 5 + ["GET"]
    assert all(path.startswith("/our-backups") for _, path in seen)
    assert moto.credentials[1] not in str(seen)


def test_a_bucket_over_tls_needs_a_certificate_that_is_trusted(bucket, moto, arn, tmp_path):
    image = image_of(bucket, arn)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=buckets", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
    service = Between(moto, lambda *_: None, (certificate, key))
    try:
        said = bucket.fails("copies", bucket.place, "--endpoint-url", service.url)
        assert said == (
            f"the certificate of {service.url.removeprefix('https://')} is not trusted: give it, or the certificate of "
            "the authority that signed it, with --ca-file or AWS_CA_BUNDLE"
        )
        flags = ("--endpoint-url", service.url, "--ca-file", certificate)
        bucket("send", image, bucket.place, "--name", "v/one", *flags)
        bucket("receive", bucket.place, bucket.image("new"), *flags)
    finally:
        service.end()
    assert bucket.image("new").read_bytes() == image.read_bytes()
