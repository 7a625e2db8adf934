"""Where a request's CPU goes, stage by stage, from samples of the running server.

    RUSTFLAGS="-C force-frame-pointers=yes" cargo build --release -p keyward -p keyward-bench \
        --target-dir target/profile
    python3 bench/stages.py target/profile/release

Needs `perf` (Debian: linux-perf), `nm` and `readelf`. Samples are taken by the CPU clock, so no
hardware counters are needed. The server is run by `keyward-bench run --quick` at 32 connections.
"""

import bisect
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import time

# The first stage one of whose patterns is found, from the innermost frame outwards, has the
# sample. Allocation is told by its leaf, since the allocator keeps no frame pointers.
STAGES = [
    ("audit: MAC and write, in batches", r"keyward_trail::trail|writer::append|writer::do_all"),
    ("audit: gathering and waking", r"Gatherer|Writer::record"),
    ("text of event and answer", r"json::writer|audit::event|render_event"),
    ("crypto of the key", r"keyward_keys::|Ring::"),
    ("decision", r"gate::Gate|keyward_policy::"),
    ("caller: signature", r"sigv4|with_signing_key"),
    ("caller: units and the rest", r"Front>::authenticate"),
    ("request's body and parameters", r"json::(decode|members)|Operation>::parse"),
    ("key's unit", r"kms::lookup"),
    ("the rest of the pipeline", r"keyward_services::"),
    ("HTTP: sockets", r"tcp::stream|mio::|registration|__GI___writev|__libc_recv"),
    ("HTTP: the rest", r"hyper|http|keyward::"),
    ("runtime", r"tokio"),
]
ALLOCATION = re.compile(r"^_?(mi_|malloc|free|calloc|realloc|_int_|cfree|unlink_chunk)")
FRAME = re.compile(r"^\s+([0-9a-f]+) (.*) \((.*)\)$")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Symbols:
    """The program's functions by their place in its file, which is what samples give."""

    def __init__(self, program):
        self.name = program.name
        self.segments = []
        for line in run("readelf", "-lW", str(program)).splitlines():
            field = line.split()
            if field and field[0] == "LOAD":
                self.segments.append(tuple(int(field[i], 16) for i in (1, 2, 4)))
        found = []
        for line in run("nm", "-C", str(program)).splitlines():
            field = line.split(" ", 2)
            if len(field) == 3 and field[0] and field[1] in "tTwW":
                found.append((int(field[0], 16), re.sub(r"::h[0-9a-f]{16}$", "", field[2])))
        self.functions = sorted(found)
        self.starts = [start for start, _ in self.functions]

    def at(self, offset):
        for place, address, size in self.segments:
            if place <= offset < place + size:
                offset += address - place
                break
        index = bisect.bisect_right(self.starts, offset) - 1
        return self.functions[index][1] if index >= 0 else "?"


def stacks(data, symbols):
    stack = []
    for line in run("perf", "script", "-i", data).splitlines() + [""]:
        if not line.strip():
            if stack:
                yield stack
            stack = []
        elif found := FRAME.match(line):
            address, name, module = found.groups()
            if name.startswith("[unknown]") and module.endswith(symbols.name):
                name = symbols.at(int(address, 16))
            stack.append(name)


def stage(stack):
    if ALLOCATION.match(stack[0]):
        return "allocation"
    for frame in stack:
        for name, pattern in STAGES:
            if re.search(pattern, frame):
                return name
    return "kernel and the rest"


def main():
    release = pathlib.Path(sys.argv[1]).resolve()
    server, bench = release / "keyward", release / "keyward-bench"
    with tempfile.TemporaryDirectory() as scratch:
        load = subprocess.Popen(
            [bench, "run", "--keyward", server, "--scratch", f"{scratch}/bench"]
            + ["--quick", "--seconds", "5"],
            stdout=subprocess.PIPE,
            text=True,
        )
        pid = ""
        while not pid and load.poll() is None:
            time.sleep(0.2)
            sought = f"^{server} serve --data-dir {scratch}/bench/compare"
            pid = subprocess.run(["pgrep", "-f", sought], capture_output=True, text=True).stdout
        # Threads that begin later are not sampled; the audit writer's is the last of them.
        tasks = pathlib.Path(f"/proc/{pid.split()[0]}/task")
        while "audit\n" not in [comm.read_text() for comm in tasks.glob("*/comm")]:
            time.sleep(0.2)
        data = f"{scratch}/samples"
        record = ["perf", "record", "-q", "-F", "2500", "-e", "cpu-clock", "--call-graph", "fp"]
        sampler = subprocess.Popen(record + ["-o", data, "-p", pid.split()[0]])
        report = load.communicate()[0]
        sampler.wait()
        counted = collections.Counter(stage(s) for s in stacks(data, Symbols(server)))
    keyward = next(line for line in report.splitlines() if "c Keyward" in line)
    micros = float(keyward.split("|")[6])
    total = counted.total()
    print(report)
    print("| stage | share | µs |\n|---|---|---|")
    for name, count in counted.most_common():
        print(f"| {name} | {100 * count / total:.1f} % | {micros * count / total:.2f} |")


if __name__ == "__main__":
    main()
