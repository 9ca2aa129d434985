"""The actions `train`, `forecast` and `show`, and their options."""

from __future__ import annotations

import argparse
from typing import Any

from eqstat._core.text import facts
from eqstat.cli._exceed import accelerations
from eqstat.cli._inputs import Inputs
from eqstat.cli._multistation._forecast import forecast
from eqstat.cli._multistation._network import about, network_of
from eqstat.cli._multistation._train import train
from eqstat.cli._options import (
    ROWS,
    Parser,
    add_columns,
    add_numbers,
    add_outputs,
    add_probability,
    add_seed,
    number,
    numbers,
    whole,
)
from eqstat.cli._outcome import Outcome

TABLES = f"""\
Tables are CSV or Parquet. Stations: station, latitude, longitude, perhaps elevation_m: those that
worked, also without a report, which are known to be silent. Reports: event, station, time,
pga_m_s2: the largest acceleration in a second, or, with --kind peaks, since the start. {ROWS}"""
LATEST_S = 600.0


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command and its actions to the parser."""
    parser = commands.add_parser(
        "multistation",
        parents=[common],
        help="a few stations have felt it: how strongly will it shake at all others?",
        description="Train a network on the earthquakes of a network of stations, ask it for the "
        "shaking at stations and other places, or show what it was trained on.",
    )
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=Parser
    )
    _add_train(actions, common)
    _add_forecast(actions, common)
    show = actions.add_parser(
        "show",
        parents=[common],
        help="say what a network was trained on and how it was judged",
        description="Show the model card in the file of a network.",
    )
    show.add_argument("network", metavar="NETWORK.eqx", help="file of `eqstat multistation train`")
    add_outputs(show, ("network",))


def _add_train(actions: Any, common: argparse.ArgumentParser) -> None:
    parser = actions.add_parser(
        "train",
        parents=[common],
        help="train a network and write its file",
        description="Train an ensemble of networks and write it to a file. The last earthquakes by "
        "date are kept for judging it; the last fifth of the others decides when to stop and how "
        "wide the densities are.",
        epilog=TABLES,
    )
    parser.add_argument("stations", metavar="STATIONS", help="table of stations; - reads CSV")
    parser.add_argument("reports", metavar="REPORTS", help="table of reports; - reads CSV")
    add_columns(parser, "station=code pga_m_s2=peak")
    design = parser.add_argument_group("network")
    design.add_argument(
        "--design", choices=("sense", "team"), default="sense",
        help="sense: stations have embeddings of their own; team: places ask the stations "
        "(default %(default)s)",
    )  # fmt: skip
    design.add_argument(
        "--head", choices=("mixture", "classes"), default="mixture",
        help="a density of log10 PGA, or the probabilities of --threshold (default %(default)s)",
    )  # fmt: skip
    design.add_argument(
        "--threshold", type=accelerations, metavar="PGA",
        help="thresholds of --head classes, with units: 1%%g,5%%g,10%%g",
    )  # fmt: skip
    for name, default, text in (
        ("--width", 60, "length of the vector of a station, a multiple of 20"),
        ("--layers", 2, "layers of attention"),
        ("--members", 3, "networks of the ensemble"),
    ):
        design.add_argument(
            name, type=whole(1, 1000), default=default, metavar="N",
            help=f"{text} (default {default})",
        )  # fmt: skip
    views = parser.add_argument_group("training")
    _add_kind(views, default="envelopes")
    views.add_argument(
        "--nearest", type=whole(2, 10_000), default=32, metavar="N",
        help="stations of an earthquake, nearest to the first that reported (default 32)",
    )  # fmt: skip
    views.add_argument(
        "--floor-m-s2", type=number(0.0, 100.0), metavar="A",
        help="level from which stations report, m/s2: a silent one shook less (default: nothing is "
        "known of silent ones)",
    )  # fmt: skip
    views.add_argument(
        "--times-s", type=numbers(number(0.0, LATEST_S)), default=[2.0, 5.0, 10.0, 20.0],
        metavar="S,S,...", help="seconds after the first report (default 2,5,10,20)",
    )  # fmt: skip
    add_numbers(
        views,
        {"--held-out": ("SHARE", (0.0, 0.9, "()"), 0.2, "share of the events kept for judging")},
    )
    views.add_argument(
        "--epochs", type=whole(1, 10_000), default=60, metavar="N",
        help="most passes over the data (default 60)",
    )  # fmt: skip
    views.add_argument(
        "--checkpoint", metavar="FILE",
        help="keep the state of the training in FILE-1.npz and so on, and go on from it",
    )  # fmt: skip
    add_seed(views, "training")
    add_outputs(parser, ("stations", "reports"), out=("NETWORK.eqx", "the file to write"))


def _add_forecast(actions: Any, common: argparse.ArgumentParser) -> None:
    parser = actions.add_parser(
        "forecast",
        parents=[common],
        help="shaking at stations and sites, given the reports so far",
        description="Probability of shaking beyond thresholds, median and interval at each station "
        "and at each site, for each event of the reports.",
        epilog=TABLES + " Sites: latitude, longitude, perhaps site (a name) and elevation_m.",
    )
    parser.add_argument(
        "network", metavar="NETWORK.eqx", help="file of `eqstat multistation train`"
    )
    parser.add_argument(
        "--stations", required=True, metavar="FILE", help="table of stations; - reads CSV"
    )
    parser.add_argument(
        "--reports", required=True, metavar="FILE", help="table of reports; - reads CSV"
    )
    parser.add_argument("--sites", metavar="FILE", help="table of other places to ask")
    add_columns(parser, "station=code pga_m_s2=peak site=name")
    parser.add_argument(
        "--threshold", required=True, type=accelerations, metavar="PGA",
        help="with its unit, several separated by commas: 0.05g or 5%%g,10%%g",
    )  # fmt: skip
    parser.add_argument("--event", metavar="NAME", help="only this event of the reports")
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--at", type=number(0.0, LATEST_S, closed=True), metavar="SECONDS",
        help="seconds after the first report (default: after the last report)",
    )  # fmt: skip
    when.add_argument("--now", metavar="TIME", help="the moment of the forecast (UTC)")
    _add_kind(parser, default=None)
    parser.add_argument(
        "--nearest", type=whole(2, 10_000), metavar="N",
        help="stations of an earthquake (default: as in the training)",
    )  # fmt: skip
    add_probability(parser)
    add_outputs(
        parser,
        ("network", "stations", "reports", "sites"),
        table=("FILE.csv", "write stations and sites as CSV"),
    )


def _add_kind(parser: Any, default: str | None) -> None:
    parser.add_argument(
        "--kind", choices=("envelopes", "peaks"), default=default,
        help="what a report is: the peak of a second, or since the start "
        f"(default: {default or 'as in the training'})",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Outcome:
    """Run an action."""
    return {"train": train, "forecast": forecast, "show": _show}[options.action](options)


def _show(options: argparse.Namespace) -> Outcome:
    inputs = Inputs()
    network = network_of(options.network, inputs)
    settings = network.settings
    return Outcome(
        summary=tuple(facts(about(network))),
        content={
            "card": network.card,
            "head": settings.head,
            "threshold_m_s2": {f"{10**u:.4g}m/s2": 10**u for u in settings.log10_thresholds},
            "stations": list(network.stations),
        },
        result="SHOWN",
        result_text="the card of the network was shown",
        inputs=inputs,
    )
