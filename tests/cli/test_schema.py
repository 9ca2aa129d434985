"""JSON Schemas of the shell: valid themselves, and true of what the commands write."""

import json

import jsonschema
import pytest

from eqstat.cli._about._schema import DESCRIBED, schema_of

from .shell import quake, shell

ENVELOPE = {"schema", "version", "input", "options", "velocity", "result", "result_text", "notes"}


def checked(out):
    """The JSON of a command, after its schema has been applied."""
    content = json.loads(out)
    name = content["schema"].removeprefix("eqstat.").split("/")[0]
    jsonschema.Draft202012Validator(schema_of(name)).validate(content)
    assert set(content) >= ENVELOPE
    return content


@pytest.mark.parametrize("command", DESCRIBED)
def test_schemas_are_valid_and_printed(capsys, command):
    schema = schema_of(command)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"eqstat.{command}/1"
    code, out, lines = shell(capsys, "schema", command)
    assert (code, lines) == (0, [])
    assert json.loads(out) == schema


@pytest.mark.slow
def test_locations_and_verdicts_follow_their_schemas(capsys, csv):
    path = csv(quake())
    for command in (("locate", path, "--method", "bfgs"), ("classify", path)):
        content = checked(shell(capsys, *command, "--json")[1])
        assert content["input"]["triggers"]["rows"] == 21
        assert content["velocity"]["p_velocity_km_s"] == 7.8


@pytest.mark.slow
def test_a_missing_key_breaks_the_schema(capsys, csv):
    content = checked(shell(capsys, "classify", csv(quake()), "--json")[1])
    del content["models"]["P"]["result"]
    with pytest.raises(jsonschema.ValidationError):
        checked(json.dumps(content))


def properties_of(node):
    """Names and schemas of all properties of a schema, at any depth."""
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        node = node.values()
    for below in node if not isinstance(node, str | int | float | None) else ():
        yield from properties_of(below)


@pytest.mark.parametrize("command", DESCRIBED)
def test_places_have_one_vocabulary(command):
    schema = schema_of(command)
    found = list(properties_of(schema))
    other = {"lat", "lon", "depth", "origin", "origin_s", "epicentre", "east_km", "north_km"}
    assert not other & {name for name, _ in found}
    shared = {"hypocentre": "hypocentre", "region": "region"}
    for name, node in found:
        if name in shared and isinstance(node, dict) and node.get("type") != "string":
            assert node.get("$ref", "").endswith(shared[name]) or command == "threshold", name
    errors = schema["$defs"]["standard_error"]["required"]
    if command == "exceed":
        own = schema["properties"]["source"]["properties"]["standard_error"]
        assert set(errors) | {"magnitude"} == set(own["required"])
