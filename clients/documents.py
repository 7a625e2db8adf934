"""The commands and programs in the documents, taken from the documents themselves, so that what is
printed there is what was tried.

A fenced block that begins with a language and a name (```` ```sh backup ````, ```` ```python app.py ````)
has that name. The places that documents name stand for places of the test.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from keyward import ROOT, binary, clean_environment

FENCE = re.compile(r"^```(?P<language>\w+)?(?: (?P<name>[\w.-]+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    """One fenced block of a Markdown file."""

    language: str
    name: str
    text: str


def blocks(document):
    """The fenced blocks of a document, in its order."""
    text = (ROOT / "docs" / document).read_text()
    return [Block(*(found[part] or "" for part in ("language", "name", "text"))) for found in FENCE.finditer(text)]


def named(document, name):
    """The block with that name."""
    [found] = [block for block in blocks(document) if block.name == name]
    return found.text


def environment(**more):
    """What a shell has that follows a document: the program and the AWS clients on its path."""
    path = f"{binary().resolve().parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**clean_environment(), "PATH": path, "AWS_PAGER": "", **more}


def shell(script, places, folder, patience=60, **more):
    """Runs a script in a folder, with other places for the documented ones."""
    for documented, place in places.items():
        script = script.replace(documented, str(place))
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=patience,
    )
