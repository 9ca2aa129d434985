"""The actions `train`, `score` and `evaluate`."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat._core.text import aligned, facts
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import (
    ROWS,
    Parser,
    add_columns,
    add_numbers,
    add_outputs,
    add_seed,
    number,
    whole,
)
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

LABELLED = f"""\
The table is CSV or Parquet, with a row for each window: columns of features and is_earthquake
(true or false), and one that names windows which depend on each other, such as the event. {ROWS}"""
ODDS = ("ODDS", (0.0, 1e6, "()"), 1.0, "odds of an earthquake before the window is seen")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command and its actions to the parser."""
    parser = commands.add_parser(
        "waveform",
        parents=[common],
        help="does this sensor's record look like an earthquake?",
        description="Train a classifier of windows by their features, score a table with it, or "
        "evaluate it on groups that it has not seen.",
    )
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=Parser
    )
    train = actions.add_parser(
        "train",
        parents=[common],
        help="train a classifier and write its file",
        description="Train on a labelled table, and write a file for eqstat.realtime.load, "
        "eqstat.edge.load and `eqstat waveform score`.",
        epilog=LABELLED,
    )
    _add_labelled(train)
    train.add_argument(
        "--sequence",
        metavar="RECORD,SECOND",
        help="columns with the record and with the second in it, for evidence over time",
    )
    train.add_argument("--title", default="", help="what it is for, on its card")
    add_numbers(
        train,
        {
            "--prior-odds": ODDS,
            "--required-ratio": (
                "RATIO", (0.0, 1e12, "()"), 100.0, "likelihood ratio of a decision",
            ),
        },
    )  # fmt: skip
    add_outputs(train, ("table",), out=("FILE.eqstat", "the file to write"))
    score = actions.add_parser(
        "score",
        parents=[common],
        help="score a table of features",
        description="Score a table of features with the file of a classifier.",
    )
    score.add_argument("classifier", metavar="FILE", help="file of `eqstat waveform train`")
    score.add_argument("table", metavar="TABLE", help="CSV or Parquet; - reads CSV")
    add_columns(score, "iqr_m_s2=iqr")
    add_outputs(
        score, ("classifier", "table"), answers=("FILE.csv", "write the answers, row by row")
    )
    evaluate = actions.add_parser(
        "evaluate",
        parents=[common],
        help="scores and calibration on groups held out",
        description="Train without a fold of the groups, score it, and so on for all folds: area "
        "under the ROC, accuracy, Brier and logarithmic score, calibration error, with 90 % "
        "intervals over groups.",
        epilog=LABELLED,
    )
    _add_labelled(evaluate)
    evaluate.add_argument(
        "--leave-out",
        metavar="COLUMN",
        help="leave out one value of this column at a time, such as the device",
    )
    evaluate.add_argument(
        "--prior-odds",
        type=number(0.0, 1e6),
        metavar="ODDS",
        help="odds at which forecasts are made and classes weighted (default: those of the table)",
    )
    add_outputs(evaluate, ("table",), answers=("FILE.csv", "write the held-out log ratios"))


def _add_labelled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="labelled features; - reads CSV")
    parser.add_argument(
        "--features", required=True, metavar="NAME,NAME,...", help="columns that are used"
    )
    parser.add_argument(
        "--group", required=True, metavar="COLUMN", help="column that names dependent windows"
    )
    parser.add_argument(
        "--hidden",
        type=whole(0, 64),
        default=0,
        metavar="N",
        help="hidden nodes of a network; 0: logistic regression (default)",
    )
    parser.add_argument(
        "--folds", type=whole(2, 100), default=5, metavar="N", help="folds of groups (default 5)"
    )
    add_columns(parser, "is_earthquake=quake event=trial")
    add_seed(parser, "folds and draws")


def run(options: argparse.Namespace) -> Outcome:
    """Run an action."""
    return {"train": _train, "score": _score, "evaluate": _evaluate}[options.action](options)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _train(options: argparse.Namespace) -> Outcome:
    import jax

    from eqstat import edge, realtime
    from eqstat.waveform import classifier

    if options.out is None:
        raise InputError("waveform train: name the file to write, --out FILE.eqstat")
    sequence = None
    if options.sequence is not None:
        named = _names(options.sequence)
        if len(named) != 2:
            raise InputError("--sequence: give two columns, RECORD,SECOND")
        sequence = (named[0], named[1])
    inputs = Inputs(options.columns)
    windows = classifier.prepare(
        inputs.table(options.table, "table"), _names(options.features), group=options.group
    )
    trained = classifier.train(
        jax.random.key(options.seed),
        windows,
        hidden=options.hidden,
        folds=options.folds,
        sequence=sequence,
    )
    scorer = realtime.WaveformScorer.init(
        trained, prior_odds=options.prior_odds, required_ratio=options.required_ratio
    )
    card = {"training": dict(trained.card), "features": list(trained.features)}
    content = realtime.to_bytes(scorer, title=options.title, card=card)
    sha256 = edge.read(content).sha256
    counted = trained.card
    return Outcome(
        summary=tuple(
            facts(
                [
                    ("Earthquakes", _counted(counted, "windows_of_earthquakes",
                                             "groups_of_earthquakes")),
                    ("Others", _counted(counted, "other_windows", "other_groups")),
                    ("A window counts", f"{counted['exponent']:.3g} of an independent one"),
                    ("File", f"{len(content):,} bytes, SHA-256 {sha256}"),
                ]
            )
        ),
        content={"features": list(trained.features), "card": dict(counted), "sha256": sha256},
        result="TRAINED",
        result_text="the classifier was trained",
        inputs=inputs,
        notes=tuple(windows.notes),
        files={"out": lambda name: realtime.replace_file(name, content)},
    )  # fmt: skip


def _counted(card: Any, windows: str, groups: str) -> str:
    return f"{card[windows]:,} windows of {card[groups]:,} groups"


def _score(options: argparse.Namespace) -> Outcome:
    import numpy as np

    from eqstat import edge
    from eqstat.cli._artefact._scorers import columns_of

    inputs = Inputs(options.columns)
    try:
        scorer = edge.load(inputs.file(options.classifier, "classifier"))
    except edge.ArtefactError as error:
        raise InputError(str(error)) from None
    if scorer.artefact.kind != "waveform":
        raise InputError(f"classifier: a scorer of {scorer.artefact.kind}, not of waveforms")
    table = inputs.table(options.table, "table")
    answer = scorer.score(**columns_of(scorer, table))
    required = float(scorer.artefact.arrays["log_required_ratio"])
    ratio = np.atleast_1d(answer.margin) + required
    status = np.atleast_1d(answer.status)
    counted = Counter(edge.Status(int(value)).name for value in status)
    beyond = int(np.sum(ratio >= required))
    columns: dict[str, Any] = {
        "log_ratio": ratio,
        "earthquake_probability": np.atleast_1d(answer.earthquake_probability),
        "status": status,
    }
    text = ", ".join(f"{number} {name}" for name, number in sorted(counted.items()))
    return Outcome(
        summary=(
            f"{beyond} of {len(ratio)} windows have a likelihood ratio of {np.exp(required):.4g} "
            f"or more; status: {text}",
        ),
        content={name: values.tolist() for name, values in columns.items()},
        result="SCORED",
        result_text="the table was scored",
        inputs=inputs,
        files={"answers": lambda name: table.assign(**columns).to_csv(name, index=False)},
    )


def _evaluate(options: argparse.Namespace) -> Outcome:
    import jax

    from eqstat.waveform import classifier

    inputs = Inputs(options.columns)
    table = inputs.table(options.table, "table")
    key = jax.random.key(options.seed)
    out = classifier.predict_held_out(
        jax.random.fold_in(key, 0),
        table,
        _names(options.features),
        group=options.group,
        folds=options.folds if options.leave_out is None else options.leave_out,
        hidden=options.hidden,
    )
    scores = classifier.evaluate(
        jax.random.fold_in(key, 1),
        out["log_ratio"],
        out["is_earthquake"],
        out["group_number"],
        odds=options.prior_odds,
    )
    return Outcome(
        summary=tuple(_summary(out, scores)),
        content={
            "windows": len(out),
            "groups": int(out["group_number"].nunique()),
            "scores": {str(name): row.to_dict() for name, row in scores.iterrows()},
        },
        result="EVALUATED",
        result_text="windows of held-out groups were scored",
        inputs=inputs,
        files={"answers": lambda name: out.to_csv(name, index=False)},
    )


def _summary(out: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Lines for a person."""
    rows = [
        [str(name).replace("_", " "), f"{row.value:.4g}", f"{row.low:.4g} to {row.high:.4g}"]
        for name, row in zip(scores.index, scores.itertuples(), strict=True)
    ]
    count = f"{len(out):,} windows of {out['group_number'].nunique():,} groups, held out in turn"
    return [count, *aligned([["score", "value", "90 %"], *rows])]
