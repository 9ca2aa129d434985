"""The detection rule of phone networks: triggers of the last seconds against active devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array
from scipy.spatial import KDTree

from eqstat._core.checks import check_range, check_whole
from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.inference import bucket_size, pad_rows
from eqstat.simulation._streams import Streams

__all__ = ["Detections", "count_rule", "first_detections", "ratio_rule"]

WINDOW_S, RADIUS_KM, MINIMUM = 10.0, 30.0, 6
AT_ONCE = 16
FIRST_TRIGGERS = 128

# From numbers of active devices (any shape) and local hours (of a shape that broadcasts) to the
# numbers of triggers that make a detection.
if TYPE_CHECKING:
    Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]
else:
    Rule = Any


@dataclass(frozen=True)
class Detections:
    """The first detection of each stream, if any.

    Attributes
    ----------
    detected
        Whether the rule was met, (streams,).
    index
        Which trigger met it, counted in the order of time; -1 where none did, (streams,).
    device
        Index of its device; -1 where none did, (streams,).
    time_s
        Its time; infinite where none did, (streams,).
    count, active
        Triggers and active devices about it; 0 where none did, (streams,).
    members
        The devices whose triggers belong to the detection: within the radius and the last seconds,
        (streams, devices).
    """

    detected: np.ndarray
    index: np.ndarray
    device: np.ndarray
    time_s: np.ndarray
    count: np.ndarray
    active: np.ndarray
    members: np.ndarray


def ratio_rule(ratio: float | int, *, minimum: int = MINIMUM) -> Rule:
    """Detect when triggers are at least so large a share of the active devices.

    Parameters
    ----------
    ratio
        The share, in (0, 1].
    minimum
        Fewest triggers of a detection.

    Returns
    -------
    callable
        From active devices and hours to the number of triggers needed.

    Examples
    --------
    >>> ratio_rule(0.1)(np.array([20, 595]), np.array(12.0)).tolist()
    [6, 60]
    """
    check_range("ratio_rule", 0, 1, ends="(]", ratio=ratio)
    check_whole("ratio_rule", 1, minimum=minimum)

    def needed(active: ArrayLike, hour: ArrayLike) -> np.ndarray:
        # The share is met exactly at a whole product, whatever its last binary digit.
        whole = np.ceil(ratio * np.asarray(active, np.float64) - 1e-9)
        return np.asarray(np.maximum(whole, minimum), np.int64)

    return needed


def count_rule(thresholds: xr.Dataset, *, region: str | None = None) -> Rule:
    """Detect at the threshold of the counts room.

    Parameters
    ----------
    thresholds
        Of `eqstat.counts.alarm.threshold` with a sequence of active devices (which should reach as
        far as the network does) and one or more hours. Between its numbers of active devices the
        next larger one holds, which asks for no fewer triggers; the nearest hour holds.
    region
        Name of the region; needed where there are several.

    Returns
    -------
    callable
        From active devices and hours to the number of triggers needed; more than there are devices
        where no count is enough.

    Raises
    ------
    eqstat.InputError
        When the thresholds have no axis of active devices or several regions and none is named.
    """
    if "active" not in thresholds["triggers"].dims:
        raise InputError("count_rule: ask threshold(...) for a sequence of active devices")
    names = thresholds["region"].values.tolist()
    if (region is None and len(names) > 1) or (region is not None and region not in names):
        raise InputError(f"count_rule: name one region of {names[:10]}, not {region!r}")
    table = thresholds.sel(region=names[0] if region is None else region).sortby("active")
    grid = table["active"].to_numpy()
    hours = table["hour"].to_numpy()
    triggers = table["triggers"].transpose("hour", "active").to_numpy()
    attainable = table["attainable"].transpose("hour", "active").to_numpy()
    triggers = np.where(attainable, triggers, np.iinfo(np.int32).max)

    def needed(active: ArrayLike, hour: ArrayLike) -> np.ndarray:
        column = np.searchsorted(grid, np.asarray(active))
        if column.size and column.max() == len(grid):
            raise InputError(
                f"count_rule: {int(np.max(active))} devices are active, but the thresholds end at "
                f"{grid[-1]:g}"
            )
        apart = np.abs((np.asarray(hour)[..., None] - hours + 12) % 24 - 12)
        return np.asarray(triggers[np.argmin(apart, axis=-1), column])

    return needed


@jax.jit
def _counts(time: Array, place: Array, window_s: Array, chord2_km2: Array) -> Array:
    """Triggers within the radius and the last seconds of each trigger, itself included."""
    before = jnp.tri(time.shape[1], dtype=bool)

    def one(pair: tuple[Array, Array]) -> Array:
        t, x = pair
        apart2 = sum((x[:, None, axis] - x[None, :, axis]) ** 2 for axis in range(3))
        # Padding has infinite times: their difference is not a number, and counts for nothing.
        recent = t[:, None] - t[None, :] <= window_s
        return jnp.sum(before & recent & (apart2 <= chord2_km2), axis=1)

    return jax.lax.map(one, (time, place), batch_size=AT_ONCE)


def _active_near(streams: Streams, chord_km: float) -> np.ndarray:
    """Active devices within the radius of each device, itself included, (streams, devices)."""
    network, active = streams.network, streams.active
    position = network.frame.position(network.latitude, network.longitude)
    tree = KDTree(position)
    first = active[0]
    if np.all(active == first):
        of_active = tree if first.all() else KDTree(position[first])
        near = of_active.query_ball_point(position, chord_km, return_length=True)
        return np.broadcast_to(near, active.shape)
    near = np.empty(active.shape, np.int64)
    weight = active.astype(np.float32)
    step = max(1, (1 << 24) // len(position))
    for start in range(0, len(position), step):
        block = position[start : start + step]
        apart2 = np.sum((position[:, None] - block[None]) ** 2, axis=2)
        near[:, start : start + step] = weight @ (apart2 <= chord_km**2).astype(np.float32)
    return near


def first_detections(
    streams: Streams,
    rule: Rule,
    *,
    window_s: float | int = WINDOW_S,
    radius_km: float | int = RADIUS_KM,
) -> Detections:
    """Apply the detection rule to every stream, trigger by trigger.

    At each trigger of a device the triggers of the last seconds within the radius of that device
    are counted, itself included, and compared with what the rule asks among the active devices
    within the radius. Each device counts once, for streams hold first triggers.

    Parameters
    ----------
    streams
        From `simulate`.
    rule
        From `ratio_rule`, `count_rule`, or any function of the numbers of active devices and of
        local hours that gives the number of triggers needed.
    window_s
        The last seconds, s, positive.
    radius_km
        The radius, km, positive.

    Returns
    -------
    Detections

    Raises
    ------
    eqstat.InputError
        When window or radius are not positive.

    References
    ----------
    Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243, section 2, for
    the ratio rule; where circles are centred they do not say, here it is at each trigger.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> from eqstat.simulation.sources import Earthquakes
    >>> box = uniform_box(jax.random.key(0), 90, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> streams = simulate(jax.random.key(1), box, Earthquakes(), 3)
    >>> first_detections(streams, ratio_rule(0.2)).detected.tolist()
    [True, True, True]
    """
    check_range("first_detections", 0, ends="()", window_s=window_s)
    check_range("first_detections", 0, np.pi * EARTH_RADIUS_KM, ends="()", radius_km=radius_km)
    network, triggers = streams.network, streams.arrays()
    position = network.frame.position(network.latitude, network.longitude)
    chord_km = 2 * EARTH_RADIUS_KM * float(np.sin(radius_km / (2 * EARTH_RADIUS_KM)))
    near = np.take_along_axis(_active_near(streams, chord_km), triggers.device, 1)
    needed = rule(near, streams.hour[:, None])
    count = np.zeros(near.shape, np.int64)
    met = np.zeros(near.shape, bool)
    # Counts look back only, and most detections come early: look at the first triggers, and at
    # more of them where the rule was not met.
    size, open_ = min(FIRST_TRIGGERS, near.shape[1]), np.arange(len(streams))
    while True:
        time, device = triggers.time_s[open_, :size], triggers.device[open_, :size]
        rows = bucket_size(len(open_))
        some = _counts(
            jnp.asarray(pad_rows(time, rows)),
            jnp.asarray(pad_rows(position[device].astype(np.float32), rows)),
            jnp.asarray(window_s, jnp.float32),
            jnp.asarray(chord_km**2, jnp.float32),
        )
        count[open_, :size] = np.asarray(some)[: len(open_)]
        met[:, :size] = triggers.mask[:, :size] & (count[:, :size] >= needed[:, :size])
        more = triggers.mask[:, size:].any(axis=1) & ~met.any(axis=1)
        open_ = np.flatnonzero(more)
        if not open_.size:
            break
        size = min(4 * size, near.shape[1])
    detected = np.any(met, axis=1)
    index = np.argmax(met, axis=1)

    def at(array: np.ndarray, otherwise: float | int) -> np.ndarray:
        return np.where(detected, np.take_along_axis(array, index[:, None], 1)[:, 0], otherwise)

    device = at(triggers.device, -1)
    time = at(triggers.time_s, np.inf)
    begin, now = (np.where(detected, x, -np.inf) for x in (time - np.float32(window_s), time))
    recent = (streams.first_trigger_s >= begin[:, None]) & (streams.first_trigger_s <= now[:, None])
    apart2 = np.zeros(recent.shape)
    for axis in position.T:
        apart2 += (axis - axis[device][:, None]) ** 2
    return Detections(
        detected,
        np.where(detected, index, -1),
        device,
        time,
        at(count, 0),
        at(near, 0),
        recent & (apart2 <= chord_km**2),
    )
