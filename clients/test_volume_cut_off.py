"""An attached volume when its key may not be used any more, when KMS does not answer, and afterwards."""

import json
import os
import resource
import time
import uuid

import pytest

from keyward import eventually
from volumes import Volumes, is_cut_off, require, volumes, write

TEXT = b"read a moment ago, and so in the page cache"


@pytest.fixture
def cached(volumes, arn):
    """A file that is in the page cache."""
    image = volumes.create(arn)
    mnt = volumes.attach(image, "--recheck", "1s")
    write(mnt / "file", TEXT)
    assert (mnt / "file").read_bytes() == TEXT
    return mnt / "file"


def state(volumes):
    return volumes.stat(volumes.image())["State"]


def reason(volumes):
    return volumes.stat(volumes.image())["Process"]["Reason"]


def test_a_disabled_key_cuts_off_and_an_enabled_one_brings_back(volumes, kms, arn, cached):
    with open(cached, "rb", buffering=0) as open_file:
        kms.disable_key(KeyId=arn)
        with pytest.raises(OSError, match="Input/output error"):
            eventually(lambda: os.pread(open_file.fileno(), 9, 0) != TEXT[:9], seconds=10)
    eventually(lambda: state(volumes) == "cut-off")
    assert reason(volumes) == f"DisabledException: {arn} is disabled."
    assert not cached.exists()
    assert "cut off since " in volumes("stat", volumes.image())
    said = volumes.fails("attach", volumes.image(), volumes.directory())
    assert said.startswith("image is cut off, and its process ")
    kms.enable_key(KeyId=arn)
    eventually(cached.exists)
    assert cached.read_bytes() == TEXT
    write(cached, b"and after it")
    volumes("detach", volumes.image())


def test_a_key_that_waits_for_its_deletion_cuts_off(volumes, kms, arn, cached):
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    eventually(lambda: state(volumes) == "cut-off")
    assert is_cut_off(cached)
    assert reason(volumes) == f"KMSInvalidStateException: {arn} is pending deletion."
    assert volumes("detach", volumes.image()) == "image is detached.\n"


def test_whoever_loses_the_permission_is_cut_off_and_with_no_return_the_process_ends(volumes, iam, kms, arn):
    name = f"volumes-{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    allow = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext"], "Resource": arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": allow})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    volumes.credentials = made["AccessKeyId"], made["SecretAccessKey"]
    image = volumes.create(arn)
    mnt = volumes.attach(image, "--recheck", "1s", "--no-return")
    write(mnt / "file", TEXT)
    iam.delete_user_policy(UserName=name, PolicyName="p")
    eventually(lambda: state(volumes) == "cut-off")
    assert not (mnt / "file").exists()
    assert "is not authorized to perform: kms:Decrypt" in reason(volumes)
    eventually(lambda: volumes.stat(image)["Process"]["Pid"] is None)
    assert "was cut off at " in volumes("stat", image)


def test_without_an_answer_the_volume_stays_for_the_grace(own_server, tmp_path):
    require()
    volumes = Volumes(own_server, tmp_path / "v")
    volumes.folder.mkdir()
    kms = own_server.client("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    image = volumes.create(arn)
    try:
        mnt = volumes.attach(image, "--recheck", "1s", "--grace", "6s")
        write(mnt / "file", TEXT)
        own_server.kill()
        eventually(lambda: "KMS does not say that the key may be used" in volumes.logs())
        assert (mnt / "file").read_bytes() == TEXT
        began = time.monotonic()
        eventually(lambda: is_cut_off(mnt / "file"), seconds=20)
        assert time.monotonic() - began > 1
        # The volume fails a moment before its process says why.
        eventually(lambda: state(volumes) == "cut-off")
        assert "cannot connect to" in volumes.stat(image)["Process"]["Reason"]
        volumes("detach", image)
    finally:
        volumes.end()


def test_a_process_that_can_have_no_descriptor_asks_on(volumes, kms, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image, "--recheck", "1s")
    write(mnt / "file", TEXT)
    process = volumes.stat(image)["Process"]["Pid"]
    limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (0, limits[1]))
    time.sleep(4)
    resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
    assert state(volumes) == "attached"
    assert volumes.stat(image)["Process"]["Pid"] == process
    kms.disable_key(KeyId=arn)
    eventually(lambda: state(volumes) == "cut-off")
    assert is_cut_off(mnt / "file")
    kms.enable_key(KeyId=arn)
    eventually((mnt / "file").exists)
    volumes("detach", image)
