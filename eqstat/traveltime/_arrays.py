"""Padded arrays of triggers and silent devices in seconds and local kilometres."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import numpy as np

from eqstat._core.arrays import BoolArray, FloatArray, IntArray
from eqstat._core.explain import Explained, explained
from eqstat.geodesy import LocalFrame
from eqstat.inference import bucket_size, pad_rows
from eqstat.velocity import VelocityLike, VelocityModel, as_velocity

UNKNOWN, P, S = 0, 1, 2
# Classes of triggers in the mixture, in the order of its densities, and the columns of tables with
# their probabilities.
CLASSES = ("P", "S", "background")
PROBABILITIES = tuple(f"probability_{name.lower()}" for name in CLASSES)


# On the host these are NumPy arrays, in the core JAX arrays.
class TriggerData(Explained, eqx.Module):
    """What the likelihoods see: a pytree of padded arrays.

    Attributes
    ----------
    position_km
        Surface points of the triggered devices in the local frame (east, north, up), (n, 3).
    elevation_km
        Their elevation above the sphere, (n,).
    time_s
        Trigger times after the reference time, (n,).
    time_sd_s
        Standard deviation of each time beyond the common scatter; 0 where none is given, (n,).
    phase
        0 unknown, 1 P, 2 S, (n,).
    mask
        Which rows hold a trigger, (n,).
    silent_position_km, silent_elevation_km, silent_mask
        The same of active devices that have not triggered by now, (m, 3), (m,), (m,).
    window_s
        Start of the observed window and now, seconds after the reference time, (2,).
    wave
        1 or 2: the wave that triggers of unknown phase are taken for by the Gaussian
        likelihood, scalar.
    velocity
        The velocity model.
    truncated
        Whether a trigger is seen only because it came before now.

    Examples
    --------
    >>> import numpy as np
    >>> from eqstat import geodesy, traveltime
    >>> phones = traveltime.Devices(np.array([46.0, 46.1]), np.array([7.0, 7.2]), np.zeros(2))
    >>> frame = geodesy.LocalFrame(46.0, 7.0)
    >>> data = traveltime.padded(frame, phones, np.array([5.0, 7.6]), window_s=(0.0, 20.0))
    >>> data.position_km.shape, int(data.mask.sum()), data.has_silent
    ((16, 3), 2, False)
    """

    position_km: FloatArray
    elevation_km: FloatArray
    time_s: FloatArray
    time_sd_s: FloatArray
    phase: IntArray
    mask: BoolArray
    silent_position_km: FloatArray
    silent_elevation_km: FloatArray
    silent_mask: BoolArray
    window_s: FloatArray
    wave: IntArray
    velocity: VelocityModel
    truncated: bool = eqx.field(static=True, default=False)

    @property
    def has_silent(self) -> bool:
        """Whether devices that stayed silent are in the data (known when compiled)."""
        return self.silent_mask.shape[0] > 0


def strong(velocity: VelocityModel) -> VelocityModel:
    """Turn plain numbers into arrays: 6, 6.0 and np.float64(6) then share a program."""
    return jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float64) if isinstance(leaf, int | float) else leaf,
        velocity,
    )


@explained
class Devices(NamedTuple):
    """Geographic coordinates of devices: degrees, degrees and metres, (n,) each.

    Examples
    --------
    >>> Devices(np.array([46.0]), np.array([7.0]), elevation_m=np.array([540.0])).elevation_m.item()
    540.0
    """

    latitude: np.ndarray
    longitude: np.ndarray
    elevation_m: np.ndarray


def padded(
    frame: LocalFrame,
    triggered: Devices,
    time_s: np.ndarray,
    *,
    window_s: tuple[float, float],
    silent: Devices | None = None,
    time_sd_s: np.ndarray | None = None,
    phase: np.ndarray | None = None,
    wave: Literal["P", "S"] = "P",
    velocity: VelocityLike = None,
    truncated: bool = False,
) -> TriggerData:
    """Move arrays of triggers to local coordinates and pad them to buckets of sizes.

    `prepare` calls it with the columns of tables; simulations, which have no tables, directly.

    Parameters
    ----------
    frame
        The local frame.
    triggered
        Devices that triggered, (n,).
    time_s
        Trigger times after the reference time, (n,).
    window_s
        Start of the observed window and now, seconds after the reference time.
    silent
        Active devices that have not triggered, (m,); None where they are not known.
    time_sd_s, phase
        As in `TriggerData`, (n,); 0 by default.
    wave, velocity, truncated
        As in `prepare`.

    Returns
    -------
    TriggerData

    Examples
    --------
    >>> one = Devices(*np.zeros((3, 1)))
    >>> padded(LocalFrame(0.0, 0.0), one, np.zeros(1), window_s=(-1.0, 1.0)).mask.sum().item()
    1
    """
    count = len(time_s)
    size = bucket_size(max(count, 1))
    # Where all devices have triggered the bucket of silent ones is empty but present: the
    # likelihood then still counts the triggers' probability.
    silent_size = 0 if silent is None else bucket_size(max(len(silent.latitude), 1), smallest=64)
    others = Devices(*np.zeros((3, 0))) if silent is None else silent

    def places(devices: Devices, rows: int) -> tuple[Any, Any, Any]:
        position = np.asarray(frame.position(devices.latitude, devices.longitude), np.float64)
        return (
            pad_rows(position.reshape(-1, 3), rows),
            pad_rows(devices.elevation_m / 1000, rows),
            pad_rows(np.ones(len(devices.latitude), bool), rows, False),
        )

    position_km, elevation_km, mask = places(triggered, size)
    silent_position_km, silent_elevation_km, silent_mask = places(others, silent_size)
    arrays: dict[str, Any] = dict(
        position_km=position_km,
        elevation_km=elevation_km,
        time_s=pad_rows(time_s, size),
        time_sd_s=pad_rows(np.zeros(count) if time_sd_s is None else time_sd_s, size),
        phase=pad_rows(np.full(count, UNKNOWN, np.int32) if phase is None else phase, size),
        mask=mask,
        silent_position_km=silent_position_km,
        silent_elevation_km=silent_elevation_km,
        silent_mask=silent_mask,
        window_s=np.array(window_s),
        wave=np.asarray({"P": P, "S": S}[wave], np.int32),
        velocity=strong(as_velocity(velocity)),
        truncated=truncated,
    )
    return TriggerData(**arrays)
