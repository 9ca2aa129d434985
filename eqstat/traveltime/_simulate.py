"""Simulated trigger times of the likelihoods, for tests and calibration."""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_kind
from eqstat._core.explain import Explained
from eqstat.geodesy import LocalFrame
from eqstat.traveltime._arrays import CLASSES, P, S
from eqstat.traveltime._likelihood import arrivals_at, draw_times
from eqstat.traveltime._parameters import GaussianParameters, MixtureParameters, Parameters
from eqstat.velocity import VelocityModel, as_velocity


class Design(Explained, eqx.Module):
    """What a simulation is given: the devices, the earth, and the window.

    Attributes
    ----------
    latitude, longitude
        Active devices, degrees, (devices,).
    elevation_m
        Their elevations, or 0.
    velocity
        Velocity model.
    window_s
        Start of the window and now, seconds after the reference time; background triggers are
        uniform in it, and with `truncated` or silent devices nothing after now is seen.
    wave
        The wave of the Gaussian model.
    reference_time
        UTC time of second 0.

    Examples
    --------
    >>> import numpy as np
    >>> design = Design(latitude=np.array([46.0, 46.2]), longitude=np.array([7.0, 7.0]))
    >>> float(np.round(design.frame.latitude, 3))
    46.1
    """

    latitude: np.ndarray
    longitude: np.ndarray
    elevation_m: np.ndarray | float = 0.0
    velocity: VelocityModel = eqx.field(default=None, converter=as_velocity)
    window_s: tuple[float, float] = (0.0, 60.0)
    wave: Literal["P", "S"] = eqx.field(static=True, default="P")
    reference_time: str = eqx.field(static=True, default="2027-01-15T08:00:00Z")

    @property
    def frame(self) -> LocalFrame:
        """The local frame of the devices, in which the parameters' epicentre is given."""
        return LocalFrame.around(self.latitude, self.longitude)


def simulate(
    key: PRNGKeyArray,
    params: Parameters,
    design: Design,
    *,
    silent: bool = False,
    truncated: bool = False,
) -> pd.DataFrame:
    """Draw the triggers that a network would have sent.

    Parameters
    ----------
    key
        JAX random key.
    params
        `GaussianParameters` or `MixtureParameters`; the epicentre is in `design.frame`.
    design
        Devices, velocity model and window.
    silent
        Whether each device triggers only with `params.trigger_probability`; without, every
        device triggers.
    truncated
        Whether triggers after `design.window_s[1]` have not been seen yet.

    Returns
    -------
    pandas.DataFrame
        Table of the triggers contract with columns `time`, `latitude`, `longitude`,
        `elevation_m`, `device`, sorted by time, and the true class in `cause` ("P", "S",
        "background").

    Examples
    --------
    >>> import jax, numpy as np
    >>> from eqstat.traveltime import GaussianParameters
    >>> place = np.linspace(0.0, 0.2, 20)
    >>> design = Design(latitude=place, longitude=place[::-1] ** 2)
    >>> truth = GaussianParameters(5.0, -3.0, 12.0, 0.0)
    >>> len(simulate(jax.random.key(1), truth, design))
    20
    """
    check_key("simulate", key)
    check_kind(
        "simulate", (GaussianParameters, MixtureParameters), "see `Parameters`", params=params
    )
    check_kind("simulate", Design, "use `Design(...)`", design=design)
    frame = design.frame
    time_key, trigger_key = jax.random.split(key)
    elevation = np.broadcast_to(np.asarray(design.elevation_m, np.float64), design.latitude.shape)
    with jax.enable_x64(True):
        position = jnp.asarray(frame.position(design.latitude, design.longitude))
        arrivals = arrivals_at(params, design.velocity, position, jnp.asarray(elevation / 1000))
        wave = jnp.asarray(S if design.wave == "S" else P)
        window = jnp.asarray(design.window_s, jnp.float64)
        times, cause = draw_times(time_key, params, arrivals, wave, window)
        chance = jax.random.uniform(trigger_key, times.shape, jnp.float64)
    seconds = np.asarray(times)
    seen = np.ones(len(seconds), bool)
    if silent:
        seen &= np.asarray(chance) < float(params.trigger_probability)
    if truncated or silent:
        seen &= seconds <= design.window_s[1]
    reference = pd.Timestamp(design.reference_time)
    table: Any = pd.DataFrame(
        {
            "time": reference + pd.to_timedelta(seconds, unit="s"),
            "latitude": np.asarray(design.latitude, np.float64),
            "longitude": np.asarray(design.longitude, np.float64),
            "elevation_m": elevation,
            "device": [f"d{index}" for index in range(len(seconds))],
            "cause": np.array(CLASSES, dtype=object)[np.asarray(cause)],
        }
    )
    return table[seen].sort_values("time", kind="stable", ignore_index=True)
