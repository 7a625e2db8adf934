"""The golden matrix: every kind of caller by every operation, allowed or not, and what decided.

`golden/matrix/CALLER.txt` has one line an operation: a mark, the operation, and for each question
that was asked of the policies the action and the deciding statement; `golden/matrix.txt` is the
overview. The decisions are read from the audit trail. `UPDATE_EXPECT=1` rewrites the files, and
the review judges. An operation that is served and not in the table of calls fails the golden
events; a condition key that no operation supplies fails its own test.
"""

import os
import pathlib
import re

import pytest
from botocore.exceptions import ClientError

from callers import CALLERS, reason, server_of_many
from calls import ROWS, CALLS
from keyward import eventually
from test_events import trail

GOLDEN = pathlib.Path(__file__).parent / "golden"
CELLS = [(service, name) for service, name in ROWS if "-" not in name]
UNPROVEN = {"InvalidClientTokenId", "UnrecognizedClientException"}
MARKS = {"allowed": "✔", "denied": "✘", "neither": "·"}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """For each caller and cell: the mark and the reasons."""
    server = server_of_many(tmp_path_factory.mktemp("matrix"))
    asked = {}
    for caller, (_, make) in CALLERS.items():
        world = make(server)
        for service, name in CELLS:
            asked[caller, service, name] = outcome(CALLS[service][name], world)
    # Who is refused as nobody is not on the trail, nor is a token that no trust policy lets in.
    wanted = {
        request
        for (_, _, name), (request, code) in asked.items()
        if code not in UNPROVEN and (name, code) != ("AssumeRoleWithWebIdentity", "AccessDenied")
    }

    def events():
        # The first of a request is the caller's; the owner of a key may have one as well.
        found = {event["requestID"]: event for event in reversed(list(trail(server))) if "requestID" in event}
        return found if wanted <= found.keys() | {None} else None

    found = eventually(events)
    server.kill()
    return {cell: told(found.get(request), code) for cell, (request, code) in asked.items()}


def outcome(call, world):
    """Makes the call; answers its request id and the code that it was refused with."""
    try:
        answer, code = call(world), None
    except ClientError as error:
        answer, code = error.response, error.response["Error"]["Code"]
    return answer["ResponseMetadata"]["RequestId"], code


def told(event, code):
    """Mark and reason of one cell."""
    decisions = event["keyward"]["decisions"] if event else []
    if not decisions:
        return ("neither", f"refused before any policy: {code}" if code else "no policy is asked")
    mark = "denied" if "AccessDenied" in (code or "") else "allowed"
    words = [f"{decision['action']}: {reason(decision)}" for decision in decisions]
    return mark, "; ".join(dict.fromkeys(words))


def by_caller(heading, matrix):
    """The text of a matrix of one service: for each caller, a line for each of its operations."""
    lines, caller = [heading, ""], None
    for (title, name), (mark, why) in matrix.items():
        if title != caller:
            lines += ([""] if caller else []) + [f"## {title}", ""]
            caller = title
        lines.append(f"{MARKS[mark]} {name:<36}{why}")
    return "\n".join([*lines, ""])


def held(found, golden):
    found = re.sub(r"\bA[A-Z]{3}[A-Z2-7]{17}\b", "<unique id>", found)
    found = re.sub(r"\b[0-9a-f]{64}\b", "<grant id>", found)
    found = re.sub(r"/o-[a-z0-9]{10,}/", "/<organization>/", found)
    found = re.sub(r"/p-[a-z0-9]{8,}\b", "/<policy>", found)
    if os.environ.get("UPDATE_EXPECT"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("caller", CALLERS)
def test_what_each_caller_may_do(matrix, caller):
    title, _ = CALLERS[caller]
    width = max(len(f"{service}:{name}") for service, name in CELLS)
    lines = [f"# {title}", ""]
    for service, name in CELLS:
        mark, why = matrix[caller, service, name]
        lines.append(f"{MARKS[mark]} {f'{service}:{name}':<{width}}  {why}")
    held("\n".join(lines) + "\n", GOLDEN / "matrix" / f"{caller}.txt")


def test_the_overview(matrix):
    width = max(len(f"{service}:{name}") for service, name in CELLS)
    lines = ["# Callers by operations: ✔ allowed, ✘ denied by the policies, · decided without policies", ""]
    for index, (caller, (title, _)) in enumerate(CALLERS.items(), start=1):
        lines.append(f"{index:>2}  {caller}: {title}")
    lines += ["", " " * width + "".join(f"{index:>4}" for index in range(1, len(CALLERS) + 1))]
    for service, name in CELLS:
        marks = "".join(f"{MARKS[matrix[caller, service, name][0]]:>4}" for caller in CALLERS)
        lines.append(f"{f'{service}:{name}':<{width}}{marks}")
    held("\n".join(lines) + "\n", GOLDEN / "matrix.txt")


def test_there_is_no_golden_of_a_caller_that_is_gone():
    assert {path.stem for path in (GOLDEN / "matrix").glob("*.txt")} == set(CALLERS)
