"""Magnitude of a located earthquake, jointly with its hypocentre, from peaks."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from scipy.interpolate import CubicSpline

from eqstat import hypocentre as form
from eqstat._core.checks import check_kind, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat.geodesy import hypocentral_distance
from eqstat.ground_motion._layout import station_places
from eqstat.ground_motion._parameters import GroundMotion
from eqstat.ground_motion._predict import MotionPosterior
from eqstat.ground_motion.event._condition import Device
from eqstat.ground_motion.event._posterior import station_inputs
from eqstat.ground_motion.magnitude._evidence import Draws, Stations, log_evidence
from eqstat.ground_motion.magnitude._peaks import AT_LEAST, EXACT, Peaks, as_peaks
from eqstat.ground_motion.magnitude._prior import GutenbergRichter
from eqstat.inference import bucket_size, pad_rows

# Spacing of the magnitudes at which the density of the peaks is computed, and of the cells between
# which it is interpolated.
NODE_STEP, CELL_STEP = 0.5, 0.025
NEAREST_KM = 0.1
# Irrational step by which draws of the parameters are assigned to those of the hypocentre.
GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)


def from_peaks(
    hypocentre: xr.Dataset | xr.DataTree,
    peaks: pd.DataFrame,
    motion: GroundMotion | MotionPosterior | None = None,
    *,
    prior: GutenbergRichter | None = None,
    device: Device | None = None,
    least_m_s2: float | int | None = None,
    triggered_only: bool = False,
    region: str | None = None,
    draws: int = 256,
    count: int = 1024,
) -> xr.Dataset:
    r"""Give a located earthquake its magnitude, jointly with place and depth, from peaks.

    With the hypocentre x of a draw of the location, the magnitude m has the posterior

    $$ p(x, m \mid y) \propto p(x)\, p(m) \int p(y \mid m, x, \theta)\, p(\theta)\, d\theta, \qquad
    y \mid m, x, \theta \sim N\{\mu_\theta(m, R, z) + \delta,\; X P X^\top + C\}, $$

    where p(x) is the location by arrival times, p(m) is the Gutenberg-Richter density, and
    $\theta$ are the parameters of the ground-motion model. The event's effects (between-event term
    and decay, of covariance P and design X), the station terms, what is unknown of Vs30, the record
    terms with their spatial correlation, and the scatter of the devices (all in C) are marginalised
    over in closed form. Stations do not average the event's term away: however many there are, the
    magnitude keeps the standard deviation $\tau / (\partial \mu / \partial m)$ that it causes.

    Peaks at the clipping level of their device are right-censored; those below a station's level
    `least_m_s2`, and missing ones, are left-censored: silent stations count. The probabilities of
    such limits are by expectation propagation, where all stations' limits are dependent through the
    event's effects and the field of record terms.

    With `triggered_only` the table holds only stations that exceeded their level, and those that
    did not are unknown. Each peak is then conditioned on having exceeded it, given what the station
    has in common with the others; that a station is in the table tells nothing.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal of any locator, as of `eqstat.hypocentre`.
    peaks
        One row for each station: `latitude`, `longitude`, `pga_m_s2` (missing if there was none);
        optionally `station` (the term of a station that the posterior knows is used), `vs30_m_s`
        (unknown: marginalised over), `least_m_s2`, `clip_m_s2`, `device_bias` and `device_sd`.
    motion
        Posterior of the ground-motion model (from `MotionFit.posterior` or `posterior_from`), or
        parameters taken as known; the generic `GroundMotion()` by default.
    prior
        Of the magnitude; `GutenbergRichter()` by default.
    device
        Error model of the devices, where the table has no columns of it; a seismometer by default.
    least_m_s2
        Level below which a peak is not seen (noise or trigger), m/s2, above 0, where the table has
        no column of this name.
    triggered_only
        Whether a station is in the table only because it exceeded its level.
    region
        As in `MotionPosterior.predictor`.
    draws
        Draws of the hypocentre for which the density of the peaks is computed, evenly spread; each
        has a draw of the parameters of its own. More are needed where `effective_draws` of the
        result is small, as with a model of few events.
    count
        Draws of the result.

    Returns
    -------
    xarray.Dataset
        Hypocentre of `count` draws of equal weight with `magnitude`; the attrs tell how many peaks
        were exact, clipped and below their level, and `effective_draws`, of `draws`, after the
        peaks.

    Raises
    ------
    eqstat.InputError
        When columns are missing, values cannot be used, or a row tells nothing.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> place = hypocentre.from_draws([35.0], [-117.5], [8.0])
    >>> peaks = pd.DataFrame({"latitude": [35.1, 35.3, 34.8], "longitude": [-117.5, -117.2, -117.9],
    ...                       "pga_m_s2": [0.9, 0.3, 0.25]})
    >>> located = from_peaks(place, peaks)
    >>> row = hypocentre.summary(located)["magnitude"]
    >>> [round(float(row.sel(statistic=name)), 1) for name in ("low", "median", "high")]
    [4.5, 5.2, 6.0]
    """
    posterior, law, instrument = _checked(motion, prior, device, least_m_s2)
    check_whole("from_peaks", 1, draws=draws, count=count)
    seen = as_peaks(peaks, instrument, least_m_s2, triggered_only)
    located = _draws_of(hypocentre, draws, several=posterior.draws > 1)
    weight = located["weight"].to_numpy() if "weight" in located else None
    size = located.sizes["draw"]
    weight = np.full(size, 1 / size) if weight is None else weight
    edges = law.edges(CELL_STEP)
    nodes = law.edges(NODE_STEP)
    log_density = _log_evidence(located, seen, posterior, region, nodes, triggered_only)
    cells = (edges[1:] + edges[:-1]) / 2
    log_density = CubicSpline(nodes, log_density, axis=1)(cells)
    with np.errstate(divide="ignore"):
        joint = log_density + np.log(-np.diff(law.exceeded(edges))) + np.log(weight)[:, None]
    joint = np.exp(joint - joint.max())
    joint /= joint.sum()
    return _joint_draws(located, joint, edges, count).assign_attrs(
        seen.described(), effective_draws=float(1 / np.sum(joint.sum(axis=1) ** 2))
    )


def _checked(
    motion: Any, prior: Any, device: Any, least_m_s2: Any
) -> tuple[MotionPosterior, GutenbergRichter, Device]:
    """Check the models; parameters taken as known are a posterior of one draw."""
    law = GutenbergRichter() if prior is None else prior
    instrument = Device() if device is None else device
    check_kind("from_peaks", GutenbergRichter, "use `GutenbergRichter(...)`", prior=law)
    check_kind("from_peaks", Device, "use `ground_motion.event.Device(...)`", device=instrument)
    if least_m_s2 is not None:
        check_range("from_peaks", 0, 100, ends="(]", least_m_s2=least_m_s2)
    given = GroundMotion() if motion is None else motion
    remedy = "give a GroundMotion, or a MotionPosterior as of `fit(...).posterior(key)`"
    check_kind("from_peaks", (GroundMotion, MotionPosterior), remedy, motion=given)
    if isinstance(given, MotionPosterior):
        return given, law, instrument
    if np.ndim(np.asarray(given.level)):
        raise InputError(f"from_peaks: motion holds draws of the parameters; {remedy}")
    one = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64)[None], given)
    none, regions = np.zeros((1, 0)), np.shape(given.region_level)[-1]
    names = ("all",) if regions == 1 else tuple(str(number) for number in range(regions))
    return MotionPosterior(one, none, none, none[0], none[0], (), names, ()), law, instrument


def _draws_of(hypocentre: xr.Dataset | xr.DataTree, draws: int, several: bool) -> xr.Dataset:
    """At most so many draws of a hypocentre, with their weights where they are all there are.

    With several draws of the parameters they are as many, so that few hypocentres come repeatedly,
    each time with other parameters.
    """
    checked = form.check(hypocentre)
    is_grid = checked.attrs["form"] == "grid"
    few = not (is_grid or several) and checked["latitude"].size <= draws
    located = form.resample(checked, None if few else draws)
    if checked.attrs["form"] == "normal":
        # A normal distribution knows no surface.
        located["depth_km"] = located["depth_km"].clip(min=0.0)
        located.attrs["form"] = "draws"
    return located


def _log_evidence(
    located: xr.Dataset,
    seen: Peaks,
    posterior: MotionPosterior,
    region: str | None,
    nodes: np.ndarray,
    triggered_only: bool,
) -> np.ndarray:
    """Log density of the peaks at each draw of the hypocentre and node of magnitude."""
    table, size = seen.table, located.sizes["draw"]
    parameters, _, covariance, _ = posterior.new_event(region)
    own = (np.arange(size) * GOLDEN % 1.0 * posterior.draws).astype(int)
    at = station_inputs(posterior, table)
    place_km, _ = station_places(table)
    latitude, longitude, depth = (
        located[name].to_numpy() for name in ("latitude", "longitude", "depth_km")
    )
    distance = hypocentral_distance(
        latitude[:, None],
        longitude[:, None],
        depth[:, None],
        table["latitude"].to_numpy(),
        table["longitude"].to_numpy(),
    )
    plain = (seen.kind == EXACT) & (not triggered_only)
    rows = bucket_size(len(table))
    limited = np.flatnonzero(~plain)

    def padded(values: Any, fill: float = 0.0) -> np.ndarray:
        return pad_rows(np.asarray(values, np.float64), rows, fill)

    def wider(values: np.ndarray, fill: float = 0.0) -> np.ndarray:
        return pad_rows(values.T, rows, fill).T

    of_stations: tuple[Any, ...] = (
        padded(seen.log10_value),
        padded(seen.kind),
        padded(seen.log10_least),
        padded(seen.bias),
        padded(seen.sd),
        padded(at.vs30_m_s, 760.0),
        padded(at.covariate),
        padded(at.included),
        pad_rows(place_km, rows),
        padded(np.ones(len(table))),
        padded(plain),
        pad_rows(limited, bucket_size(len(limited)), rows),
    )
    of_draws: tuple[Any, ...] = (
        jax.tree.map(lambda leaf: np.asarray(leaf)[own], parameters),
        covariance[own],
        wider(at.mean[own]),
        wider(at.sd[own]),
        wider(np.maximum(distance, NEAREST_KM), 10.0),
        depth,
    )
    # Padded with the first draw, so that about as many share a program.
    index = np.arange(bucket_size(size, smallest=1)) % size
    with jax.enable_x64(True):
        given = jax.tree.map(lambda leaf: jnp.asarray(leaf[index]), Draws(*of_draws))
        arrays = jax.tree.map(jnp.asarray, Stations(*of_stations))
        kinds = {
            "triggered_only": triggered_only,
            "clips": triggered_only and bool(np.any(seen.kind == AT_LEAST)),
        }
        values = np.asarray(log_evidence(jnp.asarray(nodes), given, arrays, **kinds))
    if not np.all(np.isfinite(values)):
        raise InputError(
            "from_peaks: the density of the peaks is not finite; are the parameters of the "
            "ground-motion model those of this region?"
        )
    return values[:size]


def _joint_draws(
    located: xr.Dataset, joint: np.ndarray, edges: np.ndarray, count: int
) -> xr.Dataset:
    """Draws of equal weight, evenly spread over hypocentres and over magnitudes."""
    of_draw = joint.sum(axis=1)
    kept = located.assign(weight=("draw", of_draw))
    kept["number"] = ("draw", np.arange(len(of_draw), dtype=np.float64))
    spread = form.resample(kept, count)
    row = joint[spread["number"].to_numpy().astype(int)]
    reached = np.cumsum(row, axis=1)
    wanted = ((np.arange(count) + 0.5) * GOLDEN % 1.0) * reached[:, -1]
    cell = np.minimum(np.sum(reached <= wanted[:, None], axis=1), row.shape[1] - 1)
    at = np.arange(count)
    inside = 1 - (reached[at, cell] - wanted) / np.maximum(row[at, cell], 1e-300)
    size = edges[cell] + np.diff(edges)[cell] * np.clip(inside, 0.0, 1.0)
    return form.check(spread.drop_vars("number").assign(magnitude=("draw", size)))
