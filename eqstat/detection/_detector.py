"""A detector of one region: its devices, the causes that compete, and the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from eqstat import schema
from eqstat._core.checks import check_range
from eqstat._core.constants import YEAR_S
from eqstat._core.errors import InputError
from eqstat.detection._causes import Cause, usual_causes
from eqstat.detection._terms import Tables, tabulate
from eqstat.geodesy import LocalFrame

MOST_DEVICES = 200_000
Corners = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class BackgroundRate:
    r"""Triggers that have no common cause: a Poisson process of each device.

    Its rate is $g\, r(h)$ with r that of the local hour and an unknown factor g that the detector
    learns from the stream: $g \sim \mathrm{Gamma}(a, a)$, $a = 1 / \text{relative sd}^2$. So the
    predictive rate after K triggers where E were expected is $r(h) (a + K) / (a + E)$; both
    sums forget with a half-life.

    Attributes
    ----------
    rate_per_device_h
        r by local hour of the day, (24,).
    relative_sd
        Relative standard deviation of g before anything was seen.
    half_life_h
        Half-life of what was learnt, h.
    utc_offset_h
        Local time less UTC, h.
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
    """What a compiled step reads.

    Attributes
    ----------
    tables
        The causes on their grids; the earthquake is the first.
    log_yearly
        Log of the starts of each cause in a slot, (causes,).
    position
        Surface points of the devices, (devices, 3) km.
    rate_per_device_h
        Background rate by local hour, (24,).
    shape, half_life_h
        Of the background's unknown factor.
    window_s, latency_s
        See `Detector`.
    """

    tables: tuple[Tables, ...]
    log_yearly: Float[Array, " causes"]
    position: Float[Array, "devices 3"]
    rate_per_device_h: Float[Array, " 24"]
    shape: Float[Array, ""]
    half_life_h: Float[Array, ""]
    window_s: Float[Array, ""]
    latency_s: Float[Array, ""]


@dataclass(frozen=True)
class Detector:
    """What does not change while a region is watched; made by `detector`.

    Attributes
    ----------
    core
        Its arrays.
    causes
        The causes; the earthquake is the first.
    background
        The background.
    frame
        Local frame of the positions.
    names
        Names of the devices.
    extent_km
        South-western and north-eastern corner of each cause's grid, (2,) each, km.
    window_s
        How long a device that triggered is not asked again, s.
    latency_s
        How late reports are: only this long ago a device without a report is silent, s.
    """

    core: Core
    causes: tuple[Cause, ...]
    background: BackgroundRate
    frame: LocalFrame
    names: tuple[Any, ...]
    extent_km: tuple[Corners, ...]
    window_s: float
    latency_s: float

    @property
    def devices(self) -> int:
        """Number of devices, active or not."""
        return len(self.core.position)

    @property
    def area_km2(self) -> float:
        """Area of the earthquake's grid."""
        low, high = self.extent_km[0]
        return float(np.prod(high - low))

    @property
    def hypotheses(self) -> int:
        """Hypocentres times origin times of the earthquake."""
        places, depths, slots, _ = self.core.tables[0].shape
        return places * depths * slots


def grid_over(
    east_km: np.ndarray, north_km: np.ndarray, margin_km: float, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """About so many places, evenly spaced over the devices and a margin; and their steps, km."""
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
    window_s: float | int = 90.0,
    latency_s: float | int = 0.0,
) -> Detector:
    """Make ready to watch a region.

    Parameters
    ----------
    network
        Table of the network contract: all devices that may ever be active. Phones with the same
        name at several times are one row here; see `with_active` for who is there.
    causes
        What may make many trigger together; the earthquake first, then what competes with it. By
        default `usual_causes()`.
    background
        The background, or a rate per device and hour that is the same at all hours.
    window_s
        How long a device that triggered is not asked again, s; at least as long as starting times
        of any cause are kept.
    latency_s
        How late reports may be, s: devices without a report count as silent only until then.

    Returns
    -------
    Detector

    Raises
    ------
    eqstat.InputError
        When the table cannot be used, has no row or more than 200,000, two devices share a name,
        or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> network = pd.DataFrame({"latitude": rng.uniform(-12.3, -11.8, 50),
    ...                         "longitude": rng.uniform(-77.1, -76.7, 50)})
    >>> watch = detector(network)
    >>> watch.devices, [cause.name for cause in watch.causes]
    (50, ['earthquake', 'sound', 'venue', 'network'])
    """
    table: Any = schema.check_network(network)
    if not 1 <= len(table) <= MOST_DEVICES:
        raise InputError(f"network: {len(table)} devices; a detector takes 1 to {MOST_DEVICES}")
    names = tuple(table["device"]) if "device" in table else tuple(range(len(table)))
    if len(set(names)) < len(names):
        raise InputError("network: a device has several rows; give one row for each device")
    check_range("detector", 0, 1e4, ends="()", window_s=window_s)
    check_range("detector", 0, window_s, ends="[)", latency_s=latency_s)
    if not isinstance(background, BackgroundRate):
        background = BackgroundRate(np.full(24, float(background)))
    causes = usual_causes() if causes is None else tuple(causes)
    if not causes:
        raise InputError("detector: needs at least one cause, the earthquake")
    kept = max(cause.slots * cause.slot_s for cause in causes)
    # Else a device that is asked again would be silent in a slot that has its trigger.
    if window_s < kept:
        raise InputError(
            f"detector: window_s of {window_s:g} is shorter than the {kept:g} s for which starting "
            "times are kept; make it longer, or keep fewer slots"
        )
    latitude, longitude = (table[name].to_numpy(np.float64) for name in ("latitude", "longitude"))
    frame = LocalFrame.around(latitude, longitude)
    east, north = frame.to_local(latitude, longitude)
    made = [_coarse(cause, east, north) for cause in causes]
    yearly = [cause.rate_per_year * cause.slot_s / YEAR_S for cause in causes]
    core = Core(
        tuple(tables for tables, _ in made),
        *(
            jnp.asarray(value, jnp.float32)
            for value in (
                np.log(yearly),
                frame.position(latitude, longitude),
                background.rate_per_device_h,
                background.relative_sd**-2,
                background.half_life_h,
                window_s,
                latency_s,
            )
        ),
    )
    return Detector(
        core,
        causes,
        background,
        frame,
        names,
        tuple(extent for _, extent in made),
        float(window_s),
        float(latency_s),
    )


def farthest_km(
    east_km: np.ndarray, north_km: np.ndarray, at_east: np.ndarray, at_north: np.ndarray
) -> float:
    """The largest distance between a device and a place, or a little more."""
    reach = [max(a.max(), b.max()) - min(a.min(), b.min())
             for a, b in ((east_km, at_east), (north_km, at_north))]  # fmt: skip
    return float(np.hypot(*reach)) + 1.0


def _coarse(cause: Cause, east: np.ndarray, north: np.ndarray) -> tuple[Tables, Corners]:
    """A cause on its grid over the network, and the corners of the grid."""
    if cause.everywhere:
        at_east, at_north, step, farthest = np.zeros(1), np.zeros(1), np.zeros(2), 0.0
    else:
        at_east, at_north, step = grid_over(east, north, cause.margin_km, cause.cells)
        farthest = farthest_km(east, north, at_east, at_north)
    tables = tabulate(
        cause,
        at_east,
        at_north,
        cause.slot_s * np.arange(cause.slots),
        farthest,
        spacing_km=float(np.max(step)),
        slot_s=cause.slot_s,
    )
    corners = np.stack([at_east, at_north])
    return tables, (corners.min(axis=1) - step / 2, corners.max(axis=1) + step / 2)
