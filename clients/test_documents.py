"""Links between the documents lead to a file that is there, and to a heading that is in it."""

import re
from functools import cache

import pytest

from keyward import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchor(heading):
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def anchors(document):
    return {anchor(found) for found in re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for path, heading in LINK.findall(text):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert not heading or heading in anchors(target), f"{path}#{heading}"
