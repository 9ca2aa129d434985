"""The recurrent classifier on real sensors, and CrowdQuake's network by its recipe.

Run: python validation/check_waveform_crnn.py [--source NAME] [--groups N] [--epochs N].

The windows, folds of groups and scores are those of `check_waveform`. "recurrent" is
`waveform.recurrent.train` as it is, everything learned anew without each fold. "CrowdQuake" is its
network, Adam at a constant rate, no rotation; what is scored is the output itself, at even odds, of
the network that never saw the window's fold. Its recipe has no early stopping: here the epoch with
the best held-out loss is kept, which can only help it.

The data are read from the folder EQSTAT_DATA.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import numpy as np
import pandas as pd
from check_waveform import FOLDS, MOVES_M_S2, SEED, apart, reliable, scored, table_of
from records import Record, record, show
from waveform_data import myshake_records, openeew_records, usable

from eqstat.inference.descent import TrainingOptions
from eqstat.waveform.recurrent import (
    RecurrentSettings,
    Waves,
    crowdquake,
    predict_held_out,
    prepare,
    train,
)

RECORDS = {"myshake": myshake_records, "openeew": openeew_records}
KEYS = ["record", "device", "moment", "time_s"]
EPOCHS = 40
# Folds within the rest, for stopping and recalibration.
INNER = 4


def keyed(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that can be told apart by what both tables have, one of each."""
    table = table.assign(moment=table["time"].astype(str), time_s=table["time_s"].round(4))
    return table.drop_duplicates(KEYS)


def waves_of(source: str, settings: RecurrentSettings, table: pd.DataFrame) -> Waves:
    """Samples of the windows of a table of features."""
    records = [one for one, _ in RECORDS[source](Path(os.environ["EQSTAT_DATA"])) if usable(one)]
    rate = settings.rate_hz
    own = set(table["record"])
    near = [one for one in records if abs(one.rate_hz / rate - 1) < 0.02 and one.name in own]
    waves = prepare(near, settings)
    table, place = keyed(table), keyed(waves.table.assign(row=np.arange(len(waves))))
    both = table.merge(place[[*KEYS, "row"]], on=KEYS, how="inner").drop(columns="moment")
    chosen = waves.rows(both["row"].to_numpy())
    return Waves(chosen.samples, chosen.mask, both, settings, waves.left_out)


def windows_of(source: str, groups: int | None) -> pd.DataFrame:
    """Windows as in `check_waveform`; of the first groups of each class where a number is given."""
    table = apart(table_of(source))
    if source == "myshake":
        table = table[table["peak_m_s2"] > MOVES_M_S2].dropna(subset=["hv_ratio"])
    if groups is not None:
        quake = table.groupby("group")["is_earthquake"].any()
        kept = [name for label in (True, False) for name in quake[quake == label].index[:groups]]
        table = table[table["group"].isin(kept)]
    return table.reset_index(drop=True)


def check(
    source: str = "myshake", groups: int | None = None, epochs: int | None = None
) -> list[Record]:
    """Train and score both networks on one source."""
    table = windows_of(source, groups)
    first = next(iter(RECORDS[source](Path(os.environ["EQSTAT_DATA"]))))[0]
    rate = round(first.rate_hz * 4) / 4
    key = jax.random.key(SEED)
    progress: dict[str, Any] = {"progress": False}

    waves = waves_of(source, RecurrentSettings(rate_hz=rate), table)
    records = [record(f"{source}: windows of the table whose samples are there",
                      len(waves) / len(table), unit="%", data_sets=len(table))]  # fmt: skip
    options = TrainingOptions(
        epochs=epochs or EPOCHS, batch=128, learning_rate=3e-3, weight_decay=0.02, patience=8
    )
    start = perf_counter()
    out = predict_held_out(
        key, waves, group="group", folds=FOLDS, inner_folds=INNER, options=options, **progress
    )
    seconds = perf_counter() - start
    share = float(np.mean(out["status"] == 7))
    records.append(record(f"{source}, recurrent: windows that are unfamiliar", share, unit="%",
                          data_sets=len(out)))  # fmt: skip
    title = f"{source}, recurrent"
    records += scored(title, out, asked=True) + reliable(title, out)
    each = record(f"{title}: minutes of training a fold", seconds / 60 / FOLDS, bounds=(None, 20))
    records.append(each)

    waves = waves_of(source, crowdquake(rate), table)
    options = TrainingOptions(
        epochs=epochs or 100, batch=256, learning_rate=1e-3, weight_decay=0.0, clip=1e6,
        patience=100, schedule="constant",
    )  # fmt: skip
    start = perf_counter()
    one = train(key, waves, group="group", folds=FOLDS, options=options, turn=False, **progress)
    seconds = perf_counter() - start
    raw = np.asarray(one.held_out["log_ratio"], float)
    title = f"{source}, CrowdQuake"
    records += scored(title, waves.table.assign(log_ratio=raw))
    records.append(record(f"{title}: minutes of training", seconds / 60))
    return show(records)


def main() -> None:
    """Run the sources asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=list(RECORDS))
    parser.add_argument("--groups", type=int)
    parser.add_argument("--epochs", type=int)
    given = parser.parse_args()
    for source in [given.source] if given.source else RECORDS:
        check(source, given.groups, given.epochs)


if __name__ == "__main__":
    main()
