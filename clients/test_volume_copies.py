"""`keyward volume send`, `receive` and `copies`: to a directory and as a stream, whole, damaged and interrupted.

They need root, FUSE and loop devices; with CI=true, they fail where those are missing.
"""

import contextlib
import json
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from keyward import binary
from volumes import MIB, Volumes, require, run, volumes, write

PIECE = 4 * MIB
TEXT = b"a sentence that must not be found in any copy " * 3


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "place"
    path.mkdir()
    return path


@pytest.fixture
def other(server, tmp_path):
    """Another machine, as far as volumes are concerned: one that knows nothing of them."""
    require()
    (tmp_path / "other").mkdir()
    other = Volumes(server, tmp_path / "other")
    yield other
    other.end()


def fill(image, pieces, seed=1):
    """Writes to so many pieces of an image, as if blocks were there, and answers the bytes that they have."""
    noise = random.Random(seed)
    with open(image, "r+b") as file:
        for piece in pieces:
            file.seek(piece * PIECE)
            file.write(noise.randbytes(PIECE))


def chunks(place):
    return sorted(path for path in place.glob("chunks/*/??/*") if len(path.name) == 64)


def mib(pieces):
    """What is said of a new image with so many pieces, of which the first has a few blocks, and the others are full."""
    return f"{(pieces - 1) * 4} MiB in {pieces} chunks"


def reused(said):
    """How many chunks there are, and how many of them were there already, but not all of several."""
    total, there = re.search(r" in (\d+) chunks(?:\.|, of which (1 was|\d+ were) there already\.)", said).groups()
    return int(total), int(there.split()[0]) if there else 0


def damage(path):
    """Changes a file, but not its length."""
    with open(path, "r+b") as file:
        file.seek(1000)
        file.write(b"changed")


def test_a_volume_comes_back_on_another_machine_and_its_copy_tells_nothing(volumes, other, place, kms, key, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    stat = volumes.stat(image)
    said = volumes("send", image, place)
    name = re.match(rf"The copy ({stat['VolumeId']}/\d{{8}}T\d{{6}}Z) of image is in place\.\n", said.replace(
        str(image), "image"))[1]
    assert re.search(r"\nIt has [\d.]+ KiB in \d+ chunks\.\n$", said), said
    assert all(TEXT[:20] not in path.read_bytes() for path in place.rglob("*") if path.is_file())
    received = other.image()
    said = other("receive", place, received)
    assert said.splitlines()[0] == f"image is made from the copy {name}."
    assert said.splitlines()[2:] == [
        f"It says that it is volume {stat['VolumeId']} of generation {stat['Generation']}, under the key",
        f"{arn}. `check` verifies it.",
    ]
    assert received.read_bytes() == image.read_bytes()
    assert received.stat().st_mode & 0o777 == 0o600
    # The journal has its room, as in a new image.
    assert 8 * MIB <= other.stat(received)["AllocatedBytes"] < 40 * MIB
    assert "image is as it was written" in other("check", received)
    there = other.attach(received)
    assert (there / "file").read_bytes() == TEXT
    other("detach", there)
    kms.disable_key(KeyId=key)
    assert "DisabledException" in other.fails("attach", received, there)


def test_an_attached_volume_is_sent_as_it_is_at_one_moment(volumes, other, place, arn, tmp_path):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    # Also what is in the page cache only.
    (mnt / "cached").write_bytes(b"cached")
    volumes("send", image, place, "--name", "v/one")
    (mnt / "file").unlink()
    (work := tmp_path / "work").mkdir()
    said = volumes("send", image, place, "--name", "v/two", "--work-dir", work)
    # It takes only what has changed.
    total, there = reused(said)
    assert 0 < there < total
    assert list(work.iterdir()) == []
    assert not [path for path in image.parent.iterdir() if path.name.startswith(".keyward")]
    received = other.image()
    other("receive", place, received, "--name", "v/one")
    assert other.stat(received)["VolumeId"] == volumes.stat(image)["VolumeId"]
    assert other.stat(received)["IsClosed"]
    there = other.attach(received)
    assert (there / "file").read_bytes() == TEXT
    assert (there / "cached").read_bytes() == b"cached"
    other("detach", there)
    # The volume went on.
    write(mnt / "more", TEXT)
    volumes("detach", mnt)
    said = volumes("copies", place)
    assert re.fullmatch(
        r"v/one  [\d.]+ KiB in \d+ chunks, an image of [\d.]+ MiB\n"
        r"v/two  [\d.]+ KiB in \d+ chunks, an image of [\d.]+ MiB\n",
        said,
    ), said


def test_a_volume_that_is_cut_off_or_held_is_not_sent(volumes, place, kms, key, arn):
    image = volumes.create(arn)
    mnt = volumes.attach(image, "--recheck", "1s")
    # Somebody who does not see who has it attached.
    volumes.state, state = volumes.folder / "nothing", volumes.state
    assert volumes.fails("send", image, place) == (
        "image is in use: it is attached, or another command works on it. `keyward volume stat image`, as root, "
        "says by which process it is attached"
    )
    volumes.state = state
    kms.disable_key(KeyId=key)
    end = time.monotonic() + 15
    while volumes.stat(image)["State"] != "cut-off":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert volumes.fails("send", image, place).startswith("the volume is cut off: ")
    assert chunks(place) == []
    volumes("detach", mnt, "--force")


def test_whoever_owns_the_directory_of_an_image_cannot_exchange_its_copy(volumes, other, place, arn, tmp_path):
    image = volumes.create(arn)
    mnt = volumes.attach(image)
    noise = random.Random(2).randbytes(24 * MIB)
    write(mnt / "file", noise)
    identity = volumes.stat(image)["VolumeId"]
    secret = tmp_path / "secret"
    secret.write_bytes(TEXT * 100)
    # What a release before would have used and removed.
    ours = image.parent / f".keyward-copy-{identity}"
    ours.symlink_to(place)
    before = set(image.parent.iterdir())
    seen, ended = set(), threading.Event()

    def exchange():
        while not ended.is_set():
            for path in set(image.parent.iterdir()) - before:
                seen.add(path.name)
                moved = path.with_name("moved")
                # It may be gone again.
                with contextlib.suppress(OSError):
                    path.rename(moved)
                    path.mkdir()
                    (path / "image").symlink_to(secret)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        volumes("send", image, place, "--name", "v/one")
    finally:
        ended.set()
        thread.join()
    assert seen == set()
    assert set(image.parent.iterdir()) == before
    assert secret.read_bytes() == TEXT * 100
    other("receive", place, other.image(), "--name", "v/one")
    assert other.stat(other.image())["VolumeId"] == identity
    there = other.attach(other.image())
    assert (there / "file").read_bytes() == noise
    other("detach", there)
    for work, why in [
        (place / "none", "none: No such file or directory (os error 2)"),
        (secret, "secret: Not a directory (os error 20)"),
    ]:
        said = volumes.fails("send", image, place, "--name", "v/two", "--work-dir", work)
        assert re.fullmatch(rf"cannot open \S*{re.escape(why)}", said), said


def test_an_old_copy_is_recognized_where_a_newer_generation_is_known(volumes, place, arn):
    image = volumes.create(arn)
    volumes("send", image, place, "--name", "v/old")
    mnt = volumes.attach(image)
    write(mnt / "file", TEXT)
    volumes("detach", mnt)
    generation = volumes.stat(image)["Generation"]
    image.unlink()
    said = volumes("receive", place, image)
    assert said.endswith(
        f"It is older than what this machine knows of the volume, generation {generation}: to attach or check it,\n"
        "--danger-accept-rollback is needed, and what was written since is lost.\n"
    ), said
    assert volumes.fails("attach", image, mnt).startswith(
        f"image is older than it should be: it has generation 1, and generation {generation} is known."
    )
    volumes.attach(image, "--danger-accept-rollback")
    volumes("detach", mnt)
    # From then on it is the volume.
    volumes.attach(image)
    volumes("detach", mnt)


def test_the_copy_of_another_volume_is_no_copy_of_this_one(volumes, other, place, arn):
    mine, theirs = volumes.create(arn, name="mine"), volumes.create(arn, name="theirs")
    volumes("send", mine, place)
    volumes("send", theirs, place)
    mine, theirs = volumes.stat(mine)["VolumeId"], volumes.stat(theirs)["VolumeId"]
    for kind in ("copies", "chunks"):
        shutil.rmtree(place / kind / mine)
        shutil.copytree(place / kind / theirs, place / kind / mine)
    said = other.fails("receive", place, other.image(), "--name", mine)
    assert re.fullmatch(
        rf"the copy {mine}/\w+ is not of that volume, but of {theirs}: somebody has exchanged it\. Use another copy; "
        r"what was received is in image\.receiving",
        said,
    ), said
    assert not other.image().exists()


def pipe(first, second, environment):
    """What both ends of a pipe between two commands came to, and what the second said."""
    sender = subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    receiver = subprocess.run(second, stdin=sender.stdout, capture_output=True, text=True, env=environment)
    sender.stdout.close()
    said = sender.stderr.read().decode()
    sender.stderr.close()
    return sender.wait(), said, receiver


def test_a_volume_is_moved_through_a_pipe(volumes, other, arn):
    image = volumes.create(arn)
    fill(image, [10, 12])
    receive = [binary(), "volume", "receive", "-", other.image()]
    status, said, received = pipe([binary(), "volume", "send", image, "-"], receive, volumes.environment)
    assert (status, received.returncode) == (0, 0), said + received.stderr
    assert said == f"{image} is sent: {mib(3)}.\n"
    assert received.stdout.splitlines()[0] == f"{other.image()} is made from the stream."
    assert other.image().read_bytes() == image.read_bytes()
    assert other.stat(other.image())["VolumeId"] == volumes.stat(image)["VolumeId"]


def test_a_stream_that_ends_early_leaves_nothing(volumes, other, arn):
    image = volumes.create(arn)
    fill(image, [10])
    stream = subprocess.run(
        [binary(), "volume", "send", image, "-"], stdout=subprocess.PIPE, env=volumes.environment, check=True
    ).stdout

    def refused(data):
        done = subprocess.run(
            [binary(), "volume", "receive", "-", other.image()], input=data, capture_output=True,
            env=volumes.environment,
        )
        assert done.returncode == 1
        assert not other.image().exists() and not list(other.folder.glob("*.receiving"))
        return done.stderr.decode().removeprefix("keyward: ")

    early = "the stream is damaged: it ends too early. Nothing was kept: send it again\n"
    for length in (0, 20, 5000, PIECE + 10, len(stream) - 1):
        assert refused(stream[:length]) == early
    changed = bytearray(stream)
    changed[PIECE] ^= 1
    assert refused(changed) == (
        "the stream is damaged: its pieces are not what its manifest says. Nothing was kept: send it again\n"
    )
    assert refused(b"x" * 100) == (
        "the stream is damaged: it does not begin like a stream of `keyward volume send`. Nothing was kept: send it "
        "again\n"
    )


def test_damaged_and_missing_chunks_are_found_and_come_back(volumes, other, place, arn):
    image = volumes.create(arn)
    fill(image, [10, 11, 12])
    volumes("send", image, place, "--name", "v/one")
    assert volumes("copies", place, "--verify", "v/one") == f"v/one is whole: {mib(4)}.\n"
    damaged, missing, *_ = chunks(place)
    damage(damaged)
    missing.unlink()
    # The last copy of the volume.
    done = volumes.run("copies", place, "--verify", "v")
    assert done.returncode == 1
    damaged, missing = (path.relative_to(volumes.folder) for path in (damaged, missing))
    assert done.stdout == (
        f"v/one cannot be received:\n  {damaged} is damaged\n  {missing} is missing\n\n"
        "Use another copy. If the volume still exists, `send --verify` sends again what is damaged or missing, also for "
        "this\ncopy; `keyward agent backup` does so for a file system.\n"
    )
    assert re.fullmatch(
        rf"the chunk ({damaged} of `v/one` is damaged: use another copy; or send the volume again with --verify|{missing} "
        r"of `v/one` is missing: use another copy, or send the volume again), if it still exists, and the chunk comes back",
        said := other.fails("receive", "../place", other.image(), cwd=other.folder).replace("../", ""),
    ), said
    # The length of what is there says nothing of its content.
    said = volumes("send", image, place, "--name", "v/two")
    assert said.endswith(f"It has {mib(4)}, of which 3 were there already.\n"), said
    done = volumes.run("copies", place, "--verify", "v/two")
    assert done.stdout.startswith(f"v/two cannot be received:\n  {damaged} is damaged\n\n")
    said = volumes("send", image, place, "--name", "v/three", "--verify")
    assert said.endswith(f"It has {mib(4)}, of which 3 were there already.\n"), said
    for name in ("v/one", "v/two", "v/three"):
        assert volumes("copies", place, "--verify", name) == f"{name} is whole: {mib(4)}.\n"
    said = volumes("send", image, place, "--name", "v/four", "--verify")
    assert said.endswith(f"It has {mib(4)}, which were all there already.\n"), said
    other("receive", place, other.image(), "--name", "v/one")
    assert other.image().read_bytes() == image.read_bytes()


def test_a_manifest_that_cannot_be_read_says_why(volumes, other, place, arn):
    image = volumes.create(arn)
    volumes("send", image, place, "--name", "v/one")
    manifest = place / "copies/v/one"
    whole = manifest.read_bytes()
    newer = "the manifest of `v/one` has version 3, and this release knows version 2: use a newer release"
    damaged = (
        "the manifest of `v/one` is damaged: its hash is another one. Use another copy; if the place itself is a "
        "copy, bring the manifest again"
    )
    for changed, said in [
        (whole[:9] + b"\3" + whole[10:], newer),
        (whole[:-1], damaged),
        (whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], damaged),
    ]:
        manifest.write_bytes(changed)
        assert other.fails("receive", place, other.image()) == said
        done = volumes.run("copies", place)
        assert (done.returncode, done.stdout) == (1, f"v/one  {said}\n")
        assert not other.image().exists()


def killed_when(command, environment, seen):
    """Kills a command as soon as something is seen, or lets it end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    while process.poll() is None and not seen():
        pass
    process.send_signal(signal.SIGKILL)
    return process.wait()


def test_whenever_sending_is_killed_it_goes_on_and_no_half_copy_is_there(volumes, other, place, arn):
    image = volumes.create(arn, size="256MiB")
    fill(image, range(10, 50))
    total = 41
    for least in (1, 5, 12, 25):
        name = f"v/after-{least}"
        before = {path.name for path in chunks(place)}
        killed_when(
            [binary(), "volume", "send", image, place, "--name", name], volumes.environment,
            lambda: len(chunks(place)) >= least,
        )
        there = {path.name for path in chunks(place)}
        assert before <= there and len(there) >= least
        if name in volumes("copies", place):
            # It was faster.
            assert f"{name} is whole" in volumes("copies", place, "--verify", name)
        else:
            said = volumes("send", image, place, "--name", f"{name}-again")
            assert reused(said) == (total, len(there))
            volumes("copies", place, "--remove", f"{name}-again")
            assert len(chunks(place)) == len({*before}) if before else chunks(place) == []
    volumes("send", image, place, "--name", "v/whole")
    other("receive", place, other.image(), "--name", "v/whole")
    assert other.image().read_bytes() == image.read_bytes()
    leftovers = [path for path in place.rglob(".*") if path.name != ".lock"]
    assert leftovers == []


def test_whenever_receiving_is_killed_it_goes_on(volumes, other, place, arn):
    image = volumes.create(arn, size="256MiB")
    fill(image, range(10, 50))
    volumes("send", image, place, "--name", "v/one")
    draft = other.folder / "image.receiving"
    for least in (1, 5, 12, 25):
        killed_when(
            [binary(), "volume", "receive", place, other.image()], volumes.environment,
            lambda: draft.exists() and draft.stat().st_blocks * 512 >= least * PIECE,
        )
        if other.image().exists():
            break
    else:
        said = other("receive", place, other.image())
        total, there = reused(said)
        assert total == 41 and there >= 20, said
    assert other.image().read_bytes() == image.read_bytes()
    assert not draft.exists()


def test_a_full_disk_is_named_and_more_room_is_enough(volumes, other, place, arn):
    image = volumes.create(arn)
    fill(image, [8, 9, 10, 11])
    run("mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", place)
    try:
        said = volumes.fails("send", image, place, "--name", "v/one")
        assert re.fullmatch(
            r"there is no room on the disk of place/chunks/v/../\w{64}: make room and try again, it goes on where it "
            r"stopped",
            said,
        ), said
        assert volumes("copies", place) == f"There is no copy in {place.name} yet.\n"
        there = len(chunks(place))
        assert there > 0
        run("mount", "-o", "remount,size=64m", place)
        assert reused(volumes("send", image, place, "--name", "v/one")) == (5, there)
        run("mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", other.folder)
        try:
            said = other.fails("receive", place, other.image())
            assert re.fullmatch(
                r"there is no room on the disk of image\.receiving: \d+ bytes are to be written, and \d+ are free: make "
                r"room and try again, it goes on where it stopped",
                said,
            ), said
            run("mount", "-o", "remount,size=64m", other.folder)
            other("receive", place, other.image())
            assert other.image().read_bytes() == image.read_bytes()
        finally:
            run("umount", other.folder)
    finally:
        run("umount", place)


def test_copies_are_removed_with_what_nobody_else_needs(volumes, place, arn):
    image = volumes.create(arn)
    fill(image, [10])
    volumes("send", image, place, "--name", "v/one")
    fill(image, [11], seed=2)
    volumes("send", image, place, "--name", "v/two")
    assert volumes("copies", place, "--remove", "v/two") == (
        "v/two is removed, and 1 chunk that no other copy needs: 4 MiB.\n"
    )
    assert volumes.fails("copies", place, "--remove", "v/two") == "there is no copy `v/two` in place"
    assert "v/one is whole" in volumes("copies", place, "--verify", "v/one")
    assert volumes("copies", place, "--remove", "v/one") == (
        "v/one is removed, and 2 chunks that no other copy needs: 4 MiB.\n"
    )
    assert chunks(place) == []


def test_what_is_asked_wrongly_is_answered_with_what_to_do(volumes, place, arn, tmp_path):
    image = volumes.create(arn)
    volumes("send", image, place, "--name", "v/one")
    volumes("send", image, place, "--name", "w/one")
    new = volumes.image("new")
    not_a_name = (
        "is not the name of a copy: that is VOLUME/NAME, each of at most 100 letters, digits, `.`, `_` and `-`, "
        "beginning with a letter or a digit"
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing").write_bytes(b"nothing")
    for words, said in [
        (("send", image, place, "--name", "v/one"),
         "place has a copy `v/one` already: choose another name, or remove that copy first"),
        (("send", image, place, "--name", "../../etc"), f"`../../etc` {not_a_name}"),
        (("send", image, place, "--name", "monday"), f"`monday` {not_a_name}"),
        (("send", image, tmp_path / "none"),
         "`none` is not a place for copies: there is no such directory. Create it; if it is on a disk of its own, "
         "mount that first"),
        (("send", image, image),
         "`image` is not a place for copies: it is not a directory. Name a directory, or a bucket as "
         "s3://BUCKET/PREFIX"),
        (("send", image, "-", "--name", "v/one"), "a stream has no name: leave --name out"),
        (("send", tmp_path / "nothing", place),
         "nothing holds no volume that can be opened: neither copy of the superblock can be read (it is not the superblock "
         "of a volume). If it was one, restore the image from a snapshot or a backup"),
        (("receive", place, new),
         "place has copies of several volumes: choose one with --name VOLUME or --name VOLUME/NAME; `keyward volume "
         "copies place` lists them"),
        (("receive", place, new, "--name", "x"),
         "there is no copy of `x` in place: `keyward volume copies place` lists what there is"),
        (("copies", place, "--verify", "x"),
         "there is no copy of `x` in place: `keyward volume copies place` lists what there is"),
        (("copies", place, "--verify", "v/two"), "there is no copy `v/two` in place"),
        (("copies", place, "--remove", "v"), f"`v` {not_a_name}"),
        (("copies", tmp_path / "nothing" / "within"), "cannot open nothing/within: Not a directory (os error 20)"),
        (("send", image, "-", "--verify"), "a stream has no place that could be read: leave --verify out"),
        (("receive", place, new, "--name", "v/two"), "there is no copy `v/two` in place"),
        (("receive", place, image, "--name", "v"), "image exists already: choose another name, or remove it first"),
        (("receive", tmp_path / "empty", new), "there is no copy in empty"),
        (("receive", "-", new, "--name", "v"), "a stream has no name: leave --name out"),
    ]:
        assert volumes.fails(*words, stdin=subprocess.DEVNULL) == said
    assert not new.exists()


def test_a_terminal_obeys_nothing_that_a_strangers_image_says(volumes, other, place, arn):
    image = volumes.create(arn)
    evil = "\x1b]0;t\x07\x9b2J\n\u202e"
    raw, size = image.read_bytes(), len(evil.encode())
    assert raw.count(arn.encode()) >= 2
    image.write_bytes(raw.replace(arn.encode(), evil.encode() + arn.encode()[size:]))
    shown = r"\u001b]0;t\u0007\u009b2J\u000a\u202e" + arn[size:]
    said = volumes("stat", image)
    assert f"\nKey         {shown}\n" in said, said
    said = volumes("stat", image, "--json")
    assert json.loads(said)["KeyArn"] == evil + arn[size:]
    assert not set(evil) - {*"]0;t2J\n"} & set(said)
    volumes("send", image, place, "--name", "v/one")
    stream = subprocess.run(
        [binary(), "volume", "send", image, "-"], stdout=subprocess.PIPE, env=volumes.environment, check=True
    ).stdout
    for given in (place, "-"):
        done = subprocess.run(
            [binary(), "volume", "receive", given, other.image()], input=stream, capture_output=True, check=True,
            env=other.environment,
        )
        assert f"under the key\n{shown}. `check` verifies it.\n" in done.stdout.decode(), done.stdout
        other.image().unlink()
    # What is said of an error, too.
    said = volumes.fails("check", image)
    assert said.startswith(f"cannot unwrap the data key under {shown}: "), said
    assert not set(evil) - {*"]0;t2J"} & set(said)
