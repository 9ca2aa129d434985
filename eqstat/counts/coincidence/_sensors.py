"""Rates of false pre-warnings and pick probabilities of single sensors, updated by conjugacy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import betaincinv, gammaincinv

from eqstat._core.checks import check_probability, check_range
from eqstat._core.constants import HOUR_S
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike


@dataclass(frozen=True)
class Sensors(Explained):
    r"""Posterior of each sensor's rate of false pre-warnings and of its pick probability.

    .. math:: \lambda_i \sim \mathrm{Gamma}(\alpha_i, \beta_i), \qquad
              p_i \sim \mathrm{Beta}(\text{picked}_i, \text{missed}_i)

    Both priors are conjugate, so that new observations are added to the parameters.

    Parameters
    ----------
    shape : array_like
        Shape :math:`\alpha` of the gamma distribution of the rate, (sensors,), above 0.
    exposure_h : array_like
        Its rate parameter :math:`\beta`, hours of observation (those of the prior included),
        (sensors,), above 0.
    picked, missed : array_like
        Parameters of the beta distribution of the pick probability, (sensors,), above 0:
        earthquakes picked and missed. Large numbers for a known probability.

    Raises
    ------
    eqstat.InputError
        When a number is out of range or there is no sensor.

    Examples
    --------
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=2.0)
    >>> sensors = sensors.update([10, 80, 300], hours=240.0)
    >>> sensors.rate_per_h.round(2).tolist()
    [0.05, 0.33, 1.24]
    """

    shape: Any
    exposure_h: Any
    picked: Any
    missed: Any

    def __post_init__(self) -> None:
        names = ("shape", "exposure_h", "picked", "missed")
        values = np.broadcast_arrays(*(np.asarray(getattr(self, n), float) for n in names))
        each: dict[str, Any] = dict(zip(names, np.atleast_1d(*values), strict=True))
        for name, value in each.items():
            if value.ndim != 1 or not value.size:
                raise InputError("Sensors: give one number for each of at least one sensor")
            check_range("Sensors", 0, ends="()", **{name: value})
            object.__setattr__(self, name, np.array(value))

    @classmethod
    def alike(
        cls,
        number: int,
        *,
        rate_per_h: float,
        prior_hours: float,
        pick_probability: float = 0.8,
        prior_picks: float = 1e9,
    ) -> Sensors:
        """Sensors with the same prior.

        Parameters
        ----------
        number : int
            Number of sensors.
        rate_per_h : float
            Prior mean of the rate of false pre-warnings, 1/h.
        prior_hours : float
            Weight of this prior, as hours of observation.
        pick_probability : float
            Prior mean of the probability that an earthquake is picked, in (0, 1).
        prior_picks : float
            Weight of this prior, as a number of earthquakes; by default the probability is
            taken as known.

        Returns
        -------
        Sensors

        Examples
        --------
        >>> Sensors.alike(2, rate_per_h=0.5, prior_hours=2.0).exposure_h.tolist()
        [2.0, 2.0]
        """
        check_probability("Sensors", pick_probability=pick_probability)
        one = np.ones(number)
        picked = pick_probability * prior_picks
        return cls(
            shape=one * rate_per_h * prior_hours,
            exposure_h=one * prior_hours,
            picked=one * picked,
            missed=one * (prior_picks - picked),
        )

    def update(self, counts: ArrayLike, hours: ArrayLike) -> Sensors:
        """Posterior after further false pre-warnings were counted.

        Parameters
        ----------
        counts : array_like
            False pre-warnings since the last update, (sensors,), not negative.
        hours : array_like
            Hours of observation since then, not negative.

        Returns
        -------
        Sensors

        Examples
        --------
        >>> sensors = Sensors.alike(1, rate_per_h=1.0, prior_hours=1.0)
        >>> sensors.update([19], hours=9.0).rate_per_h.tolist()
        [2.0]
        """
        new, time = np.asarray(counts, float), np.asarray(hours, float)
        check_range("Sensors", 0, counts=new, hours=time)
        return replace(self, shape=self.shape + new, exposure_h=self.exposure_h + time)

    def update_picks(self, picked: ArrayLike, earthquakes: ArrayLike) -> Sensors:
        """Posterior after further earthquakes, of which each sensor picked some.

        Parameters
        ----------
        picked : array_like
            Earthquakes picked since the last update, (sensors,).
        earthquakes : array_like
            Earthquakes that each sensor could have picked, at least as many.

        Returns
        -------
        Sensors

        Examples
        --------
        >>> sensors = Sensors.alike(1, rate_per_h=1.0, prior_hours=1.0, prior_picks=10.0)
        >>> sensors.update_picks([2], 10).pick_probability.tolist()
        [0.5]
        """
        new, total = np.asarray(picked, float), np.asarray(earthquakes, float)
        if not np.all((new >= 0.0) & (new <= total)):
            raise InputError("Sensors: picked must lie between 0 and the earthquakes")
        return replace(self, picked=self.picked + new, missed=self.missed + (total - new))

    @property
    def rate_per_h(self) -> Any:
        """Posterior mean of the rate of false pre-warnings, 1/h, (sensors,)."""
        return self.shape / self.exposure_h

    @property
    def pick_probability(self) -> Any:
        """Posterior mean of the pick probability, (sensors,)."""
        return self.picked / (self.picked + self.missed)

    def interval(self, probability: float) -> dict[str, Any]:
        """Equal-tailed credible intervals of the rates and pick probabilities.

        Parameters
        ----------
        probability : float
            Probability content of the intervals, in (0, 1).

        Returns
        -------
        dict
            `rate_per_h` and `pick_probability`, each (2, sensors).

        Examples
        --------
        >>> sensors = Sensors.alike(1, rate_per_h=0.5, prior_hours=200.0)
        >>> sensors.interval(0.9)["rate_per_h"].round(2).ravel().tolist()
        [0.42, 0.58]
        """
        check_probability("Sensors", probability=probability)
        tails = np.array([[0.5 - probability / 2.0], [0.5 + probability / 2.0]])
        return {
            "rate_per_h": gammaincinv(self.shape, tails) / self.exposure_h,
            "pick_probability": betaincinv(self.picked, self.missed, tails),
        }

    def log_chance(self, frame_s: float) -> tuple[Any, Any]:
        r"""Log probabilities that each sensor does, or does not, pre-warn falsely in a frame.

        Marginalised over the rates, :math:`q_i = 1 - (1 + f / \beta_i)^{-\alpha_i}`.

        Parameters
        ----------
        frame_s : float
            Length f of the frame, s.

        Returns
        -------
        tuple of numpy.ndarray
            Logs of :math:`q_i` and of :math:`1 - q_i`, (sensors,) each.

        Examples
        --------
        >>> on, off = Sensors.alike(1, rate_per_h=0.36, prior_hours=1e9).log_chance(10.0)
        >>> float(np.exp(on).round(6)[0]), float(np.exp(off).round(6)[0])
        (0.001, 0.999)
        """
        check_range("", 0, ends="()", frame_s=frame_s)
        off = -self.shape * np.log1p(frame_s / HOUR_S / self.exposure_h)
        return np.log(-np.expm1(off)), off
