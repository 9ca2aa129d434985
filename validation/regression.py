"""Figures before and after the packages were restructured, from `validation/results.json`.

Run: python validation/regression.py [--problems]. Prints a table in Markdown of all figures that
were measured with the same options on both sides. Runs marked `baseline` are the "before". Times
and memory are left out: they depend on the load of the machine.
"""

from __future__ import annotations

import argparse
from typing import Any

import run
from records import value_text

TIMES = ("s", "ms", "GB")
TIMED = (
    "NUTS, ",
    "all three",
    "prepare",
    "combine",
    "fit",
    "peak memory",
    "per second",
    "`locate`",
)


def agreement(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Compare two figures: "equal" to three digits, "in interval" or "differs"."""
    old, new = before["value"], after["value"]
    if old is None or new is None:
        return "equal" if old == new else "differs"
    # The baseline was printed: half a unit of its last digit is rounding.
    step = 10.0 ** -before.get("digits", 6)
    if abs(new - old) <= max(0.5 * step, 5e-3 * abs(old)) * (1 + 1e-9):
        return "equal"
    if "error" in before and abs(new - old) <= 3 * before["error"]:
        return "within error"
    for one, value in ((before, new), (after, old)):
        if "interval" in one and one.get("level", 0.95) >= 0.9:
            low, high = one["interval"]
            if None not in (low, high) and low <= value <= high:
                return "in interval"
    return "differs"


def rows() -> list[dict[str, Any]]:
    """Pairs of figures."""
    runs, out = run.read(), []
    for before in runs:
        if not before.get("baseline"):
            continue
        for after in runs:
            same = (before["check"], before["options"]) == (after["check"], after["options"])
            if after.get("baseline") or not same:
                continue
            new = {item["name"]: item for item in after["records"]}
            for item in before["records"]:
                timed = item.get("unit") in TIMES and item["name"].startswith(TIMED)
                if item["name"] not in new or timed:
                    continue
                other = new[item["name"]]
                out.append(
                    {
                        "check": before["check"],
                        "options": before["options"],
                        "name": item["name"],
                        "before": item,
                        "after": other,
                        "commits": (before["commit"], after["commit"]),
                        "agreement": agreement(item, other),
                    }
                )
    return out


def markdown(pairs: list[dict[str, Any]]) -> str:
    """A table for each check, one row a figure."""
    lines: list[str] = []
    last = None
    for pair in pairs:
        group = pair["check"], pair["options"]
        if group != last:
            options = ", ".join(f"{k} {v}" for k, v in pair["options"].items()) or "all data"
            old, new = pair["commits"]
            lines += [
                "",
                f"**{pair['check']}** ({options})",
                "",
                f"| figure | before ({old}) | after ({new}) | |",
                "|---|---|---|---|",
            ]
            last = group
        unit = pair["before"].get("unit", "")
        before, after = (
            value_text(pair[side] | {"unit": unit}).removesuffix(f" {unit}" if unit else "")
            for side in ("before", "after")
        )
        name = pair["name"] + (f", {unit}" if unit else "")
        lines.append(f"| {name} | {before} | {after} | {pair['agreement']} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--problems", action="store_true", help="only figures that differ")
    options = parser.parse_args()
    pairs = rows()
    shown = [pair for pair in pairs if pair["agreement"] == "differs"]
    print(markdown(shown if options.problems else pairs))
    print(f"\n{len(pairs)} figures, {len(shown)} differ")


if __name__ == "__main__":
    main()
