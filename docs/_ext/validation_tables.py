"""Directives that render `validation/results.json` as tables, so that pages state what was run.

`{validation} NAME` gives the figures of a check, `{regression}` those of before and after the
restructuring, and the role `{measured}` one figure in the text: {measured}`NAME: figure`.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

sys.path.insert(0, str(Path(__file__).parents[2] / "validation"))

import records
import regression
import run

# Labels that must share a figure for it to be a column.
COMMON = 3


def runs_of(name: str) -> list[dict[str, Any]]:
    """The runs that a page states: with the full options, the newest code first."""
    if name == "speed":
        return [one for one in run.read() if one["check"] == name]
    checks = {check.name: check for check in run.CHECKS}
    if name not in checks:
        raise ValueError(f"no check {name!r} in validation/run.py")
    newest = run.finished(name, checks[name].options)
    return newest[:1]


def table(run_: dict[str, Any], omit: tuple[str, ...] = ()) -> str:
    """Rows of a run in Markdown, a row of its own where the part before the colon changes."""
    items = [item for item in run_["records"] if not item["name"].startswith(omit or ("\0",))]
    asked = any(records.asked_text(item) for item in items)
    counts = {item.get("data_sets") for item in items} - {None}
    head = ["figure", "measured", *(["required"] if asked else [])]
    head += ["n"] if len(counts) > 1 else []
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    labels = [item["name"].rpartition(": ")[0] for item in items]
    # Labels of several figures get a row of their own; figures without one come first.
    grouped = {label for label in labels if label and labels.count(label) > 1}
    group = ""
    for item in sorted(items, key=lambda item: item["name"].rpartition(": ")[0] in grouped):
        label, _, name = item["name"].rpartition(": ")
        if label not in grouped:
            name = item["name"]
        elif label != group:
            group = label
            lines.append("| **" + label + "** |" + " |" * (len(head) - 1))
        name = name if name.startswith("p of") else name[:1].upper() + name[1:]
        cells = [name, records.value_text(item)]
        cells += [records.asked_text(item)] if asked else []
        if len(counts) > 1:
            cells.append(f"{item['data_sets']:,}" if "data_sets" in item else "")
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n\n" + note(run_, counts)


def note(run_: dict[str, Any], counts: Collection[int] = ()) -> str:
    """Where a table is from; `counts` are the numbers of data sets, said where there is one."""
    text = f"`{run_['command']}`, commit {run_['commit']}, {run_['date']}"
    if run_.get("partial"):
        text += "; the run is not complete"
    if len(counts) == 1:
        text += f"; n = {next(iter(counts)):,}"
    return f"{{.measured-note}}\n{text}.\n"


def crossed(run_: dict[str, Any], across: tuple[str, ...]) -> str:
    """Tables of a run, one for each figure: forecasters down, what `across` names across.

    Labels are "forecaster, place across: figure"; records without one stay in a table of rows. With
    nothing across, one table has the labels down and the figures that most have across. What is
    outside of what is required is in italics.
    """
    others, cells = [], {}
    often = Counter(item["name"].rpartition(": ")[2] for item in run_["records"])
    for item in run_["records"]:
        label, _, figure = item["name"].rpartition(": ")
        row, _, column = label.rpartition(", ")
        figure = re.sub(r" \(\d+\)", "", figure)  # what was observed, which differs across
        if across and column in across:
            cells.setdefault(figure, {}).setdefault(row, {})[column] = item
        elif label and not across and often[figure] >= COMMON:
            cells.setdefault("", {}).setdefault(label, {})[figure] = item
        else:
            others.append(item)
    parts = [table({**run_, "records": others})] if others else []
    for figure, rows in cells.items():
        columns = across or tuple(dict.fromkeys(name for row in rows.values() for name in row))
        title, heads = figure[:1].upper() + figure[1:], columns
        if across:
            title += _required(item for row in rows.values() for item in row.values())
        else:
            heads = [n + _required(row[n] for row in rows.values() if n in row) for n in columns]
        lines = ["| " + " | ".join([title, *heads]) + " |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            "| " + " | ".join([name, *(_cell(row.get(column)) for column in columns)]) + " |"
            for name, row in rows.items()
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + ("" if others else "\n\n" + note(run_))


def _required(items: Iterable[dict[str, Any]]) -> str:
    """What is required of all of these figures; empty where nothing or not the same."""
    asked = {records.asked_text(item) for item in items} - {""}
    return f" (required {next(iter(asked))})" if len(asked) == 1 else ""


def _cell(item: dict[str, Any] | None) -> str:
    if item is None:
        return ""
    text = records.value_text(item)
    return f"*{text}*" if records.passed(item) is False else text


class Validation(SphinxDirective):
    """Table of a check's figures; `:across:` names what stands in columns, `:wide:` all figures."""

    required_arguments = 1
    option_spec: ClassVar = {
        "omit": directives.unchanged,
        "across": directives.unchanged,
        "wide": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Render the table, or say that the check was not run yet."""
        self.env.note_dependency(str(run.RESULTS))
        own = runs_of(self.arguments[0])
        if not own:
            return self.parse_text_to_nodes("Not run yet.")
        omit = tuple(part.strip() for part in self.options.get("omit", "").split(",") if part)
        across = tuple(part.strip() for part in self.options.get("across", "").split(";") if part)
        if across or "wide" in self.options:
            return self.parse_text_to_nodes("\n\n".join(crossed(one, across) for one in own))
        return self.parse_text_to_nodes("\n\n".join(table(one, omit) for one in own))


class Regression(SphinxDirective):
    """Table of figures before and after."""

    def run(self) -> list[nodes.Node]:
        """Render the table with its counts."""
        self.env.note_dependency(str(run.RESULTS))
        pairs = regression.rows()
        kinds = [pair["agreement"] for pair in pairs]
        text = (
            f"{len(pairs)} figures: {kinds.count('equal')} equal to three digits, "
            f"{kinds.count('in interval') + kinds.count('within error')} within Monte Carlo error, "
            f"{kinds.count('differs')} different.\n\n"
        )
        return self.parse_text_to_nodes(text + regression.markdown(pairs))


class Measured(SphinxRole):
    """One figure with its interval."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Look the figure up; an unknown one is an error of the page."""
        name, _, figure = self.text.partition(": ")
        for one in runs_of(name):
            for item in one["records"]:
                if item["name"] == figure:
                    return [nodes.inline(text=records.value_text(item))], []
        message = self.inliner.reporter.error(f"no figure {figure!r} of {name!r}", line=self.lineno)
        return [], [message]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the role."""
    app.add_directive("validation", Validation)
    app.add_directive("regression", Regression)
    app.add_role("measured", Measured())
    return {"parallel_read_safe": True}
