"""`eqstat shards`: divide a large network into regions for several processes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eqstat._core.errors import InputError
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import add_columns, add_outputs, number
from eqstat.cli._outcome import Outcome


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "shards",
        parents=[common],
        help="divide a large network into regions, each for a process of the service",
        description="Divide a network into cells with the devices around them, and write a table "
        "of each and a configuration: eqstat serve OUT/service.toml --region NAME runs one.",
    )
    parser.add_argument("network", metavar="NETWORK", help="table of the network contract")
    parser.add_argument(
        "--degrees", type=number(0.01, 90.0), default=1.5, metavar="D",
        help="size of the cells, degrees (default 1.5)",
    )  # fmt: skip
    parser.add_argument(
        "--overlap-km", type=number(0.0, 2000.0, closed=True), default=100.0, metavar="KM",
        help="devices this near to a cell belong to its region, too (default 100)",
    )  # fmt: skip
    add_columns(parser, "latitude=lat longitude=lon")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")
    add_outputs(parser, inputs=("network",))


def run(options: argparse.Namespace) -> Outcome:
    """Divide the network."""
    import pandas as pd

    from eqstat import service

    folder = Path(options.out)
    if folder.exists():
        raise InputError(f"--out {folder}: exists; give a folder that does not")
    inputs = Inputs(options.columns)
    network = inputs.table(options.network, "network")
    parts = service.split_network(network, degrees=options.degrees, overlap_km=options.overlap_km)
    if not parts:
        raise InputError("shards: no cell has four devices; take larger ones (--degrees)")
    config = service.write_shards(folder, parts, options.degrees)
    held = pd.concat(parts.values())["device"].nunique()
    left_out = network["device"].nunique() - held
    sizes = {name: len(table) for name, table in parts.items()}
    summary = [f"{len(parts)} regions of {min(sizes.values())} to {max(sizes.values())} devices."]
    if left_out:
        summary.append(f"{left_out} devices are in none: their cells have fewer than four.")
    return Outcome(
        summary=tuple(summary),
        notes=tuple(inputs.notes),
        content={"config": str(config), "regions": sizes, "left_out": left_out},
        result="WRITTEN",
        result_text="the configuration and the tables were written",
    )
