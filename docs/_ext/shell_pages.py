"""Writes a page for each command of the shell, from its parser and the schema of its JSON."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from eqstat.cli._about._schema import DESCRIBED, schema_of
from eqstat.cli._main import COMMANDS, parser

FOLDER = Path(__file__).parents[1] / "shell"
# What argparse says of options that every parser has.
SKIPPED = {"help"}


def cell(text: object) -> str:
    """Text for a cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def with_code(text: str) -> str:
    """Escape what Markdown would take for its own, and set options and file names as code."""
    text = cell(text).replace("$", "\\$").replace("*", "\\*")
    return re.sub(r"(?<![`\w])(--[a-z][\w-]*)", r"`\1`", text)


def option_row(action: argparse.Action, prog: str) -> str:
    """Row of an option or an argument."""
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    given = action.metavar
    if given is None and action.choices is not None and not isinstance(action.choices, Mapping):
        given = "{" + ",".join(map(str, action.choices)) + "}"
    if action.option_strings and action.nargs != 0:
        name += f" {given if given is not None else action.dest.upper()}"
    known = {key: value for key, value in vars(action).items() if key != "help"}
    if action.choices is not None:
        known["choices"] = ", ".join(map(str, action.choices))
    names = {"prog": prog, **known}
    return f"| `{cell(name)}` | {with_code((action.help or '') % names)} |"


def groups_of(one: argparse.ArgumentParser) -> Iterator[tuple[str, list[argparse.Action]]]:
    """Groups of options with what is shown of them."""
    for group in one._action_groups:
        shown = [
            action
            for action in group._group_actions
            if action.dest not in SKIPPED
            and action.help != argparse.SUPPRESS
            and not isinstance(action, argparse._SubParsersAction)
        ]
        if shown:
            yield str(group.title), shown


def parser_text(one: argparse.ArgumentParser, level: str = "##") -> list[str]:
    """Usage, options and examples of a parser, and of the parsers below it."""
    lines = [one.description or "", "", "```text", one.format_usage().strip(), "```", ""]
    for title, actions in groups_of(one):
        lines += [
            f"{level} {title[:1].upper()}{title[1:]}",
            "",
            "| option | meaning |",
            "|---|---|",
        ]
        lines += [*(option_row(action, one.prog) for action in actions), ""]
    epilog, _, examples = (one.epilog or "").partition("\n\nExamples:")
    if epilog:
        lines += [with_code(epilog), ""]
    if examples.strip():
        told = [line.strip() for line in examples.splitlines() if line.strip()]
        lines += [f"{level} Examples", "", "```sh", *told, "```", ""]
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                lines += [f"{level} {one.prog} {name}", "", *parser_text(below, level + "#")]
    return lines


def resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A node of a schema with its reference, and all that it must be at once, merged in."""
    out: dict[str, Any] = {}
    for part in [node, *node.get("allOf", [])]:
        if "$ref" in part:
            target: Any = schema
            for name in part["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            below = resolved(target, schema)
        else:
            below = dict(part)
        properties = {**out.get("properties", {}), **below.get("properties", {})}
        out = {**out, **below} | ({"properties": properties} if properties else {})
    return out


def type_of(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    node = resolved(node, schema)
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join("null" if one is None else f"`{one}`" for one in node["enum"])
    if "anyOf" in node and "type" not in node:
        return " or ".join(dict.fromkeys(type_of(one, schema) for one in node["anyOf"]))
    kinds = node.get("type", "any")
    text = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    if "items" in node and isinstance(node["items"], Mapping):
        text = text.replace("array", f"array of {type_of(node['items'], schema)}")
    if node.get("format") == "date-time":
        text = text.replace("string", "time (UTC)")
    low, high = node.get("minimum"), node.get("maximum")
    if low is None and high is None:
        return text
    return f"{text}, {low} to {high}" if high is not None else f"{text}, from {low}"


def key_rows(
    node: Mapping[str, Any], schema: Mapping[str, Any], before: str = "", depth: int = 0
) -> Iterator[str]:
    """Rows of the keys of an object, those of objects in it after their own."""
    for name, value in resolved(node, schema).get("properties", {}).items():
        below = resolved(value, schema)
        said = value.get("description") or below.get("description", "")
        yield f"| `{before}{name}` | {cell(type_of(value, schema))} | {with_code(said)} |"
        inner = below.get("items") if "items" in below else below
        # Records of events have the keys of a result, which follow.
        if (
            name != "events"
            and depth < 2
            and isinstance(inner, Mapping)
            and resolved(inner, schema).get("properties")
        ):
            mark = "[]." if "items" in below else "."
            yield from key_rows(inner, schema, f"{before}{name}{mark}", depth + 1)


def schema_text(command: str) -> list[str]:
    """Table of the keys of a command's JSON."""
    schema = schema_of(command)
    lines = [
        "## JSON",
        "",
        f"`eqstat schema {command}` prints the JSON Schema (draft 2020-12); its",
    ]
    lines += ["keys, those of every command included:", "", "| key | value | meaning |"]
    return [*lines, "|---|---|---|", *key_rows(schema, schema), ""]


def pages() -> dict[str, str]:
    """The pages by their file name."""
    choices = next(
        action.choices
        for action in parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    out = {}
    for name in COMMANDS:
        lines = [f"# eqstat {name}", "", *parser_text(choices[name])]
        out[f"{name}.md"] = "\n".join(lines + (schema_text(name) if name in DESCRIBED else []))
    return out


def write(app: Sphinx, config: Config) -> None:
    """Write the pages; one that is fresh stays untouched."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write before Sphinx looks for files."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True}
