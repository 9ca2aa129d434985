"""Tables of alerts as arrays, and their simulation."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.detectability.history.delay._model import WIDER, AlertDelay, DelayData, log_centre
from eqstat.schema import Column, Contract, check

ALERTS = Contract(
    "alerts",
    (
        Column("travel_s", "number", True, "s", positive=True),
        Column("delay_s", "number", False, "s", minimum=-1e5, maximum=1e5),
        Column("system", "text"),
    ),
)
"""Earthquakes with the travel time to the completing station and the delay of the first alert."""


@dataclass(frozen=True)
class Alerts(Explained):
    """A checked table of alerts, ready to fit; made by `prepare` or `simulate`.

    Attributes
    ----------
    data
        Its arrays.
    table
        The rows that are in them.
    systems
        Names of the systems, in the order of their numbers.
    left_out
        Rows that were left out, with a column `reason`.
    notes
        Remarks on the data.

    Examples
    --------
    See `prepare`.
    """

    data: DelayData
    table: pd.DataFrame
    systems: tuple[str, ...]
    left_out: pd.DataFrame
    notes: tuple[str, ...] = ()


def prepare(
    table: pd.DataFrame,
    *,
    window_s: float | int = 120.0,
    resolution_s: float | int = 1.0,
    name: str = "alerts",
) -> Alerts:
    """Check a table of alerts and convert it to arrays.

    Parameters
    ----------
    table
        Table with `travel_s`, `delay_s` (missing where there was no alert) and, for several
        systems, `system`. Travel times are those to the station that completes the rule, such as
        `kth_distance_km` over a velocity.
    window_s
        How long an alert was waited for, s, above 0; later ones count as none.
    resolution_s
        Step of the delays, s; 0 for continuous ones.
    name
        Name of the table in messages.

    Returns
    -------
    Alerts

    Raises
    ------
    eqstat.InputError
        When the table cannot be used or no row is left.

    Examples
    --------
    >>> table = pd.DataFrame({"travel_s": [4.0, 6.0, 3.0], "delay_s": [12.0, None, 2.0]})
    >>> alerts = prepare(table)
    >>> len(alerts.table), alerts.left_out["reason"].tolist()
    (2, ['alert before the wave'])
    """
    check_range("prepare", 0, ends="()", window_s=window_s)
    check_range("prepare", 0, resolution_s=resolution_s)
    given = check(table, ALERTS, name=name).reset_index(drop=True)
    if "delay_s" not in given.columns:
        raise InputError(f"{name}: no column 'delay_s'; give it, empty where there was no alert")
    if "system" not in given.columns:
        given["system"] = "system"
    delay = given["delay_s"].to_numpy(np.float64, copy=True)
    late = delay > window_s
    # An alert may come up to half a step early; what is earlier was of another earthquake.
    early = delay <= given["travel_s"].to_numpy() - resolution_s / 2
    left_out = given[early].assign(reason="alert before the wave")
    notes = [*given.attrs["notes"]]
    if early.any():
        notes.append(f"{name}: {int(early.sum())} left out: alert before the wave")
    if late.any():
        notes.append(f"{name}: {int(late.sum())} alerts after {window_s:g} s count as none")
    delay[late] = np.nan
    kept = given[~early].assign(delay_s=delay[~early]).reset_index(drop=True)
    if kept.empty:
        raise InputError(f"{name}: no row is left; are delays since the origin, in s?")
    names = kept["system"].astype(str)
    systems = tuple(sorted(set(names)))
    number = names.map({label: i for i, label in enumerate(systems)}).to_numpy(np.int32)
    data = DelayData(
        kept["delay_s"].to_numpy(np.float64),
        kept["travel_s"].to_numpy(np.float64),
        number,
        np.full(len(kept), float(window_s)),
        float(resolution_s),
        len(systems),
    )
    return Alerts(data, kept, systems, left_out, tuple(notes))


def simulate(
    key: PRNGKeyArray,
    delay: AlertDelay,
    travel_s: ArrayLike,
    system: ArrayLike = 0,
    *,
    window_s: float | int = 120.0,
    resolution_s: float | int = 1.0,
) -> Alerts:
    """Simulate alerts of earthquakes with these travel times.

    Parameters
    ----------
    key
        JAX random key.
    delay
        Parameters without an axis of draws.
    travel_s, system
        Travel time, s, above 0, and number of the system of each earthquake.
    window_s, resolution_s
        As in `prepare`; delays are rounded to the step.

    Returns
    -------
    Alerts

    Examples
    --------
    >>> alerts = simulate(jax.random.key(0), AlertDelay(), travel_s=np.full(40, 5.0))
    >>> bool(alerts.table["delay_s"].isna().mean() < 0.4)
    True
    """
    check_key("simulate", key)
    travel, number = np.broadcast_arrays(np.asarray(travel_s, np.float64), np.asarray(system))
    rng = generator(key)
    with jax.enable_x64(True):
        centre = np.asarray(log_centre(delay, jnp.asarray(travel), jnp.asarray(number)))
    wider = np.where(rng.random(len(travel)) < np.asarray(delay.outlier_share)[number], WIDER, 1)
    scatter = np.asarray(delay.scatter_log_sd)[number] * wider
    value = travel + np.exp(rng.normal(centre, scatter))
    if resolution_s:
        value = np.round(value / resolution_s) * resolution_s
    alerted = rng.random(len(travel)) < np.asarray(delay.alert_share)[number]
    table = pd.DataFrame(
        {
            "travel_s": travel,
            "delay_s": np.where(alerted, value, np.nan),
            "system": [f"s{each}" for each in number],
        }
    )
    return prepare(table, window_s=window_s, resolution_s=resolution_s, name="simulated alerts")
