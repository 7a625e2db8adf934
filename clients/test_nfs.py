"""NFS exports by `integrations/nfs`, used by the NFS client of a real Linux kernel.

The program that serves them decides about clients as the test tells it; `keyward agent` asks the server instead.
"""

import concurrent.futures
import contextlib
import datetime
import os
import socket
import struct
import subprocess

import pytest

import efs_certificate
import nfs
from nfs import eventually
from uml import Uml

if nfs.missing() and os.environ.get("CI") != "true":
    pytest.skip(nfs.missing(), allow_module_level=True)

VOLUME = "fs-0123456789abcdef8"
TARGET = "fsmt-0123456789abcdef0"
VERSIONS = ("4.1", "4.0")


@pytest.fixture(scope="module")
def uml():
    with Uml() as booted:
        yield booted


@pytest.fixture
def file_system(tmp_path):
    created = nfs.FileSystem(tmp_path)
    yield created
    created.close()


@pytest.fixture
def exports(tmp_path, file_system, uml):
    """The volume, served to the guest's network."""
    served = nfs.Exports(tmp_path)
    served("set", VOLUME, TARGET, uml.host, 2049, "0.0.0.0/0")
    served("unlock", VOLUME, file_system.path)
    yield served
    # Whatever a test has left, so that the guest can unmount and the next one mounts anew.
    served("rights", "write=yes")
    served("set", VOLUME, TARGET, uml.host, 2049, "0.0.0.0/0")
    uml.run("umount -f -l /mnt/* 2>/dev/null; pkill stunnel4; true")
    served.close()
    assert not served.servers()


def mount(uml, options="vers=4.1", folder="m", **more):
    done = uml.mount(folder, options, **more)
    assert done.status == 0, done
    return f"/mnt/{folder}"


CLOSED = "1"


def speak(uml, host, port):
    """Sends an empty RPC message, and answers how bash reads what comes back: 1 says that there is nothing more."""
    said = uml.run(
        f"exec 3<>/dev/tcp/{host}/{port}; (printf '\\200\\0\\0\\50'; head -c 40 /dev/zero) >&3; read -t 5 <&3; echo $?"
    )
    return said.output.splitlines()[-1]


GETFH, READLINK, PUTROOTFH, LOOKUPP = (struct.pack(">I", number) for number in (10, 27, 24, 16))
NFS4ERR_NOENT, NFS4ERR_ACCESS, NFS4ERR_STALE, NFS4ERR_BADNAME = 2, 13, 70, 10041


def opaque(value):
    return struct.pack(">I", len(value)) + value + bytes(-len(value) % 4)


def put_handle(handle):
    return struct.pack(">I", 22) + opaque(handle)


def lookup(name):
    return struct.pack(">I", 15) + opaque(name.encode())


class RawClient:
    """Says what no kernel would say, in NFS 4.0."""

    def __init__(self, host):
        self.socket = socket.create_connection((host, 2049), timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def call(self, program, version, procedure, arguments):
        """The answer to a call."""
        credentials = struct.pack(">IIIII", 0, 0, 0, 0, 0)
        header = struct.pack(">IIIIIIII", 7, 0, 2, program, version, procedure, 1, len(credentials))
        call = header + credentials + bytes(8) + arguments
        self.socket.sendall(struct.pack(">I", 1 << 31 | len(call)) + call)
        length = struct.unpack(">I", self.read(4))[0] & ~(1 << 31)
        return self.read(length)

    def compound(self, *operations):
        """The status of a COMPOUND, and the whole answer."""
        answer = self.call(100003, 4, 1, struct.pack(">III", 0, 0, len(operations)) + b"".join(operations))
        return struct.unpack(">I", answer[24:28])[0], answer

    def read(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def root_handle(self):
        status, answer = self.compound(PUTROOTFH, GETFH)
        # Header, status, tag and number of results; PUTROOTFH's and GETFH's numbers and statuses.
        length = struct.unpack(">I", answer[52:56])[0]
        return status, answer[56 : 56 + length]


WHOLE = ("write=yes",)
WHOLE_OF_A_USER = ("path=/", "uid=0", "gid=0")
PART = ("path=/part", "uid=0", "gid=0", "owner=0", "mode=755")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "rights,at", [(WHOLE, ""), (WHOLE_OF_A_USER, ""), (PART, "part")], ids=["whole", "whole-of-a-user", "part"]
)
def test_a_kernel_reads_and_writes(uml, exports, file_system, version, rights, at):
    exports("rights", *rights)
    mounted = mount(uml, f"vers={version}")
    uml.check(
        f"""set -e; cd {mounted}
        dd if=/dev/urandom of=data bs=1M count=8 conv=fsync 2>/dev/null
        mkdir folder; mv data folder/renamed; ln folder/renamed link; ln -s link soft
        chmod 640 link; chown 12:34 link; touch -d 2020-02-02 folder; mkfifo pipe; readlink soft
        exec 9<>link; flock -x 9; exec 9>&-; set -C; echo new > exclusive
        truncate -s 5G sparse; echo end >> sparse; ls -l . > /dev/null; find . > /dev/null
        rm soft pipe sparse; df . > /dev/null; sync"""
    )
    here = file_system.path / at
    digest = uml.check(f"sha256sum < {mounted}/link").split()[0]
    there = subprocess.run(["sha256sum", here / "folder/renamed"], capture_output=True, text=True)
    assert there.stdout.split()[0] == digest
    found = (here / "link").stat()
    assert (found.st_nlink, found.st_mode & 0o777, found.st_uid, found.st_gid) == (2, 0o640, 12, 34)
    # No other version is served.
    assert "Protocol not supported" in uml.mount("other", "vers=4.2").output


HOLD_A_LOCK = "exec 9<>{at}/file; flock -x 9; touch {at}/held; while [ -e {at}/held ]; do sleep 0.1; done"


@pytest.mark.parametrize("version,other", [VERSIONS, VERSIONS[::-1]])
def test_a_lock_of_a_client_keeps_others_out(uml, exports, file_system, version, other):
    # A kernel is another client with each version.
    at, elsewhere = mount(uml, f"vers={version}"), mount(uml, f"vers={other}", folder="other")
    uml.check(f"touch {at}/file")
    holder = uml.start(HOLD_A_LOCK.format(at=at))
    eventually(lambda: (file_system.path / "held").exists())
    assert uml.run(f"flock -n -x {elsewhere}/file true").status == 1
    uml.check(f"rm {at}/held")
    uml.wait(holder)
    uml.check(f"flock -w 10 -x {elsewhere}/file true")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_locked_volume_has_io_errors_and_comes_back_without_a_new_mount(uml, exports, file_system, version):
    at = mount(uml, f"vers={version}")
    uml.check(f"echo precious > {at}/file; sync; cat {at}/file")
    # A file that stays open over the whole time.
    open_file = uml.start(
        f"exec 9<>{at}/file; touch {at}/open; while [ ! -e /mnt/go ]; do sleep 0.1; done; cat <&9; echo more >&9"
    )
    eventually(lambda: (file_system.path / "open").exists())
    exports("lock", VOLUME)
    # Nothing uses the file system any more.
    assert not exports.servers()
    file_system.unmount()
    for command in (f"cat {at}/file", f"touch {at}/new", f"ls {at}/ | grep x", f"rm {at}/file", f"stat -f {at}"):
        failed = uml.run(command, seconds=5)
        assert failed.status != 0 and "Input/output error" in failed.output, (command, failed)
    # A client that comes only now is answered as well.
    late = uml.mount("late", f"vers={version},nosharecache,clientaddr=10.0.0.1", seconds=10)
    assert late.status != 0, late

    file_system.mount()
    exports("unlock", VOLUME, file_system.path)
    assert uml.check(f"cat {at}/file", seconds=60) == "precious"
    uml.check(f"touch {at}/new", seconds=60)
    uml.check("touch /mnt/go")
    assert uml.wait(open_file, seconds=60).output == "precious"
    uml.check("rm /mnt/go; sync")
    assert (file_system.path / "file").read_text() == "precious\nmore\n"


def test_what_was_asked_when_the_volume_was_locked_is_answered(uml, exports, file_system):
    at = mount(uml)
    writers = [
        uml.start(f"for i in $(seq 10000); do dd if=/dev/zero of={at}/w{n} bs=64k count=8 conv=fsync 2>&1 || exit 5; done")
        for n in range(4)
    ]
    eventually(lambda: (file_system.path / "w3").exists())
    for _ in range(3):
        exports("lock", VOLUME)
        file_system.unmount()
        for writer in writers:
            ended = uml.wait(writer, seconds=20)
            assert ended.status == 5 and "Input/output error" in ended.output, ended
        file_system.mount()
        exports("unlock", VOLUME, file_system.path)
        writers = [
            uml.start(f"for i in $(seq 10000); do dd if=/dev/zero of={at}/w{n} bs=64k count=8 conv=fsync 2>&1 || exit 5; done")
            for n in range(4)
        ]
        assert uml.check(f"echo again > {at}/again; sync; cat {at}/again", seconds=60) == "again"
    exports("lock", VOLUME)
    for writer in writers:
        assert uml.wait(writer, seconds=20).status == 5


def test_a_server_that_dies_is_started_again_and_locks_are_kept(uml, exports, file_system):
    at = mount(uml)
    elsewhere = mount(uml, "vers=4.0", folder="other")
    holder = uml.start(HOLD_A_LOCK.format(at=at))
    eventually(lambda: (file_system.path / "held").exists())
    [first] = exports.servers()
    os.kill(first, 9)
    uml.check(f"echo on > {at}/other; sync", seconds=60)
    assert (file_system.path / "other").read_text() == "on\n"
    [second] = exports.servers()
    assert second != first
    assert uml.run(f"flock -n -x {elsewhere}/file true", seconds=60).status == 1
    uml.check(f"rm {at}/held")
    uml.wait(holder, seconds=60)


def test_no_server_outlives_the_program(uml, exports, file_system):
    at = mount(uml)
    uml.check(f"echo 1 > {at}/file; sync")
    [server] = exports.servers()
    exports.kill()
    eventually(lambda: not nfs.is_server(server))
    file_system.unmount()
    file_system.mount()
    # What was mounted goes on with the next program.
    exports.start()
    exports("set", VOLUME, TARGET, uml.host, 2049, "0.0.0.0/0")
    exports("unlock", VOLUME, file_system.path)
    assert uml.check(f"cat {at}/file; echo 2 > {at}/file; cat {at}/file", seconds=60) == "1\n2"


def test_nobody_gets_around_the_program(uml, exports):
    """The server listens in a network of its own: the address where clients connect is the program's alone."""
    at = mount(uml)
    uml.check(f"touch {at}/file")
    [server] = exports.servers()
    listening = subprocess.run(["ss", "-H", "-l", "-t", "-n", "-p"], capture_output=True, text=True).stdout
    assert "ganesha" not in listening and f"{uml.host}:2049" in listening
    assert os.readlink(f"/proc/{server}/ns/net") != os.readlink("/proc/self/ns/net")
    mounts = open(f"/proc/{server}/mountinfo").read()
    assert str(exports.state.parent / "mounted") not in mounts
    assert " /export " in mounts


def test_who_may_not_write_has_a_read_only_file_system(uml, exports, file_system):
    (file_system.path / "file").write_text("text")
    exports("rights", "write=no")
    at = mount(uml)
    assert uml.check(f"cat {at}/file") == "text"
    for command in (f"touch {at}/new", f"echo x > {at}/file", f"rm {at}/file", f"mkdir {at}/new", f"chmod 777 {at}/file"):
        failed = uml.run(command)
        assert failed.status != 0 and "Read-only file system" in failed.output, (command, failed)
    assert (file_system.path / "file").read_text() == "text"


def test_without_root_user_0_is_nobody(uml, exports, file_system):
    file_system.path.chmod(0o777)
    (file_system.path / "private").write_text("secret")
    (file_system.path / "private").chmod(0o600)
    exports("rights", "root=no")
    at = mount(uml)
    uml.check(f"touch {at}/new")
    assert (file_system.path / "new").stat().st_uid == 65534
    assert "Permission denied" in uml.run(f"cat {at}/private").output


class TestAccessPoint:
    RIGHTS = ("path=/projects/a", "uid=4000", "gid=4001", "gids=4002,4003", "owner=4000", "mode=750")

    def test_root_and_user_are_forced(self, uml, exports, file_system):
        exports("rights", *self.RIGHTS)
        (file_system.path / "outside").write_text("outside")
        at = mount(uml)
        # The root directory was created as the access point says.
        for made in ("projects", "projects/a"):
            found = (file_system.path / made).stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (4000, 4000, 0o750)
        assert uml.check(f"ls {at}/ {at}/.. {at}/../.. | grep outside; ls -A {at}/") == ""
        # Whoever the client says it is, it is the user of the access point.
        uml.check(f"touch {at}/of-root; setpriv --reuid 1234 --regid 1234 --clear-groups touch {at}/of-other")
        for name in ("of-root", "of-other"):
            found = (file_system.path / "projects/a" / name).stat()
            assert (found.st_uid, found.st_gid) == (4000, 4001)
        assert "Operation not permitted" in uml.run(f"chown 0 {at}/of-root").output

    def test_secondary_groups_count(self, uml, exports, file_system):
        exports("rights", *self.RIGHTS)
        at = mount(uml)
        folder = file_system.path / "projects/a"
        for group in (4003, 4004):
            path = folder / f"group-{group}"
            path.write_text("shared")
            os.chown(path, 0, group)
            path.chmod(0o640)
        assert uml.check(f"cat {at}/group-4003") == "shared"
        assert "Permission denied" in uml.run(f"cat {at}/group-4004").output

    def test_no_link_of_a_client_leads_out(self, uml, exports, file_system, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir(mode=0o777)
        (outside / "a").mkdir(mode=0o777)
        (outside / "a/host").write_text("of the host")
        # Another client has put a link where the access point's directory shall be.
        (file_system.path / "projects").symlink_to(outside)
        exports("rights", *self.RIGHTS)
        assert uml.mount("m", "vers=4.1", seconds=30).status != 0
        assert "`/projects/a` is not a directory" in exports.log.read_text()
        # A link within it is the client's own affair: it is resolved there.
        (file_system.path / "projects").unlink()
        at = mount(uml)
        uml.check(f"ln -s {outside}/a/host {at}/link")
        assert uml.run(f"cat {at}/link").output != "of the host" or outside.exists()
        assert os.readlink(file_system.path / "projects/a/link") == f"{outside}/a/host"

    def test_it_stays_the_same_directory_when_it_is_renamed(self, uml, exports, file_system):
        exports("rights", *self.RIGHTS)
        at = mount(uml)
        uml.check(f"echo text > {at}/file; sync")
        (file_system.path / "projects").rename(file_system.path / "elsewhere")
        (file_system.path / "projects").mkdir()
        (file_system.path / "projects/a").mkdir(mode=0o777)
        uml.check(f"echo more >> {at}/file; sync")
        assert (file_system.path / "elsewhere/a/file").read_text() == "text\nmore\n"

    def test_a_client_cannot_make_up_handles(self, uml, exports, file_system):
        outside = file_system.path / "outside"
        outside.write_text("outside")
        outside.chmod(0o666)
        exports("rights", *self.RIGHTS)
        with RawClient(uml.host) as client:
            status, handle = client.root_handle()
            assert (status, len(handle)) == (0, 23)
            # There is no way up.
            assert client.compound(PUTROOTFH, LOOKUPP)[0] == NFS4ERR_NOENT
            assert client.compound(PUTROOTFH, lookup(".."))[0] == NFS4ERR_BADNAME
            # A wrong guess of the generation finds nothing.
            guess = handle[:15] + struct.pack("<II", outside.stat().st_ino, 1)
            assert client.compound(put_handle(guess), READLINK)[0] == NFS4ERR_STALE
            assert client.compound(put_handle(handle), GETFH)[0] == 0
        # The kernel would accept the generation 0 for any file, so the message does not reach it.
        for inode in (outside.stat().st_ino, 2):
            with RawClient(uml.host) as client:
                forged = handle[:15] + struct.pack("<II", inode, 0)
                with pytest.raises(EOFError):
                    client.compound(put_handle(forged), GETFH)
        eventually(lambda: "the client has made up a file handle" in exports.log.read_text())
        # For root of the whole file system, that handle is one that works: the guard is what kept it out.
        exports("rights", "write=yes")
        with RawClient(uml.host) as client:
            status, handle = client.root_handle()
            forged = handle[:15] + struct.pack("<II", outside.stat().st_ino, 0)
            assert client.compound(put_handle(forged), GETFH)[0] == 0

    @pytest.mark.parametrize(
        "rights", [("path=/", "uid=1000", "gid=1000"), ("root=no",), ("path=/", "root=no")], ids=["user", "squashed", "both"]
    )
    def test_no_handle_leads_into_a_directory_that_is_closed(self, uml, exports, file_system, rights):
        private = file_system.path / "private"
        private.mkdir(mode=0o700)
        (private / "file").write_text("secret")
        (private / "file").chmod(0o644)
        exports("rights", *rights)
        with RawClient(uml.host) as client:
            status, handle = client.root_handle()
            assert client.compound(PUTROOTFH, lookup("private"), lookup("file"))[0] == NFS4ERR_ACCESS
            # What was made with the file system has the generation 0, and clients use it.
            assert handle[15:] == struct.pack("<II", 2, 0)
            found = (file_system.path / "lost+found").stat().st_ino
            for inode in (2, found):
                assert client.compound(put_handle(handle[:15] + struct.pack("<II", inode, 0)), GETFH)[0] == 0
            forged = handle[:15] + struct.pack("<II", (private / "file").stat().st_ino, 0)
            with pytest.raises(EOFError):
                client.compound(put_handle(forged), GETFH)
        at = mount(uml)
        uml.check(f"ls -l {at}/; stat {at}/lost+found; ! ls {at}/lost+found", seconds=30)

    def test_a_missing_directory_is_an_error_without_a_way_to_create_it(self, uml, exports, file_system):
        exports("rights", "path=/nowhere", "uid=1", "gid=1")
        assert uml.mount("m", "vers=4.1", seconds=30).status != 0
        assert not (file_system.path / "nowhere").exists()
        said = "the directory `/nowhere` does not exist, and the access point does not say how to create it"
        assert said in exports.log.read_text()


class TestConnections:
    def test_a_denied_client_is_told_so(self, uml, exports):
        exports("rights", "deny")
        for version in VERSIONS:
            denied = uml.mount("m", f"vers={version}", seconds=30)
            assert denied.status != 0 and "access denied by server" in denied.output, denied
        assert "by this test" in exports.log.read_text()

    def test_an_address_outside_the_rules_is_refused_before_anything_is_read(self, uml, exports):
        exports("set", VOLUME, TARGET, uml.host, 2049, "192.0.2.0/24,198.51.100.7/32")
        assert speak(uml, uml.host, 2049) == CLOSED
        assert exports.asked() == []
        # Rules that change end open connections.
        exports("set", VOLUME, TARGET, uml.host, 2049, f"{uml.guest}/32")
        at = mount(uml)
        uml.check(f"touch {at}/file")
        exports("set", VOLUME, TARGET, uml.host, 2049, "192.0.2.0/24")
        eventually(lambda: "its address is not allowed any more" in exports.log.read_text())
        exports("set", VOLUME, TARGET, uml.host, 2049, "0.0.0.0/0")
        uml.check(f"touch {at}/file", seconds=60)

    def test_a_right_that_is_lost_ends_open_connections(self, uml, exports, file_system):
        at = mount(uml)
        uml.check(f"echo text > {at}/file; sync")
        exports("rights", "deny")
        exports("reauthorize", VOLUME)
        eventually(lambda: "refused: by this test" in exports.log.read_text())
        failed = uml.run(f"cat {at}/file; touch {at}/new", seconds=30)
        assert failed.status != 0 and "Permission denied" in failed.output, failed
        exports("rights", "write=no")
        eventually(lambda: "Read-only file system" in uml.run(f"touch {at}/new", seconds=60).output)
        exports("rights", "write=yes")
        exports("reauthorize", VOLUME)
        eventually(lambda: uml.run(f"touch {at}/new", seconds=60).status == 0)

    def test_a_right_that_is_lost_before_the_view_is_there_is_never_used(self, uml, exports):
        exports("hold", "yes")
        with RawClient(uml.host) as client, concurrent.futures.ThreadPoolExecutor() as threads:
            answer = threads.submit(client.compound, PUTROOTFH)
            eventually(lambda: exports.questions)
            exports("rights", "deny")
            exports("reauthorize", VOLUME)
            # The client was let in before, which is heard only now.
            exports("hold", "no")
            assert answer.result()[0] == NFS4ERR_ACCESS

    def test_nobody_is_asked_about_before_a_call_was_read(self, uml, exports):
        call = struct.pack(">11I", 1 << 31 | 40, 7, 0, 2, 100003, 4, 0, 0, 0, 0, 0)
        for length in [4, 20, 43]:
            with socket.create_connection((uml.host, 2049)) as stranger:
                stranger.sendall(call[:length])
                stranger.shutdown(socket.SHUT_WR)
                assert stranger.recv(1) == b""
        assert exports.asked() == []
        with socket.create_connection((uml.host, 2049), timeout=30) as client:
            for byte in call:
                client.sendall(bytes([byte]))
            # NULL, which the server itself has answered.
            assert client.recv(100)[4:8] == struct.pack(">I", 7)
        assert exports.asked() != []

    def test_the_clients_of_one_volume_do_not_keep_those_of_others_out(self, exports, tmp_path):
        host, other_host = "127.0.0.91", "127.0.0.92"
        exports("set", VOLUME, TARGET, host, 2049, "0.0.0.0/0")
        other = nfs.FileSystem(tmp_path)
        exports("set", "fs-2", "fsmt-2", other_host, 2049, "0.0.0.0/0")
        exports("unlock", "fs-2", other.path)
        # More views than there may be on this machine, one after the other, and each again.
        for number in [*range(9), *range(9)]:
            exports("rights", f"path=/{number}", "owner=0", "mode=755")
            with RawClient(host) as client:
                assert client.root_handle()[0] == 0
            # A volume has half of them.
            assert len(exports.servers()) <= 4
        with RawClient(other_host) as client:
            assert client.root_handle()[0] == 0
        exports("unset", "fs-2")
        other.close()

    def test_silent_connections_of_a_few_addresses_keep_nobody_out(self, exports):
        host = "127.0.0.91"
        exports("set", VOLUME, TARGET, host, 2049, "0.0.0.0/0")
        with contextlib.ExitStack() as held:
            for number in range(4 * 64):
                source = (f"127.0.2.{number % 4 + 1}", 0)
                held.enter_context(socket.create_connection((host, 2049), source_address=source))
            with RawClient(host) as client:
                assert client.root_handle()[0] == 0
                # Whoever was authorized is displaced by nobody.
                for number in range(64):
                    held.enter_context(socket.create_connection((host, 2049), source_address=("127.0.2.5", 0)))
                assert client.root_handle()[0] == 0

    def test_clients_are_asked_about_at_intervals(self, uml, exports):
        at = mount(uml)
        uml.check(f"touch {at}/file")
        exports.asked()
        eventually(lambda: exports.asked())

    def test_open_connections_go_on_and_new_ones_do_not_while_nobody_can_be_asked(self, uml, exports):
        at = mount(uml)
        uml.check(f"touch {at}/file")
        exports("rights", "unanswered")
        eventually(lambda: "nobody could be asked" in exports.log.read_text())
        uml.check(f"touch {at}/more")
        assert speak(uml, uml.host, 2049) == CLOSED

    def test_a_volume_that_is_not_served_any_more_refuses_connections(self, uml, exports):
        at = mount(uml)
        uml.check(f"touch {at}/file")
        exports("unset", VOLUME)
        assert not exports.servers()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((uml.host, 2049))

    def test_an_address_that_another_volume_has_is_refused(self, uml, exports):
        said = exports.say("set", "fs-2", "fsmt-2", uml.host, 2049, "0.0.0.0/0")
        same = f"error: the mount targets of `fs-2` and `{VOLUME}` have the same address {uml.host}:2049"
        assert said == same
        said = exports.say("set", "fs-2", "fsmt-2", "192.0.2.1", 2049, "0.0.0.0/0")
        assert said.startswith("error: cannot listen on 192.0.2.1:2049 for the mount target `fsmt-2`: ")

    def test_a_directory_that_nothing_is_mounted_on_is_not_served(self, exports, tmp_path):
        empty = tmp_path / "empty"
        empty.mkdir()
        said = f"error: `{empty}` is not the root of a mounted file system"
        assert exports.say("unlock", VOLUME, empty) == said


class TestTls:
    """As amazon-efs-utils mounts: stunnel in the guest, with a certificate that is made for the mount."""

    @pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
    def test_the_certificate_of_efs_utils_is_understood(self, uml, exports, tmp_path, file_system, version):
        now = datetime.datetime.now(datetime.timezone.utc)
        port = 20049 if version == "TLSv1.2" else 20050
        certificate = efs_certificate.make(
            tmp_path, VOLUME, access_point="fsap-0123456789abcdef0", credentials=("AKIDEXAMPLE", "secret", "token/+="), now=now
        )
        options = nfs.tunnel(uml, tmp_path, port, certificate, exports.state / "certificate.pem", version)
        at = mount(uml, options, server="127.0.0.1")
        uml.check(f"dd if=/dev/urandom of={at}/file bs=1M count=4 conv=fsync")
        assert (file_system.path / "file").stat().st_size == 4 << 20
        asked = exports.asked()[0]
        assert asked == (
            f"{VOLUME} {TARGET} {uml.guest} tls=true access_point=fsap-0123456789abcdef0"
            f" hash={certificate.public_key_hash} access_key=AKIDEXAMPLE date={now:%Y%m%dT%H%M%SZ}"
            f" signature={certificate.signature} token=token/+="
        )
        # Locked and unlocked over TLS as without it.
        exports("lock", VOLUME)
        assert "Input/output error" in uml.run(f"cat {at}/file", seconds=5).output
        exports("unlock", VOLUME, file_system.path)
        uml.check(f"cat {at}/file > /dev/null", seconds=60)

    def test_the_first_call_of_efs_proxy_is_answered_that_there_is_no_such_program(self, uml, exports):
        """So that it goes on with one connection (`efs_rpc.rs` of efs-utils)."""
        unavailable = struct.pack(">IIIIII", 7, 1, 0, 0, 0, 1)
        identifier = opaque(bytes(16)) + opaque(bytes(8))
        with RawClient(uml.host) as client:
            assert client.call(100200, 1, 1, identifier) == unavailable
            exports("lock", VOLUME)
            assert client.call(100200, 1, 1, identifier) == unavailable

    def test_a_client_may_have_no_certificate(self, uml, exports, tmp_path):
        at = mount(uml, nfs.tunnel(uml, tmp_path, 20051), server="127.0.0.1")
        uml.check(f"touch {at}/file")
        assert " tls=true access_point=- hash=- access_key=- " in exports.asked()[0]

    @pytest.mark.parametrize(
        "port,changes,said",
        [
            (20052, {"file_system": "fs-00000000000000000"}, "the certificate of the client is for `fs-00000000000000000`"),
            (20053, {"hours": -1}, "it is not valid at this time"),
            (20054, {"foreign_key": True}, "it is not signed by its own key"),
            (20055, {"layout": False}, "it does not have the layout of amazon-efs-utils: it names no file system"),
        ],
    )
    def test_another_certificate_is_refused(self, uml, exports, tmp_path, port, changes, said):
        certificate = efs_certificate.make(tmp_path, **{"file_system": VOLUME, **changes})
        nfs.tunnel(uml, tmp_path, port, certificate)
        speak(uml, "127.0.0.1", port)
        eventually(lambda: said in exports.log.read_text())
        assert exports.asked() == []

    def test_the_server_proves_who_it_is(self, uml, exports, tmp_path):
        other = efs_certificate.make(tmp_path, VOLUME)
        port = 20056
        nfs.tunnel(uml, tmp_path, port, verify=other.path)
        speak(uml, "127.0.0.1", port)
        eventually(lambda: "certificate verify failed" in (tmp_path / f"stunnel-{port}.log").read_text())
        assert exports.asked() == []
