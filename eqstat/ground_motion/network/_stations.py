"""What stations have recorded in other events, as a feature that a network can be given."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.errors import InputError
from eqstat.ground_motion._data import prepare
from eqstat.ground_motion._fit import fit
from eqstat.ground_motion._predict import MotionPosterior
from eqstat.ground_motion.network._features import Feature
from eqstat.schema import check_ground_motions

__all__ = ["STATION_TERM", "cross_fit", "with_terms"]

DRAWS = 64
STATION_TERM = Feature("station_term", "log10 units", optional=True)
"""How much more a station records than the ground-motion model says; missing for a new one."""


def with_terms(table: pd.DataFrame, posterior: MotionPosterior) -> pd.DataFrame:
    """Add the terms of the stations that a posterior knows, for events that it has not seen.

    Parameters
    ----------
    table
        With a column `station`.
    posterior
        Of the Bayesian ground-motion model, from other events than those of the table.

    Returns
    -------
    pandas.DataFrame
        A copy with the column `station_term`: posterior means, log10 units, NaN for a station
        without a record.

    Raises
    ------
    eqstat.InputError
        When there is no column `station`.

    See Also
    --------
    cross_fit : for the table that is learned from.
    """
    if "station" not in table.columns:
        raise InputError("with_terms: no column 'station', whose term is asked for")
    mean, _, known = posterior.station_moments(table["station"])
    return table.assign(**{STATION_TERM.name: np.where(known, mean.mean(axis=0), np.nan)})


def cross_fit(
    key: PRNGKeyArray, table: pd.DataFrame, *, folds: int = 5, check_unit: bool = True
) -> pd.DataFrame:
    """Add the term of each record's station as the *other* events tell it.

    A term learned from the record that it is to predict would tell the network its answer. So the
    events are parted into folds, and the terms of each fold come from a fit of the model (`fit`) to
    the rest.

    Parameters
    ----------
    key
        JAX random key.
    table
        See `eqstat.schema.ground_motions.GROUND_MOTIONS`, with a column `station`.
    folds
        From 2; at most the number of events.
    check_unit
        Whether the unit of PGA is judged by plausibility.

    Returns
    -------
    pandas.DataFrame
        A copy with the column `station_term`, NaN where the other events know no such station.

    Raises
    ------
    eqstat.InputError
        When the table cannot be used, names no stations, or has fewer events than folds.
    eqstat.inference.InferenceError
        When the model cannot be fitted to the rest of a fold.

    References
    ----------
    Chernozhukov, V. et al. (2018), Double/debiased machine learning for treatment and structural
    parameters, The Econometrics Journal 21, C1-C68, for cross-fitting.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> table = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20)).table
    >>> with_term = cross_fit(jax.random.key(1), table, folds=2)
    >>> truth = with_term["station_term"].corr(table["station_term"])
    >>> bool(truth > 0.7)
    True
    """
    rows: Any = check_ground_motions(table, name="cross_fit", check_unit=check_unit)
    if "station" not in rows.columns:
        raise InputError("cross_fit: no column 'station', whose term is asked for")
    if (bad := np.flatnonzero(rows["station"].isna())).size:
        raise InputError(
            f"cross_fit: column 'station': missing in {bad.size} rows (first rows "
            f"{bad[:3].tolist()}); name them or leave these rows out"
        )
    events = np.asarray(rows["event"].unique())
    if not 2 <= folds <= len(events):
        raise InputError(
            f"cross_fit: folds must lie in 2 to {len(events)} (the events), not {folds!r}"
        )
    order = np.asarray(jax.random.permutation(key, len(events)))
    term = np.full(len(table), np.nan)
    for fold in range(folds):
        own = rows["event"].isin(events[order[fold::folds]]).to_numpy()
        # The caller has said by the table how far records reach.
        others = prepare(rows[~own], max_distance_km=np.inf, check_unit=False)
        posterior = fit(others).posterior(jax.random.fold_in(key, fold), DRAWS)
        term[own] = with_terms(rows[own], posterior)[STATION_TERM.name]
    return table.assign(**{STATION_TERM.name: term})
