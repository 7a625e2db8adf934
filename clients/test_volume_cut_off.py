"""An attached volume when its key may not be used any more, when KMS does not answer, and afterwards."""

import itertools
import json
import mmap
import os
import pathlib
import re
import resource
import signal
import subprocess
import threading
import time
import uuid

import pytest

from keyward import binary, eventually
from proxy import HoldingProxy
from volumes import Volumes, device_of, is_cut_off, require, run, volumes, write

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


def test_the_log_names_who_has_files_mapped_which_stay_readable_to_them(volumes, kms, arn, cached):
    with open(cached, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == TEXT
        kms.disable_key(KeyId=arn)
        eventually(lambda: is_cut_off(cached), seconds=10)
        # The limit that docs/volumes.md names.
        assert mapped[:] == TEXT
        eventually(lambda: "these processes have files mapped" in volumes.logs(), seconds=10)
        assert re.search(rf"\b{os.getpid()} \(", volumes.logs())
    kms.enable_key(KeyId=arn)
    eventually(cached.exists)


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


def test_a_process_without_a_free_descriptor_cuts_off(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image, "--recheck", "1s", "--grace", "3s")
    write(mnt / "file", TEXT)
    process = volumes.pid(image)
    taken = {int(number) for number in os.listdir(f"/proc/{process}/fd")}
    free = next(number for number in itertools.count() if number not in taken)
    limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (free, limits[1]))
    # It cannot ask any more.
    eventually(lambda: is_cut_off(mnt / "file"), seconds=30)
    eventually(lambda: state(volumes) == "cut-off")
    resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
    eventually((mnt / "file").exists)
    volumes("detach", image)


def test_a_log_that_nobody_reads_delays_no_cut_off(volumes, kms, arn):
    image, mnt = volumes.create(arn), volumes.directory()
    volumes.images.append(image)
    reader, log = os.pipe()
    os.set_blocking(log, False)
    for size in (4096, 1):
        with pytest.raises(BlockingIOError):
            while True:
                os.write(log, b"\n" * size)
    os.set_blocking(log, True)
    command = [binary(), "volume", "attach", "--foreground", "--recheck", "1s", image, mnt]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=volumes.environment, text=True)
    os.close(log)
    assert process.stdout.readline().startswith(f"{image} is mounted on {mnt} ")
    write(mnt / "file", TEXT)
    kms.disable_key(KeyId=arn)
    eventually(lambda: state(volumes) == "cut-off")
    assert is_cut_off(mnt / "file")
    # What found a place is written as soon as somebody reads.
    found = []
    reading = threading.Thread(target=lambda: found.extend(os.fdopen(reader, "rb")))
    reading.start()
    volumes("detach", image)
    process.wait()
    process.stdout.close()
    reading.join()
    assert any(b"the volume is cut off" in line for line in found)


@pytest.fixture
def connections(tmp_path):
    """What can end connections of FUSE, mounted for this test alone."""
    point = tmp_path / "connections"
    point.mkdir()
    run("mount", "-t", "fusectl", "none", point)
    yield point
    run("umount", point)


def abort(volumes, connections):
    """Ends the serving of the volume, while everything above it stays."""
    volume = volumes.stat(volumes.image())["VolumeId"]
    served = volumes.state / volume / "place" / "device"
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    connection = re.search(rf" 0:(\d+) / {re.escape(str(served))} ", mounts)[1]
    (connections / connection / "abort").write_text("1")


def test_what_is_attached_but_not_served_any_more_is_cut_off(volumes, arn, connections):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    device = device_of(volumes, image)
    with open(mnt / "file", "rb", buffering=0) as open_file:
        assert os.pread(open_file.fileno(), 9, 0) == TEXT[:9]
        abort(volumes, connections)
        eventually(lambda: state(volumes) == "cut-off")
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(open_file.fileno(), 9, 0)
    assert is_cut_off(mnt / "file")
    assert reason(volumes) == "serving has ended, but the volume is still attached"
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    assert f" {device} " not in mounts and f" {mnt} " not in mounts
    assert volumes("detach", image) == "image is detached.\n"
    volumes.attach(image)
    assert (mnt / "file").read_bytes() == TEXT
    volumes("detach", image)


def test_what_is_not_served_any_more_comes_back_when_kms_has_said_that_it_may(volumes, arn, connections, cached):
    abort(volumes, connections)
    eventually(lambda: "serving has ended, but the volume is still attached" in volumes.logs())
    eventually(lambda: not is_cut_off(cached))
    assert cached.read_bytes() == TEXT
    volumes("detach", volumes.image())


def test_what_a_killed_process_left_is_cut_off_before_kms_is_asked(volumes, kms, arn, cached):
    volumes.kill(volumes.image())
    kms.disable_key(KeyId=arn)
    with open(cached, "rb", buffering=0) as open_file:
        # Nobody keeps the volume now, as docs/volumes.md says.
        assert os.pread(open_file.fileno(), 9, 0) == TEXT[:9]
        said = volumes.fails("attach", volumes.image(), volumes.directory())
        assert said.endswith(f": DisabledException: {arn} is disabled.")
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(open_file.fileno(), 9, 0)
    assert not cached.exists()
    assert state(volumes) == "detached"
    kms.enable_key(KeyId=arn)
    volumes.attach(volumes.image())
    assert cached.read_bytes() == TEXT


def test_what_a_process_keeps_that_hangs_is_cut_off_by_force(volumes, cached):
    pid = volumes.pid(volumes.image())
    os.kill(pid, signal.SIGSTOP)
    with open(cached, "rb", buffering=0) as open_file:
        said = volumes("detach", "--force", volumes.image())
        assert said == f"{volumes.image().name} is cut off. Its process {pid} did not answer, and is killed.\n"
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(open_file.fileno(), 9, 0)
    assert not cached.exists()
    assert state(volumes) == "detached"
    volumes.attach(volumes.image())
    assert cached.read_bytes() == TEXT


def test_what_a_killed_process_left_is_cut_off_also_if_kms_does_not_answer(own_server, tmp_path):
    require()
    volumes = Volumes(own_server, tmp_path)
    try:
        image = volumes.create(own_server.client("kms").create_key()["KeyMetadata"]["Arn"])
        file = volumes.attach(image) / "file"
        write(file, TEXT)
        assert file.read_bytes() == TEXT
        volumes.kill(image)
        own_server.kill()
        volumes.fails("attach", image, volumes.directory())
        assert not file.exists()
    finally:
        volumes.end()


def test_a_late_answer_about_the_key_of_before_a_rekey_does_not_count(volumes, server, kms, arn):
    image, new = volumes.create(arn), kms.create_key()["KeyMetadata"]["Arn"]
    with HoldingProxy(server.port, b"TrentService.Decrypt") as proxy:
        volumes.more = {"AWS_ENDPOINT_URL_KMS": proxy.url}
        mnt = volumes.attach(image, "--recheck", "1s")
        write(mnt / "file", TEXT)
        proxy.hold_next()
        proxy.wait_until_held()
        volumes("rekey", image, "--key-id", new)
        kms.disable_key(KeyId=arn)
        before = proxy.passed
        proxy.let_go()
        # The answer about the old key, and two about the new one, the second of which was asked for after the first.
        eventually(lambda: proxy.passed >= before + 3)
        assert b"DisabledException" in proxy.held_answer
        assert state(volumes) == "attached"
        assert "is cut off" not in volumes.logs()
        assert (mnt / "file").read_bytes() == TEXT
        kms.disable_key(KeyId=new)
        eventually(lambda: state(volumes) == "cut-off")
        volumes("detach", image)
