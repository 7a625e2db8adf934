"""Saying what a request must be refused with."""

import contextlib

import pytest
from botocore.exceptions import ClientError


@contextlib.contextmanager
def refused(code, message=None, status=400):
    """The block makes one request, refused with exactly this. A message of `""` means that the
    answer has none; `None` leaves the wording open, for texts that AWS has nowhere shown."""
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response["Error"]
    text = error.get("Message") or ""
    assert (error["Code"], text if message is not None else None) == (code, message)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def invalid(*items):
    """A ValidationException for members that break the model: each item is value, member path,
    constraint; the value is as written in the message, `'text'` or `null` or nothing."""
    count = len(items)
    head = "1 validation error" if count == 1 else f"{count} validation errors"
    texts = [
        f"Value{' ' if value else ''}{value} at '{path}' failed to satisfy constraint: {constraint}"
        for value, path, constraint in items
    ]
    return refused("ValidationException", f"{head} detected: {'; '.join(texts)}")


NOT_NULL = "Member must not be null"


def at_least(length):
    return f"Member must have length greater than or equal to {length}"


def at_most(length):
    return f"Member must have length less than or equal to {length}"


def from_value(least):
    return f"Member must have value greater than or equal to {least}"


def to_value(most):
    return f"Member must have value less than or equal to {most}"


def matching(pattern):
    return f"Member must satisfy regular expression pattern: {pattern}"


def one_of(*names):
    return f"Member must satisfy enum value set: [{', '.join(names)}]"
