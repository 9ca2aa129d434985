"""The detection rule of phone networks, applied to simulated streams."""

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
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.inference import bucket_size, pad_rows
from eqstat.simulation._streams import Streams

__all__ = ["Detections", "count_rule", "first_detections", "ratio_rule"]

WINDOW_S, RADIUS_KM, MINIMUM = 10.0, 30.0, 6
AT_ONCE = 16
FIRST_TRIGGERS = 128

# From numbers of active devices (any shape) and local hours (of a shape that broadcasts) to the
# numbers of triggers that constitute a detection.
if TYPE_CHECKING:
    Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]
else:
    Rule = Any


@dataclass(frozen=True)
class Detections(Explained):
    """The first detection of each stream, if any.

    Attributes
    ----------
    detected
        Whether the rule was met, (streams,).
    index
        Index of the trigger that met it, in the order of time; -1 if none did, (streams,).
    device
        Index of its device; -1 if none did, (streams,).
    time_s
        Its time, s; infinite if none did, (streams,).
    count, active
        Numbers of triggers and of active devices around it; 0 if none did, (streams,).
    members
        Whether each device's trigger belongs to the detection, being within the radius and the
        window, (streams, devices).

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> from eqstat.simulation.sources import Earthquakes
    >>> box = uniform_box(jax.random.key(0), 90, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> streams = simulate(jax.random.key(1), box, Earthquakes(), 3)
    >>> first_detections(streams, ratio_rule(0.2)).members.shape
    (3, 90)
    """

    detected: np.ndarray
    index: np.ndarray
    device: np.ndarray
    time_s: np.ndarray
    count: np.ndarray
    active: np.ndarray
    members: np.ndarray


def ratio_rule(ratio: float | int, *, minimum: int = MINIMUM) -> Rule:
    """Rule that requires triggers from a given share of the active devices.

    Parameters
    ----------
    ratio
        Required share, in (0, 1].
    minimum
        Minimum number of triggers of a detection.

    Returns
    -------
    callable
        Function of active devices and hours that returns the required number of triggers.

    Examples
    --------
    >>> ratio_rule(0.1)(np.array([20, 595]), np.array(12.0)).tolist()
    [6, 60]
    """
    check_range("ratio_rule", 0, 1, ends="(]", ratio=ratio)
    check_whole("ratio_rule", 1, minimum=minimum)

    def needed(active: ArrayLike, hour: ArrayLike) -> np.ndarray:
        # An integer product must not be rounded up because of its last binary digit.
        whole = np.ceil(ratio * np.asarray(active, np.float64) - 1e-9)
        return np.asarray(np.maximum(whole, minimum), np.int64)

    return needed


def count_rule(thresholds: xr.Dataset, *, region: str | None = None) -> Rule:
    """Rule that requires the threshold count of a background of counts.

    Parameters
    ----------
    thresholds
        From `eqstat.counts.alarm.threshold` with a sequence of active devices (up to the size of
        the network) and one or more hours. Between its numbers of active devices the next larger
        one applies, which requires no fewer triggers; the nearest hour applies.
    region
        Name of the region; required if there are several.

    Returns
    -------
    callable
        Function of active devices and hours that returns the required number of triggers, which
        exceeds the number of devices if no count is sufficient.

    Raises
    ------
    eqstat.InputError
        When the thresholds have no axis of active devices, or several regions of which none is
        named.

    Examples
    --------
    >>> thresholds = xr.Dataset(
    ...     {"triggers": (("region", "hour", "active"), [[[8, 20]]]),
    ...      "attainable": (("region", "hour", "active"), [[[True, True]]])},
    ...     coords={"region": ["all"], "hour": [12.0], "active": [100.0, 500.0]},
    ... )
    >>> count_rule(thresholds)(np.array([90, 300]), np.array(12.0)).tolist()
    [8, 20]
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
        hours_apart = np.abs((np.asarray(hour)[..., None] - hours + 12) % 24 - 12)
        return np.asarray(triggers[np.argmin(hours_apart, axis=-1), column])

    return needed


@jax.jit
def _counts(time: Array, place: Array, window_s: Array, chord2_km2: Array) -> Array:
    """Number of triggers within the radius and the window of each trigger, including itself."""
    before = jnp.tri(time.shape[1], dtype=bool)

    def one(pair: tuple[Array, Array]) -> Array:
        t, x = pair
        apart2 = sum((x[:, None, axis] - x[None, :, axis]) ** 2 for axis in range(3))
        # Padding has infinite times, whose difference is NaN and compares as false.
        recent = t[:, None] - t[None, :] <= window_s
        return jnp.sum(before & recent & (apart2 <= chord2_km2), axis=1)

    return jax.lax.map(one, (time, place), batch_size=AT_ONCE)


def _active_near(streams: Streams, chord_km: float) -> np.ndarray:
    """Number of active devices within the radius of each device, (streams, devices)."""
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

    At each trigger, the triggers within the radius of its device and within the preceding window
    are counted, including itself, and compared with the number that the rule requires for the
    active devices within the radius. Each device counts once, because streams hold first triggers.

    Parameters
    ----------
    streams
        From `simulate`.
    rule
        From `ratio_rule`, `count_rule`, or any function of the numbers of active devices and of
        local hours that returns the required number of triggers.
    window_s
        Length of the window, s, positive.
    radius_km
        Radius, km, positive.

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
    the ratio rule. The centre of the circle is not published; here it is each trigger.

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
    # Counts depend on earlier triggers only, and most detections are early: evaluate the first
    # triggers, and more of them only in streams where the rule was not met.
    size, pending = min(FIRST_TRIGGERS, near.shape[1]), np.arange(len(streams))
    while True:
        time, device = triggers.time_s[pending, :size], triggers.device[pending, :size]
        rows = bucket_size(len(pending))
        counts = _counts(
            jnp.asarray(pad_rows(time, rows)),
            jnp.asarray(pad_rows(position[device].astype(np.float32), rows)),
            jnp.asarray(window_s, jnp.float32),
            jnp.asarray(chord_km**2, jnp.float32),
        )
        count[pending, :size] = np.asarray(counts)[: len(pending)]
        met[:, :size] = triggers.mask[:, :size] & (count[:, :size] >= needed[:, :size])
        more = triggers.mask[:, size:].any(axis=1) & ~met.any(axis=1)
        pending = np.flatnonzero(more)
        if not pending.size:
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
