"""Station terms from other events as a feature of a network."""

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

DRAWS = 64
STATION_TERM = Feature("station_term", "log10 units", optional=True)
"""Mean residual of a station from the ground-motion model; missing for a new station."""


def add_station_terms(table: pd.DataFrame, posterior: MotionPosterior) -> pd.DataFrame:
    """Add a column with the terms of known stations, for events that were not fitted.

    Parameters
    ----------
    table
        Table with a column `station`.
    posterior
        Posterior of the Bayesian ground-motion model, from other events than those of the table.

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
    cross_fit_station_terms : for the training table.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> posterior = fit(motions).posterior(jax.random.key(1), 32)
    >>> sites = pd.DataFrame({"station": ["s00000", "new"]})
    >>> add_station_terms(sites, posterior)["station_term"].isna().tolist()
    [False, True]
    """
    if "station" not in table.columns:
        raise InputError("add_station_terms: no column 'station'")
    mean, _, known = posterior.station_moments(table["station"])
    return table.assign(**{STATION_TERM.name: np.where(known, mean.mean(axis=0), np.nan)})


def cross_fit_station_terms(
    key: PRNGKeyArray, table: pd.DataFrame, *, folds: int = 5, check_unit: bool = True
) -> pd.DataFrame:
    """Add the term of each record's station, estimated from *other* events.

    A term that was estimated from the record to be predicted would leak the target. So the events
    are split into folds, and the terms of each fold come from a fit of the ground-motion model to
    the other folds.

    Parameters
    ----------
    key
        JAX random key.
    table
        Table of the ground-motions contract, with a column `station`.
    folds
        Number of folds, from 2 to the number of events.
    check_unit
        Whether to check the unit of PGA by plausibility.

    Returns
    -------
    pandas.DataFrame
        A copy with the column `station_term`, NaN where the other events know no such station.

    Raises
    ------
    eqstat.InputError
        When the table cannot be used, names no stations, or has fewer events than folds.
    eqstat.inference.InferenceError
        When the model cannot be fitted to the other folds.

    References
    ----------
    Chernozhukov, V. et al. (2018), Double/debiased machine learning for treatment and structural
    parameters, The Econometrics Journal 21, C1-C68, doi:10.1111/ectj.12097, for cross-fitting.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> table = simulate(jax.random.key(0), GroundMotion(), Design(events=40, stations=12)).table
    >>> with_term = cross_fit_station_terms(jax.random.key(1), table, folds=2)
    >>> bool(with_term["station_term"].corr(table["station_term"]) > 0.7)
    True
    """
    rows: Any = check_ground_motions(table, name="cross_fit_station_terms", check_unit=check_unit)
    if "station" not in rows.columns:
        raise InputError("cross_fit_station_terms: no column 'station'")
    if (bad := np.flatnonzero(rows["station"].isna())).size:
        raise InputError(
            f"cross_fit_station_terms: column 'station': missing in {bad.size} rows (first rows "
            f"{bad[:3].tolist()}); name them or leave these rows out"
        )
    events = np.asarray(rows["event"].unique())
    if not 2 <= folds <= len(events):
        raise InputError(
            f"cross_fit_station_terms: folds must lie in 2 to {len(events)} (the number of "
            f"events), not {folds!r}"
        )
    order = np.asarray(jax.random.permutation(key, len(events)))
    term = np.full(len(table), np.nan)
    for fold in range(folds):
        in_fold = rows["event"].isin(events[order[fold::folds]]).to_numpy()
        # The limit of distance is that of the table.
        others = prepare(rows[~in_fold], max_distance_km=np.inf, check_unit=False)
        posterior = fit(others).posterior(jax.random.fold_in(key, fold), DRAWS)
        term[in_fold] = add_station_terms(rows[in_fold], posterior)[STATION_TERM.name]
    return table.assign(**{STATION_TERM.name: term})
