r"""Learn the regional error model from events whose epicentre is known about, with its tails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat._core.checks import check_kind, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.geodesy import LocalFrame
from eqstat.hypocentre import credible_level
from eqstat.inference import InferenceError, bucket_size
from eqstat.traveltime.regional._core import Picks
from eqstat.traveltime.regional._evidence import Known, Optimum, maximise
from eqstat.traveltime.regional._locate import locate, pad_picks, usable_picks
from eqstat.traveltime.regional._location import CRUSTAL, DepthPrior
from eqstat.traveltime.regional._parameters import RegionalError


@dataclass(frozen=True)
class Learned(Explained):
    """Result of `learn`: the model, the log evidence of the events, how the search ended.

    Examples
    --------
    >>> result = Learned(RegionalError(), -410.0, -402.0, 40, ("e7",), 31, True, "converged")
    >>> result.events_used, result.error.moho_depth_km
    (40, 40.0)
    """

    error: RegionalError
    log_posterior: float
    log_evidence: float
    events_used: int
    events_left_out: tuple[str, ...]
    iterations: int
    converged: bool
    message: str


def learn(
    picks: pd.DataFrame,
    events: pd.DataFrame,
    *,
    catalogue_sd_km: float = 2.0,
    depth: DepthPrior = CRUSTAL,
    min_picks: int = 8,
    start: RegionalError | None = None,
    max_iterations: int = 100,
    tail_folds: int = 4,
) -> Learned:
    """Learn the regional error model from events with catalogued epicentres.

    The log evidence of all events plus weak log priors is maximised; the origin time, the shared
    errors, the catalogue's error of the epicentre and the depth are integrated for each event.
    Catalogued depths and origin times are not used.

    Parameters
    ----------
    picks
        Table of the triggers contract with `phase` and a column `event`; `device` and
        `elevation_m` are used where they are given. Picks that shall not count (such as those of
        far stations) are left out before.
    events
        `event`, `latitude`, `longitude` (degrees).
    catalogue_sd_km
        Standard deviation of the catalogue's epicentres in each direction, km.
    depth
        Prior of the depth.
    min_picks
        Events with fewer picks are left out, and named in the result.
    start
        Where the search starts; by default at the centres of the weak priors.
    max_iterations
        Of L-BFGS.
    tail_folds
        The tails of the epicentre are learned from events that are located without their help: the
        events are split into so many folds, at least 2, and each is located with the numbers that
        the others give. 0 leaves the tails out. The split does not depend on the events' order.

    Returns
    -------
    Learned

    Raises
    ------
    eqstat.InputError
        When a table cannot be used, or no event is left.

    Examples
    --------
    >>> import jax
    >>> from eqstat.traveltime import regional
    >>> sites = pd.DataFrame({"latitude": [35.0, 36.0, 36.5, 35.6, 36.2],
    ...                       "longitude": [-98.0, -97.0, -98.5, -97.2, -97.8]})
    >>> truth = regional.RegionalError()
    >>> picks = regional.simulate(jax.random.key(1), truth, sites, latitude=35.5,
    ...                           longitude=-97.5, depth_km=8.0)
    >>> events = pd.DataFrame({"event": ["e1"], "latitude": [35.5], "longitude": [-97.5]})
    >>> result = learn(picks.assign(event="e1"), events, max_iterations=1, tail_folds=0)
    >>> result.events_used
    1
    """
    check_kind("learn", pd.DataFrame, "give a pandas DataFrame", picks=picks, events=events)
    if "event" not in picks:
        raise InputError("picks: needs a column `event`")
    if not (np.isfinite(catalogue_sd_km) and catalogue_sd_km > 0):
        raise InputError(f"catalogue_sd_km must be positive, got {catalogue_sd_km}")
    missing = [name for name in ("event", "latitude", "longitude") if name not in events]
    if missing:
        raise InputError(f"events: needs {', '.join(missing)}")
    check_whole("learn", 0, tail_folds=tail_folds)
    by_event: Mapping = dict(tuple(picks.groupby("event", sort=True)))
    known: list[tuple[str, pd.DataFrame, float, float]] = []
    few: list[str] = []
    for name, latitude, longitude in events[["event", "latitude", "longitude"]].itertuples(
        index=False
    ):
        table = by_event.get(name)
        used = None if table is None else usable_picks(table, f"picks of {name}")[0]
        if used is None or len(used) < min_picks:
            few.append(str(name))
        else:
            known.append((str(name), used, float(latitude), float(longitude)))
    if not known:
        raise InputError(f"picks: no event has {min_picks} picks")
    if tail_folds and not 2 <= tail_folds <= len(known):
        raise InputError(
            f"learn: tail_folds must be 0 or lie in 2 to {len(known)} (the number of events), "
            f"got {tail_folds}"
        )
    constant = (catalogue_sd_km, float(np.log(depth.median_km)), depth.log_sd)
    first = (start or RegionalError()).to_free()
    optimum = _maximise(known, constant, first, max_iterations)
    tails: list[tuple[float, int]] = []
    fold = _folds(known, tail_folds)
    for number in range(tail_folds):
        others = [one for one, own in zip(known, fold, strict=True) if own != number]
        # From where all events ended: only the start, and soon found.
        own = _error(_maximise(others, constant, optimum.free, max_iterations).free)
        left = [one for one, own in zip(known, fold, strict=True) if own == number]
        tails += _contents(left, own, catalogue_sd_km, depth)
    error = replace(
        _error(optimum.free),
        tail_content=tuple(content for content, _ in tails),
        tail_picks=tuple(count for _, count in tails),
    )
    return Learned(
        error,
        optimum.log_posterior,
        optimum.log_evidence,
        len(known),
        tuple(few),
        optimum.iterations,
        optimum.converged,
        optimum.message,
    )


def _folds(known: list, count: int) -> np.ndarray:
    """Fold of each event: of all sizes, so by turns in the order of the numbers of picks."""
    order = sorted(range(len(known)), key=lambda i: (len(known[i][1]), known[i][0]))
    fold = np.empty(len(known), int)
    fold[order] = np.arange(len(known)) % max(count, 1)
    return fold


def _maximise(known: list, constant: tuple, start: np.ndarray, max_iterations: int) -> Optimum:
    """Find the numbers of greatest posterior density given some events."""
    sets: dict[int, list[Picks]] = {}
    for _, used, latitude, longitude in known:
        padded = pad_picks(used, LocalFrame(latitude, longitude))
        sets.setdefault(len(padded.mask), []).append(padded)
    groups = []
    for members in sets.values():
        # Copies fill a bucket, so that folds of other sizes share a compiled program.
        count = bucket_size(len(members), smallest=8)
        copies = [members[i % len(members)] for i in range(count)]
        stacked = Picks(*(np.stack(parts) for parts in zip(*copies, strict=True)))
        weight = (np.arange(count) < len(members)).astype(np.float64)
        given = (np.full(count, value) for value in constant)
        groups.append(Known(stacked, *given, weight=weight))
    with jax.enable_x64(True):
        return maximise(groups, start, max_iterations)


def _error(free: np.ndarray) -> RegionalError:
    with jax.enable_x64(True):
        return jax.tree.map(float, RegionalError.from_free(jnp.asarray(free)))


def _contents(
    known: list, error: RegionalError, catalogue_sd_km: float, depth: DepthPrior
) -> list[tuple[float, int]]:
    """Content of the smallest region that holds the catalogued epicentre, and number of picks."""
    contents = []
    for _, used, latitude, longitude in known:
        try:
            result = locate(used, error, depth=depth)
        except InferenceError:
            continue
        place = (latitude, longitude)
        content = credible_level(result.hypocentre, *place, point_sd_km=catalogue_sd_km)
        contents.append((float(content), result.picks_used))
    return contents
