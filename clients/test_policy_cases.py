"""`keyward policy`: policies tried out without a server."""

import json
import pathlib
import subprocess

from keyward import binary, clean_environment

CASES = pathlib.Path(__file__).parent.parent / "testdata" / "policy-cases"

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def case(**members):
    return {
        "principal": "arn:aws:iam::111122223333:user/alice",
        "action": "kms:Decrypt",
        "resource": KEY,
        **members,
    }


ALLOWS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Alice",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:user/alice"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}


def policy(*arguments, stdin=""):
    return subprocess.run(
        [binary(), "policy", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=clean_environment(),
    )


def lines(*cases):
    return "".join(json.dumps(one) + "\n" for one in cases)


def test_the_documented_cases_come_out_as_they_expect():
    files = sorted(path for path in CASES.glob("*.jsonl") if path.stem != "malformed")
    done = policy("test", *files)
    assert done.returncode == 0, done.stdout[-2000:]
    *told, last = done.stdout.splitlines()
    # Some cases are about what is valid and probably not meant so.
    assert all(": warning: " in line for line in told)
    agreed, rest = last.split(" ", 1)
    assert rest == "as expected, 0 not"
    assert int(agreed) > 3400


def test_a_case_that_differs_is_explained(tmp_path):
    file = tmp_path / "cases.jsonl"
    file.write_text(
        lines(case(id="fits", keyPolicy=ALLOWS, expect="Allow"), case(id="differs", expect="Allow"), {"id": "open"})
    )
    done = policy("test", file)
    assert done.returncode == 1
    assert f"{file}:2: differs: ImplicitDeny, expected Allow\n" in done.stdout
    assert "    Why: the key policy does not allow the caller" in done.stdout
    assert "      - add to the key policy:\n" in done.stdout
    assert f"{file}:3: open: cannot be decided: principal is missing\n" in done.stdout
    assert done.stdout.endswith("1 as expected, 2 not\n")

    told = [json.loads(line) for line in policy("test", "--output", "json", file).stdout.splitlines()]
    assert [one["line"] for one in told] == [2, 3]
    assert told[0]["answer"] == {"id": "differs", "decision": "ImplicitDeny"}
    assert told[0]["explanation"]["reason"] == {"kind": "noAllow", "in": "keyPolicy"}
    change = told[0]["explanation"]["suggestions"][0][0]
    assert change["change"] == "addStatement" and change["in"] == "keyPolicy"
    assert told[1]["answer"]["decision"] is None and told[1]["explanation"] is None


def test_wrong_usage_is_told_apart(tmp_path):
    assert policy("test").returncode == 2
    missing = policy("test", tmp_path / "missing.jsonl")
    assert missing.returncode == 2
    assert "missing.jsonl cannot be read: No such file or directory" in missing.stderr


def test_answers_come_in_order_and_nothing_stops_them():
    asked = []
    for index in range(5000):
        asked.append(case(id=str(index), keyPolicy=ALLOWS) if index % 7 else {"id": str(index)})
    done = policy("decide", stdin=lines(*asked) + "\nno case\n")
    assert done.returncode == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [*map(str, range(5000)), None]
    assert answers[1] == {
        "id": "1",
        "decision": "Allow",
        "by": {"policy": "keyPolicy", "statement": 0, "sid": "Alice"},
    }
    assert answers[0]["decision"] is None
    assert answers[0]["errors"] == ["principal is missing", "action is missing", "resource is missing"]
    assert answers[-1] == {"id": None, "decision": None, "errors": ["the line is not JSON"]}


def test_an_answer_does_not_wait_for_the_next_case():
    with subprocess.Popen(
        [binary(), "policy", "decide"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as process:
        for index in range(3):
            process.stdin.write(lines(case(id=str(index))))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == str(index)
        process.stdin.close()
        assert process.wait() == 0


def test_a_line_that_is_too_long_is_answered():
    long = json.dumps(case(id="long", comment="x" * (1 << 20)))
    done = policy("decide", stdin=long + "\n" + lines(case(id="next")))
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first == {"id": None, "decision": None, "errors": ["the line is longer than 1048576 bytes"]}
    assert second == {"id": "next", "decision": "ImplicitDeny"}
