"""The models of Cloudera's services inside the pinned cdpcli as judge: what is served, and what each member is."""

import pathlib
import re

import cdpcli
import pytest
import yaml

from keyward import ROOT

DATA = pathlib.Path(cdpcli.__file__).parent / "data"
# The services, and what paths call them.
SERVICES = {"de": "de", "environments": "environments2"}
MODELS = {name: yaml.safe_load((DATA / name / f"{name}.yaml").read_text()) for name in SERVICES}
LISTED = [
    line for line in (ROOT / "unsupported.txt").read_text().splitlines() if line.startswith(("de:", "environments:"))
]
SOURCES = {path: path.read_text() for path in sorted((ROOT / "apis/cde/src").glob("**/*.rs"))}
ROUTES = SOURCES[ROOT / "apis/cde/src/routes.rs"]
# The operation that only EnableService calls.
INNER = "recordProvisioning"


def operations(service):
    return sorted(path.rsplit("/", 1)[1] for path in MODELS[service]["paths"])


def served(service):
    """The operations that are served, by the permits that they ask for."""
    text = "\n".join(SOURCES.values())
    return set(re.findall(rf'action!\("{service}": \w+ = "{service}:(\w+)"\)', text))


def unsupported(service):
    return [line.split(":")[1] for line in LISTED if line.startswith(f"{service}:") and "." not in line]


@pytest.mark.parametrize("service", SERVICES)
def test_the_routes_are_the_models(service):
    model = MODELS[service]
    assert {path.rsplit("/", 1)[0] for path in model["paths"]} == {f"/api/v1/{SERVICES[service]}"}
    assert all(list(methods) == ["post"] for methods in model["paths"].values())
    block = re.search(rf'routes!\(\n    "{SERVICES[service]}":\n(.*?)\);', ROUTES, re.DOTALL)[1]
    assert re.findall(r'"(\w+)"', block) == operations(service)


@pytest.mark.parametrize("service", SERVICES)
def test_an_operation_is_served_or_listed(service):
    assert served(service) | set(unsupported(service)) == set(operations(service))
    assert not served(service) & set(unsupported(service))
    block = re.search(rf"const {service.upper()}_UNSUPPORTED.*?\];", ROUTES, re.DOTALL)[0]
    assert re.findall(r'^    "(\w+)",$', block, re.MULTILINE) == unsupported(service)


def test_the_list_is_sorted_and_names_what_the_models_have():
    assert LISTED == sorted(set(LISTED))
    for line in LISTED:
        service, _, rest = line.partition(":")
        operation, _, member = rest.partition(".")
        if member:
            assert member.partition("=")[0] in members(service, operation), line


def test_members_that_are_refused_are_listed():
    listed = {line for line in LISTED if "." in line and "=" not in line}
    refused = set()
    for text in SOURCES.values():
        action = re.search(r'action!\("\w+": \w+ = "(\w+:\w+)"\)', text)
        found = re.search(r"UNSERVED: &(?:'static )?\[&(?:'static )?str\] =\s*&\[(.*?)\];", text, re.DOTALL)
        if action and found:
            refused |= {f"{action[1]}.{name}" for name in re.findall(r'"(\w+)"', found[1])}
    assert refused == listed


def definition(service, reference):
    return MODELS[service]["definitions"][reference.rsplit("/", 1)[1]]


def members(service, operation):
    body = MODELS[service]["paths"][f"/api/v1/{SERVICES[service]}/{operation}"]["post"]["parameters"][0]
    return definition(service, body["schema"]["$ref"]).get("properties", {})


def listed(service, path, properties):
    """One line for each member, as docs/request-parameters.txt has it, in the model's order."""
    for name, member in properties.items():
        yield f"{path}.{name}"
        reference = member.get("$ref") or member.get("items", {}).get("$ref")
        if reference:
            yield from listed(service, f"{path}.{name}", definition(service, reference).get("properties", {}))


@pytest.mark.parametrize("service", SERVICES)
def test_every_member_is_declared_in_the_models_order(service):
    lines = (ROOT / "docs/request-parameters.txt").read_text().splitlines()
    ours = [line.split()[0] for line in lines if line.startswith(f"{service}:")]
    ours = [line for line in ours if not line.startswith(f"{service}:{INNER}")]
    theirs = [
        line
        for operation in sorted(served(service))
        for line in listed(service, f"{service}:{operation}", members(service, operation))
    ]
    assert ours == theirs
