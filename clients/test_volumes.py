"""`keyward volume` with real mounts: life, crashes, copies, and what is refused.

They need root, FUSE and loop devices; with CI=true, they fail where those are missing.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import time
import uuid

import boto3
import pytest

from keyward import REGION, Server, binary, eventually, key_arn
from volumes import MIB, Volumes, device_of, is_cut_off, require, run, volumes, write

# The capability that some of the hardening needs; containers often lack it.
CAP_SYS_RESOURCE = 24
TEXT = b"a sentence that must not be found in the image " * 3


def is_capable(capability):
    """Whether the tests, and the processes that they start, have a capability."""
    status = open("/proc/self/status").read()
    return int(re.search(r"CapEff:\s+(\w+)", status)[1], 16) >> capability & 1


def test_what_is_written_is_read_back_and_is_nowhere_in_the_image(volumes, kms, arn):
    image = volumes.create(arn)
    assert image.stat().st_mode & 0o777 == 0o600
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    (mnt / "folder").mkdir()
    os.link(mnt / "file", mnt / "folder" / "link")
    assert volumes.stat(image)["State"] == "attached"
    assert volumes("detach", mnt) == "image is detached.\n"
    assert list(mnt.iterdir()) == []
    assert volumes.stat(image)["State"] == "detached"
    assert volumes.stat(image)["IsClosed"]
    found = image.read_bytes()
    assert TEXT[:20] not in found
    # ext4's magic number stands at a fixed place of every file system.
    assert b"lost+found" not in found
    volumes.attach(image)
    assert (mnt / "folder" / "link").read_bytes() == TEXT
    volumes("detach", image)


def test_the_image_says_what_it_needs_and_only_its_context_unwraps_it(volumes, kms, arn):
    image = volumes.create(arn)
    stat = volumes.stat(image)
    assert stat["KeyArn"] == arn
    assert stat["EncryptionContext"] == {"keyward:volume:id": stat["VolumeId"]}
    assert stat["SizeBytes"] == 64 * MIB
    # The journal, and nothing else.
    assert 8 * MIB <= stat["AllocatedBytes"] < 9 * MIB
    assert stat["State"] == "detached" and stat["Process"] is None
    assert (stat["Generation"], stat["KnownGeneration"]) == (1, 1)
    text = volumes("stat", image)
    assert f"Volume      {stat['VolumeId']}\n" in text
    assert "Size        64 MiB\n" in text
    assert "Generation  1 (1 is known here)\n" in text
    assert "State       detached\n" in text


def test_files_are_flushed_before_the_process_is_killed_and_there_afterwards(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    for number in range(50):
        write(mnt / str(number), str(number).encode() * 1000)
    volumes.kill(image)
    said = volumes.fails("detach", image)
    assert said == (
        "the process of image is dead. What was flushed is safe in the image: attach it again, or take away "
        "what is left with `keyward volume detach --force image`"
    )
    volumes.attach(image)
    run("e2fsck", "-fn", device_of(volumes, image))
    for number in range(50):
        assert (mnt / str(number)).read_bytes() == str(number).encode() * 1000
    volumes.kill(image)
    assert volumes("detach", image, "--force") == "What the dead process of image had left is taken away.\n"
    assert volumes.stat(image)["State"] == "detached"


def test_a_volume_in_use_is_not_detached_unless_it_is_cut_off(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    with open(mnt / "file", "rb") as open_file:
        said = volumes.fails("detach", mnt)
        assert re.fullmatch(
            r"`mnt` is in use by \d+ \(.+\): nothing was changed\. End what uses it, then try again\. "
            r"`keyward volume detach --force` cuts it off, and what was not written to disk is lost",
            said,
        ), said
        assert (mnt / "file").read_bytes() == TEXT
        assert volumes("detach", mnt, "--force") == "image is cut off.\n"
        with pytest.raises(OSError):
            open_file.read()
    assert not (mnt / "file").exists()
    volumes.attach(image)
    assert (mnt / "file").read_bytes() == TEXT
    assert volumes("detach", image) == "image is detached.\n"


def test_read_only(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.directory()
    assert volumes.fails("attach", image, mnt, "--read-only") == (
        "the file system has not been created or grown yet, which writes: attach the volume once without --read-only"
    )
    volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    volumes.attach(image, "--read-only")
    assert (mnt / "file").read_bytes() == TEXT
    with pytest.raises(OSError, match="Read-only"):
        write(mnt / "other", TEXT)


def test_a_file_system_of_ones_own(volumes, arn):
    image = volumes.create(arn, "64MiB", "image", "--no-mkfs")
    volumes.images.append(image)
    said = volumes("attach", "--no-mount", image)
    assert re.match(r"image is /dev/loop\d+, by process \d+\.\n", said), said
    run("mkfs.ext4", "-q", device_of(volumes, image))
    volumes("detach", image)
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)


def test_a_file_system_of_ones_own_is_not_made_where_another_one_is_to_be_created(volumes, arn):
    image = volumes.create(arn)
    volumes.images.append(image)
    assert volumes.fails("attach", "--no-mount", image) == (
        "the volume gets an ext4 when it is attached to a directory for the first time, which would overwrite a file "
        "system of your own: attach it to a directory first, or create a volume with --no-mkfs"
    )
    assert volumes.stat(image)["State"] == "detached"
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    volumes("attach", "--no-mount", image)
    assert run("blkid", "-o", "value", "-s", "TYPE", device_of(volumes, image)) == "ext4\n"
    volumes("detach", image)


def test_creating_a_file_system_that_was_interrupted_is_repeated(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.directory()
    # One that fails when it has written everything.
    tools = volumes.folder / "tools"
    tools.mkdir()
    real, failing = tools / "mkfs.ext4", tools / "failing"
    shutil.copy(shutil.which("mkfs.ext4"), real)
    failing.write_text(f'#!/bin/sh\n{real} "$@"\nexit 1\n')
    failing.chmod(0o755)
    script = f'mount --bind {failing} "$(readlink -f "$(command -v mkfs.ext4)")" && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", binary(), "volume", "attach", image, mnt]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=volumes.environment)
    assert done.returncode == 1 and "mkfs.ext4" in done.stderr, done.stdout + done.stderr
    assert volumes.stat(image)["Labels"] == {"keyward:volume:mkfs": "begun"}
    said = volumes.fails("attach", "--no-mount", image)
    assert said.startswith("the volume gets an ext4 when it is attached to a directory for the first time"), said
    volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    assert volumes.stat(image)["Labels"] == {}


def test_the_process_is_hardened_and_has_no_key_in_sight(volumes, kms, arn):
    image = volumes.create(arn)
    volumes.attach(image)
    pid, stat = volumes.pid(image), volumes.stat(image)
    shown = lambda name: open(f"/proc/{pid}/{name}", "rb").read()
    if is_capable(CAP_SYS_RESOURCE):
        assert shown("oom_score_adj") == b"-1000\n"
        assert "CAP_SYS_RESOURCE" not in volumes.logs()
    else:
        assert "can be killed when memory runs out" in volumes.logs()
        assert "can wait for its own volume when memory is short" in volumes.logs()
    assert os.stat(f"/proc/{pid}/fd").st_uid == 0
    limits = shown("limits").decode()
    assert re.search(r"Max core file size +0 +0 ", limits), limits
    assert int(re.search(r"VmLck:\s+(\d+) kB", shown("status").decode())[1]) > 0
    socket = volumes.state / stat["VolumeId"] / "control.sock"
    assert socket.stat().st_mode & 0o777 == 0o600
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert volumes.credentials[1].encode() not in shown("cmdline")


def wrapped_key(image):
    """The wrapped data key, as docs/formats.md says where it is."""
    with open(image, "rb") as file:
        file.seek(177)
        return file.read(int.from_bytes(file.read(2)))


def memory_has(pid, needles):
    """Which of these bytes are in the memory of a process."""
    found = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if not mode.startswith("r") or "[v" in line:
                continue
            tail = b""
            for at in range(start, end, 16 * MIB):
                memory.seek(at)
                try:
                    piece = memory.read(min(16 * MIB, end - at))
                except OSError:
                    break
                found |= {needle for needle in needles if needle in tail + piece}
                tail = piece[-100:]
    return found


@pytest.fixture(params=["http", "https"])
def any_volumes(request, tmp_path):
    """Volumes of a server of their own, which is asked in the clear or over TLS."""
    require()
    words, environment = [], {}
    if request.param == "https":
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        run(
            *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
            *["-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        )
        config = tmp_path / "keyward.toml"
        config.write_text(f'[tls]\ncertificate = "{certificate}"\nprivate_key = "{key}"\n')
        words, environment = ["--config", config], {"AWS_CA_BUNDLE": str(certificate)}
    server = Server(tmp_path / "data", *words)
    volumes = Volumes(server, tmp_path / "volumes", environment)
    volumes.folder.mkdir()
    yield volumes
    volumes.end()
    server.kill()


def test_the_data_key_is_nowhere_in_the_memory_of_the_process(any_volumes):
    volumes = any_volumes
    kms = boto3.client(
        "kms",
        endpoint_url=volumes.server.url,
        region_name=REGION,
        aws_access_key_id=volumes.credentials[0],
        aws_secret_access_key=volumes.credentials[1],
        verify=volumes.more.get("AWS_CA_BUNDLE"),
    )
    image = volumes.create(kms.create_key()["KeyMetadata"]["Arn"])
    volumes.attach(image, "--recheck", "1s")
    context = {"keyward:volume:id": volumes.stat(image)["VolumeId"]}
    data_key = kms.decrypt(CiphertextBlob=wrapped_key(image), EncryptionContext=context)["Plaintext"]
    needles = {data_key, base64.b64encode(data_key)}
    pid = volumes.pid(image)
    # What is searched for would be found.
    assert memory_has(pid, {context["keyward:volume:id"].encode()})
    time.sleep(3)
    assert memory_has(pid, needles) == set()
    assert memory_has(os.getpid(), {data_key}) == {data_key}


def test_a_wrapped_key_of_another_volume_is_refused_before_kms_is_asked(volumes, arn):
    one, two = volumes.create(arn), volumes.create(arn, "64MiB", "two")
    id_one, id_two = (volumes.stat(image)["VolumeId"].encode() for image in (one, two))
    data = bytearray(two.read_bytes())
    for copy in (0, 32768):
        at = data.index(id_two, copy)
        data[at : at + len(id_two)] = id_one
    two.write_bytes(data)
    assert volumes.fails("check", two) == (
        f"the data key of volume {id_two.decode()} was not wrapped for it: the encryption context in its superblock is "
        "another one"
    )


def test_a_file_system_is_not_created_again_when_mounting_has_failed(volumes, arn):
    image = volumes.create(arn)
    assert volumes.stat(image)["Labels"] == {"keyward:volume:mkfs": "pending"}
    volumes.fails("attach", image, volumes.directory(), "--mount-option", "nobody-knows-this")
    # It is there, though it has never been mounted.
    assert volumes.stat(image)["Labels"] == {}
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes.kill(image)
    volumes.attach(image)
    assert (mnt / "file").read_bytes() == TEXT
    volumes("detach", image)


def test_an_empty_record_is_in_nobodys_way(volumes, arn):
    image, other = volumes.create(arn), volumes.create(arn, name="other")
    mnt = volumes.attach(image)
    volumes.attach(other, name="mnt-other")
    volumes.kill(other)
    foreign = volumes.stat(other)["VolumeId"]
    (volumes.state / foreign / "process.json").write_bytes(b"")
    assert volumes.stat(other)["State"] == "detached"
    volumes("detach", mnt)
    volumes.attach(image)
    volumes.attach(other, name="mnt-other")
    volumes("detach", other)
    volumes("detach", image)


def test_an_image_that_was_exchanged_before_it_was_first_attached_is_refused(volumes, arn):
    image, other = volumes.create(arn), volumes.create(arn, name="other")
    copy = volumes.image("copy")
    volumes("snapshot", other, copy)
    for made in (image, copy):
        volume = volumes.stat(made)["VolumeId"]
        known = volumes.state / f"{volume}.key"
        assert (volumes.state / f"{volume}.generation").read_text() == f"{volumes.stat(made)['Generation']}\n"
        known.write_text((volumes.state / f"{volumes.stat(other)['VolumeId']}.key").read_text())
        said = volumes.fails("attach", made, volumes.directory())
        assert "but another data key than this machine knows of it" in said
        known.unlink()


def test_what_a_volume_is_recognized_by_must_be_noted_before_it_is_attached(volumes, arn):
    image = volumes.create(arn)
    volume = volumes.stat(image)["VolumeId"]
    for name in (f"{volume}.key", f"{volume}.generation"):
        path = volumes.state / name
        noted = path.read_text()
        path.unlink()
        # What cannot be replaced by a file.
        draft = volumes.state / f"{name}.draft"
        draft.mkdir()
        said = volumes.fails("attach", image, volumes.directory())
        assert said.startswith(f"cannot write state/{name}: "), said
        assert volumes.stat(image)["State"] == "detached"
        draft.rmdir()
        path.write_text(noted)
    volumes.attach(image)
    volumes("detach", image)


def test_an_image_of_another_data_key_is_refused(volumes, arn):
    image, other = volumes.create(arn), volumes.create(arn, name="other")
    for attached in (image, other):
        mnt = volumes.attach(attached)
        volumes("detach", mnt)
    volume, foreign = volumes.stat(image)["VolumeId"], volumes.stat(other)["VolumeId"]
    known = volumes.state / f"{volume}.key"
    own = known.read_text()
    # The same as an image of this id under another data key.
    known.write_text((volumes.state / f"{foreign}.key").read_text())
    refused = (
        f"image is not the image that it was: it has the id of volume {volume}, but another data key than this machine "
        "knows of it. Somebody has put another image there. Look for the right one; if you made this one on purpose, "
        "use --danger-accept-other-key"
    )
    assert volumes.fails("attach", image, mnt) == refused
    assert volumes.fails("check", image) == refused
    volumes.attach(image, "--danger-accept-other-key")
    volumes("detach", mnt)
    assert known.read_text() == own
    volumes("rekey", image, "--key-id", arn)
    volumes.attach(image)
    volumes("detach", mnt)


def test_an_old_image_that_was_put_back_is_refused(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    volumes("detach", mnt)
    old = image.read_bytes()
    found = volumes.stat(image)["Generation"]
    volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    known = volumes.stat(image)["KnownGeneration"]
    assert known > found
    image.write_bytes(old)
    refused = (
        f"image is older than it should be: it has generation {found}, and generation {known} is known. Either "
        "somebody has replaced the image with an old copy, or a newer copy of the same volume was opened on this machine. "
        "To open a copy beside the original, give it a --state-dir of its own. Otherwise, look for the newest one; if "
        "you restored this one on purpose, use "
        "--danger-accept-rollback, and what was written since is lost"
    )
    assert volumes.fails("attach", image, mnt) == refused
    assert volumes.fails("check", image) == refused
    volumes.attach(image, "--danger-accept-rollback")
    assert not (mnt / "file").exists()
    volumes("detach", mnt)
    # From now on, this is the newest one.
    volumes.attach(image)
    volumes("detach", mnt)
    beyond = volumes.stat(image)["Generation"] + 1
    assert f"and generation {beyond} is known" in volumes.fails(
        "attach", image, mnt, "--known-generation", beyond
    )


def test_rekeyed_volumes_need_only_the_new_key(volumes, kms, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image, "--recheck", "1s")
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    new, newer = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    said = volumes("rekey", image, "--key-id", new)
    assert said.startswith(f"The data key of {image.name} is now wrapped by {new} instead of {arn}.\n".replace(image.name, "image"))
    assert "The data key itself has not changed: " in said
    kms.disable_key(KeyId=arn)
    volumes.attach(image, "--recheck", "1s")
    assert (mnt / "file").read_bytes() == TEXT
    # While it is attached, too.
    volumes("rekey", image, "--key-id", newer)
    assert volumes.stat(image)["KeyArn"] == newer
    kms.disable_key(KeyId=new)
    with pytest.raises(AssertionError, match="not within"):
        eventually(lambda: is_cut_off(mnt / "file"), seconds=4)
    volumes("detach", mnt)
    assert "DisabledException" in volumes.fails("rekey", image, "--key-id", new)
    volumes("check", image)


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("other_key", [False, True])
def test_snapshots_are_volumes_of_their_own(volumes, kms, arn, attached, other_key):
    other = kms.create_key()["KeyMetadata"]["Arn"]
    image, copy = volumes.create(arn), volumes.image("copy")
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    if not attached:
        volumes("detach", mnt)
    words = ["--key-id", other] if other_key else []
    said = volumes("snapshot", image, copy, *words)
    which, by = ("new", other) if other_key else ("same", arn)
    stat = volumes.stat(copy)
    assert said == (
        f"Volume {stat['VolumeId']} in copy is a copy of image.\nIt has the {which} data key, wrapped by {by}.\n"
    )
    assert stat["KeyArn"] == by
    assert stat["EncryptionContext"] == {"keyward:volume:id": stat["VolumeId"]}
    assert stat["VolumeId"] != volumes.stat(image)["VolumeId"]
    if attached:
        write(mnt / "later", TEXT)
        volumes("detach", mnt)
    if other_key:
        kms.disable_key(KeyId=arn)
    volumes.attach(copy)
    assert (mnt / "file").read_bytes() == TEXT
    assert not (mnt / "later").exists()
    run("e2fsck", "-fn", device_of(volumes, copy))
    volumes("detach", mnt)
    assert volumes.fails("snapshot", image, copy) == "copy exists already: choose another name, or remove it first"


def test_volumes_grow_while_they_are_used_and_while_they_are_not(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    size = lambda: os.statvfs(mnt).f_blocks * 4096
    assert size() < 64 * MIB
    said = volumes("resize", image, "128MiB")
    if is_capable(CAP_SYS_RESOURCE):
        assert said == "image and the file system on it have 128 MiB.\n"
    else:
        assert said == (
            "image has 128 MiB. The file system on it grows when it is attached again: while it is mounted,\nthat would "
            "need the capability CAP_SYS_RESOURCE.\n"
        )
        assert size() < 64 * MIB
        volumes("detach", mnt)
        volumes.attach(image)
    assert volumes.stat(image)["Labels"] == {}
    assert 100 * MIB < size() < 128 * MIB
    write(mnt / "large", os.urandom(80 * MIB))
    assert volumes.fails("resize", image, "64MiB") == "image has 128 MiB: a volume cannot become smaller"
    volumes("detach", mnt)
    assert volumes("resize", image, "256MiB") == (
        "image has 256 MiB. The file system on it grows when it is attached.\n"
    )
    volumes.attach(image)
    assert 200 * MIB < size() < 256 * MIB
    assert (mnt / "file").read_bytes() == TEXT
    assert volumes.stat(image)["Labels"] == {}
    run("e2fsck", "-fn", device_of(volumes, image))


def test_a_check_finds_what_is_damaged(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    write(mnt / "file", os.urandom(4 * MIB))
    said = volumes("check", image)
    whole = r"image is as it was written: \d+ blocks and \d+ pages of the tree are verified\.\n"
    assert re.fullmatch(whole, said), said
    volumes("detach", mnt)
    assert re.fullmatch(whole, volumes("check", image))
    # Any byte behind the journal that is not zero belongs to a block or to a page.
    data = image.read_bytes()
    at = len(data) - 1
    while data[at] == 0:
        at -= 1
    with open(image, "r+b") as file:
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    done = volumes.run("check", image)
    assert done.returncode == 1
    assert re.match(r"image is damaged in 1 place; \d+ blocks are as they were written\.\n  block \d+, at byte \d+ of the volume\n", done.stdout), done.stdout


def test_a_damaged_superblock(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    with open(image, "r+b") as file:
        file.write(bytes(4096))
    # There is a second copy.
    volumes.attach(image)
    assert (mnt / "file").read_bytes() == TEXT
    repaired = (
        "copy {} of the superblock was damaged when the volume was opened, and was repaired from the other copy. After a "
        "power\nfailure, this is normal. Otherwise check the disk, and who can write to the image.\n"
        "image is as it was written: "
    )
    done = volumes.run("check", image)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(repaired.format("A")), done.stdout
    volumes("detach", mnt)
    volumes("check", image)
    with open(image, "r+b") as file:
        file.seek(32768 + 100)
        file.write(b"\xff")
    done = volumes.run("check", image)
    assert done.returncode == 1
    assert done.stdout.startswith(repaired.format("B")), done.stdout
    # Opening has repaired it.
    volumes("check", image)
    with open(image, "r+b") as file:
        for copy in (0, 32768):
            file.seek(copy + 100)
            file.write(b"\xff")
    assert volumes.fails("attach", image, mnt) == (
        "image was changed: no copy of its superblock is authentic under its data key. Restore the image from a "
        "snapshot or a backup"
    )
    with open(image, "r+b") as file:
        for copy in (0, 32768):
            file.seek(copy)
            file.write(bytes(4096))
    assert volumes.fails("attach", image, mnt) == (
        "image holds no volume that can be opened: neither copy of the superblock can be read (it is not the superblock of "
        "a volume). If it was one, restore the image from a snapshot or a backup"
    )


def test_wrong_requests_say_what_to_do(volumes, server, iam, kms, arn):
    image = volumes.image()
    nobody = str(uuid.uuid4())
    assert volumes.fails("create", image, "--size", "64MiB", "--key-id", nobody) == (
        f"cannot generate a data key under `{nobody}`: NotFoundException: Key '{key_arn(nobody)}' does not exist"
    )
    assert volumes.fails("create", image, "--size", "1MiB", "--key-id", arn) == (
        "--size is 1 MiB: a volume has at least 16 MiB"
    )
    assert not image.exists()
    volumes.create(arn)
    assert volumes.fails("create", image, "--size", "64MiB", "--key-id", arn) == (
        "image exists already: choose another name, or remove it first"
    )
    for words in (["attach", image, volumes.folder / "none"],):
        assert volumes.fails(*words) == "none does not exist: create it with `mkdir -p none`"
    assert volumes.fails("attach", volumes.folder / "none", volumes.directory()) == (
        "cannot open none: No such file or directory (os error 2)"
    )
    assert volumes.fails("detach", volumes.directory()) == (
        "no volume is attached at mnt or from it: give the directory or the image as it was given to `keyward volume "
        "attach`, and the same --state-dir"
    )
    usage = volumes.run("create", image, "--size", "10GB", "--key-id", arn)
    assert usage.returncode == 2
    assert (
        "`10GB` is not a size: write a number of bytes, or a number with KiB, MiB, GiB or TiB, such as 10GiB"
        in usage.stderr
    )
    name = f"volumes-{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    volumes.credentials = made["AccessKeyId"], made["SecretAccessKey"]
    said = volumes.fails("check", image)
    assert said.startswith(f"cannot unwrap the data key under {arn}: AccessDeniedException: User: "), said
    assert "is not authorized to perform: kms:Decrypt" in said
    said = volumes.fails("create", volumes.image("new"), "--size", "64MiB", "--key-id", arn)
    assert "is not authorized to perform: kms:GenerateDataKeyWithoutPlaintext" in said
    assert not volumes.image("new").exists()


def test_an_attached_volume_is_not_attached_again(volumes, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    pid = volumes.pid(image)
    assert volumes.fails("attach", image, volumes.directory("other")) == (
        f"image is attached already, at mnt, by process {pid}"
    )
    second = volumes.create(arn, "64MiB", "second")
    assert volumes.fails("attach", second, mnt) == f"image is attached already, at mnt, by process {pid}"


def test_without_root_everything_but_attaching_works(volumes, arn):
    volumes.folder.chmod(0o777)
    for parent in list(volumes.folder.parents)[:-2]:
        parent.chmod(parent.stat().st_mode | 0o755)
    image, nobody = volumes.image(), {"user": 65534, "group": 65534, "extra_groups": []}
    volumes("create", image, "--size", "64MiB", "--key-id", arn, **nobody)
    volumes("check", image, **nobody)
    volumes("rekey", image, "--key-id", arn, **nobody)
    volumes("snapshot", image, volumes.image("copy"), **nobody)
    assert "State       detached" in volumes("stat", image, **nobody)
    # What belongs to root, only root can read.
    of_root = volumes.create(arn, "64MiB", "of-root")
    place = volumes.directory("place")
    place.chmod(0o700)
    for words, what in (
        (["send", of_root, volumes.folder], "cannot open of-root"),
        (["stat", of_root], "cannot open of-root"),
        (["check", of_root], "cannot open of-root"),
        (["copies", place], "cannot open place"),
    ):
        assert volumes.fails(*words, **nobody) == (
            f"{what}: Permission denied (os error 13): run the command with sudo, or as the user that the file or "
            "directory belongs to"
        )
    said = volumes.fails("attach", image, volumes.directory(), **nobody)
    assert volumes.fails("detach", image, **nobody) == "detaching needs root: run it with sudo"
    assert said.startswith(
        "volumes cannot be attached here:\n  This needs root: run it with sudo, or as a service of the system."
    ), said


def test_in_the_foreground_the_signal_to_end_detaches(volumes, arn):
    image, mnt = volumes.create(arn), volumes.directory()
    volumes.images.append(image)
    process = subprocess.Popen(
        [binary(), "volume", "attach", image, mnt, "--foreground"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=volumes.environment,
        text=True,
    )
    said = process.stdout.readline()
    assert said.startswith(f"{image} is mounted on {mnt} (/dev/loop"), said
    write(mnt / "file", TEXT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert volumes.stat(image)["State"] == "detached"
    assert volumes.stat(image)["IsClosed"]
