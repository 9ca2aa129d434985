"""A detector of one region: devices, competing causes and background rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float
from scipy.spatial import KDTree

from eqstat import schema
from eqstat._core.checks import check_range
from eqstat._core.constants import YEAR_S
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.detection._districts import Districts
from eqstat.detection._region import judge_cells, outside_region
from eqstat.detection.causes._cause import Cause
from eqstat.detection.causes._default import default_causes
from eqstat.detection.causes._tables import Tables, tabulate
from eqstat.geodesy import LocalFrame

MOST_DEVICES = 200_000
# Devices within this distance of their middle are at one place.
ONE_PLACE_KM = 0.05
Corners = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class BackgroundRate(Explained):
    r"""Background triggers: an independent Poisson process for each device.

    The hazard is $g\, r(h)$, with a known rate $r$ of the local hour $h$ and an unknown factor
    $g \sim \mathrm{Gamma}(a, a)$, $a = 1 / \text{relative\_sd}^2$, which the detector estimates
    from the stream. After K triggers where E were expected the predictive rate is

    .. math:: r(h)\, \frac{a + K}{a + E};

    both sums are discounted with a half-life.

    Attributes
    ----------
    rate_per_device_h
        $r$ by local hour of the day, triggers per device and hour, above 0, (24,).
    relative_sd
        Prior standard deviation of $g$, in (0, 10).
    half_life_h
        Half-life of the sums, hours, above 0.
    utc_offset_h
        Local time less UTC, hours.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    Examples
    --------
    Half as many triggers at night:

    >>> by_hour = np.where(np.arange(24) < 6, 0.25, 0.5)
    >>> background = BackgroundRate(by_hour, utc_offset_h=-5.0)
    >>> background.relative_sd
    0.3
    """

    rate_per_device_h: np.ndarray
    relative_sd: float = 0.3
    half_life_h: float = 24.0
    utc_offset_h: float = 0.0

    def __post_init__(self) -> None:
        rate = np.asarray(self.rate_per_device_h, np.float64)
        if rate.shape != (24,):
            raise InputError(
                "BackgroundRate: rate_per_device_h must be 24 numbers, one for each hour"
            )
        check_range("BackgroundRate", 0, 1e4, ends="()", rate_per_device_h=rate)
        check_range("BackgroundRate", 0, 10, ends="()", relative_sd=self.relative_sd)
        check_range("BackgroundRate", 0, ends="(]", finite=False, half_life_h=self.half_life_h)


class Core(eqx.Module):
    """Arrays of a detector that the compiled step reads.

    Attributes
    ----------
    tables
        The causes on their grids; the earthquake is the first.
    log_rate_per_slot
        Log of the prior rate of each cause, per slot, (causes,).
    position
        Surface points of the devices, (devices, 3) km.
    rate_per_device_h
        Background rate by local hour, (24,).
    shape, half_life_h
        Shape $a$ of the background's unknown factor, and the half-life of its sums.
    dead_time_s, latency_s
        See `Detector`.
    districts
        Of each cause without a source; None for the others.
    """

    tables: tuple[Tables, ...]
    log_rate_per_slot: Float[Array, " causes"]
    position: Float[Array, "devices 3"]
    rate_per_device_h: Float[Array, " 24"]
    shape: Float[Array, ""]
    half_life_h: Float[Array, ""]
    dead_time_s: Float[Array, ""]
    latency_s: Float[Array, ""]
    districts: tuple[Districts | None, ...]


@dataclass(frozen=True)
class Detector(Explained):
    """A detector of one region, which does not change while it runs; made by `detector`.

    Attributes
    ----------
    core
        Arrays that the compiled step reads.
    causes
        Competing causes; the earthquake is the first.
    background
        Background rate.
    frame
        Local Cartesian frame of the positions.
    names
        Names of the devices, in the order of their numbers.
    extent_km
        South-western and north-eastern corner of each cause's grid, (2,) each, km.
    dead_time_s
        Dead time after a trigger, s: further reports of the device are ignored for so long.
    latency_s
        Latency of reports, s: a device without a report counts as silent up to this long ago.
    left_out
        Whether a device lies outside the region, or far from all others: it is never active,
        (devices,).
    notes
        Remarks on the network.

    Examples
    --------
    >>> watch = detector(pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.2]}))
    >>> watch.devices, watch.dead_time_s
    (2, 90.0)
    """

    core: Core
    causes: tuple[Cause, ...]
    background: BackgroundRate
    frame: LocalFrame
    names: tuple[Any, ...]
    extent_km: tuple[Corners, ...]
    dead_time_s: float
    latency_s: float
    left_out: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def devices(self) -> int:
        """Number of devices, active or not."""
        return len(self.core.position)

    @property
    def area_km2(self) -> float:
        """Area of the earthquake's grid, km2."""
        low, high = self.extent_km[0]
        return float(np.prod(high - low))

    @property
    def hypotheses(self) -> int:
        """Number of hypocentres times origin times of the earthquake."""
        places, depths, slots, _ = self.core.tables[0].shape
        return places * depths * slots


def grid_over(
    east_km: np.ndarray, north_km: np.ndarray, margin_km: float, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spread about `cells` places evenly over devices and margin; return their steps, too, km."""
    low = np.array([east_km.min(), north_km.min()]) - margin_km
    high = np.array([east_km.max(), north_km.max()]) + margin_km
    size = np.maximum(high - low, 1.0)
    spacing = float(np.sqrt(np.prod(size) / cells))
    count = np.maximum(np.round(size / spacing).astype(int), 1)
    step = size / count
    axes = [low[i] + step[i] * (np.arange(count[i]) + 0.5) for i in (0, 1)]
    east, north = np.meshgrid(*axes, indexing="ij")
    return east.ravel(), north.ravel(), step


def detector(
    network: pd.DataFrame,
    *,
    causes: Sequence[Cause] | None = None,
    background: BackgroundRate | float | int = 0.5,
    dead_time_s: float | int = 90.0,
    latency_s: float | int = 0.0,
    region: tuple[float | int, ...] | None = None,
) -> Detector:
    """Set up the detector of a region.

    Parameters
    ----------
    network
        Table of the network contract: all devices that may ever be active, one row each. Devices
        that come and go are given to `update_active`; `unique_devices` makes one row of several.
    causes
        Competing causes of coincident triggers, the earthquake first; `default_causes()` by
        default.
    background
        Background rate; a number is a rate per device and hour that is the same at all hours.
    dead_time_s
        Dead time after a trigger, s, in (0, 10,000): at least as long as the starting times of
        any cause are kept.
    latency_s
        Latency of reports, s, in [0, dead_time_s): devices without a report count as silent only
        up to this long ago.
    region
        South, north, west and east of the region, degrees; devices outside are left out. Without
        it the region is that of the devices, but of those far from all others (a receiver that
        reports 0, 0), which are left out, too; a warning names them.

    Returns
    -------
    Detector

    Raises
    ------
    eqstat.InputError
        When the table cannot be used, has no row or more than 200,000, two devices share a name,
        an argument is out of range, or the region is so wide that the cells of the earthquake's
        grid are wider than 150 km. A warning tells of cells wider than 40 km.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> network = pd.DataFrame({"latitude": rng.uniform(-12.3, -11.8, 50),
    ...                         "longitude": rng.uniform(-77.1, -76.7, 50)})
    >>> watch = detector(network)
    >>> watch.devices, [cause.name for cause in watch.causes]
    (50, ['earthquake', 'sound', 'venue', 'network', 'front', 'fast_front', 'other'])
    """
    table: Any = schema.check_network(network)
    if not 1 <= len(table) <= MOST_DEVICES:
        raise InputError(f"network: {len(table)} devices; a detector takes 1 to {MOST_DEVICES}")
    names = tuple(table["device"]) if "device" in table else tuple(range(len(table)))
    if len(set(names)) < len(names):
        raise InputError(
            "network: a device has several rows; give one row for each device (unique_devices)"
        )
    check_range("detector", 0, 1e4, ends="()", dead_time_s=dead_time_s)
    check_range("detector", 0, dead_time_s, ends="[)", latency_s=latency_s)
    if not isinstance(background, BackgroundRate):
        background = BackgroundRate(np.full(24, float(background)))
    causes = default_causes() if causes is None else tuple(causes)
    if not causes:
        raise InputError("detector: needs at least one cause, the earthquake")
    kept_s = max(cause.slots * cause.slot_s for cause in causes)
    # Otherwise a device could count as silent in a slot whose evidence holds its trigger.
    if dead_time_s < kept_s:
        raise InputError(
            f"detector: dead_time_s of {dead_time_s:g} is shorter than the {kept_s:g} s for which "
            "starting times are kept; make it longer, or keep fewer slots"
        )
    latitude, longitude = (table[name].to_numpy(np.float64) for name in ("latitude", "longitude"))
    left_out = outside_region(table, region)
    used = ~left_out
    frame = LocalFrame.around(latitude[used], longitude[used])
    east, north = frame.to_local(latitude[used], longitude[used])
    if len(east) > 1 and np.max(np.hypot(east, north)) < ONE_PLACE_KM:
        raise InputError(
            f"network: all {len(east)} devices are at one place, from which no wave can be told; "
            "give the place of each"
        )
    grids = [_coarse_grid(cause, east, north) for cause in causes]
    judge_cells(table, causes[0], grids[0][1])
    rate_per_slot = [cause.rate_per_year * cause.slot_s / YEAR_S for cause in causes]
    position = frame.position(latitude, longitude)
    core = Core(
        tuple(tables for tables, _, _ in grids),
        *(
            jnp.asarray(value, jnp.float32)
            for value in (
                np.log(rate_per_slot),
                position,
                background.rate_per_device_h,
                background.relative_sd**-2,
                background.half_life_h,
                dead_time_s,
                latency_s,
            )
        ),
        districts=tuple(
            _districts_of(cause, tables, shape, position)
            for cause, (tables, _, shape) in zip(causes, grids, strict=True)
        ),
    )
    return Detector(
        core=core,
        causes=causes,
        background=background,
        frame=frame,
        names=names,
        extent_km=tuple(extent for _, extent, _ in grids),
        dead_time_s=float(dead_time_s),
        latency_s=float(latency_s),
        left_out=left_out,
        notes=tuple(table.attrs["notes"]),
    )


def farthest_km(
    east_km: np.ndarray, north_km: np.ndarray, place_east: np.ndarray, place_north: np.ndarray
) -> float:
    """Return an upper bound of the distance between a device and a place of a grid, km."""
    extent = [max(a.max(), b.max()) - min(a.min(), b.min())
             for a, b in ((east_km, place_east), (north_km, place_north))]  # fmt: skip
    return float(np.hypot(*extent)) + 1.0


def _coarse_grid(
    cause: Cause, east: np.ndarray, north: np.ndarray
) -> tuple[Tables, Corners, tuple[int, int]]:
    """Tabulate a cause on a grid over the network; return its corners and shape, too."""
    if cause.is_simultaneous:
        place_east, place_north, step, farthest = np.zeros(1), np.zeros(1), np.zeros(2), 0.0
    else:
        place_east, place_north, step = grid_over(east, north, cause.margin_km, cause.cells)
        # A district has its own devices only, on the first ring.
        farthest = 0.0
        if not cause.participation:
            farthest = farthest_km(east, north, place_east, place_north)
    tables = tabulate(
        cause,
        place_east,
        place_north,
        cause.slot_s * np.arange(cause.slots),
        farthest,
        spacing_km=float(np.max(step)),
        slot_s=cause.slot_s,
    )
    corners = np.stack([place_east, place_north])
    shape = len(np.unique(place_east)), len(np.unique(place_north))
    return tables, (corners.min(axis=1) - step / 2, corners.max(axis=1) + step / 2), shape


def _districts_of(
    cause: Cause, tables: Tables, shape: tuple[int, int], position: np.ndarray
) -> Districts | None:
    """Assign devices to the nearest districts of a cause; None where it has a source."""
    if not cause.participation:
        return None
    place = np.asarray(tables.place, np.float64)
    nearest = KDTree(place).query(np.asarray(position, np.float64))[1]
    return Districts(jnp.asarray(nearest, jnp.int32), shape, cause.participation)
