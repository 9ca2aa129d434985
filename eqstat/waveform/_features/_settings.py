"""What features are computed of: lengths of windows, and what is known of the sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eqstat._core.checks import check_range, refuse
from eqstat._core.explain import Explained
from eqstat.edge import Features

FEATURES = Features._fields[:-1]
"""Names of the features, in their order."""


@dataclass(frozen=True)
class FeatureSettings(Explained):
    """Lengths of the windows, and what is known of the sensor.

    Lengths are rounded to whole samples: at 31.25 Hz a window of 2 s has 62 samples, and a step of
    1 s has 31.

    Parameters
    ----------
    rate_hz : float
        Samples per second, 1 to 10,000.
    window_s : float
        Length of a window, s.
    step_s : float
        Time from one window to the next, s, at most `window_s`.
    long_s : float
        Length of the long-term average of STA/LTA, s, rounded to whole steps.
    least_share : float
        Windows with a smaller share of samples have no features, in (0, 1].
    clip_m_s2 : float
        Level at which a component of the sensor is clipped, m/s2; infinite where none is known.
    vertical : tuple of float, optional
        Vector along the vertical, in the axes of the sensor; by default the mean of a window, where
        it is of gravity's size (7 to 12.5 m/s2).

    Raises
    ------
    eqstat.InputError
        When a number is out of range, a window has less than 8 samples, or a step less than 4.

    Examples
    --------
    >>> settings = FeatureSettings(31.25)
    >>> settings.window, settings.step, settings.long
    (62, 31, 10)
    """

    rate_hz: float
    window_s: float = 2.0
    step_s: float = 1.0
    long_s: float = 10.0
    least_share: float = 0.8
    clip_m_s2: float = math.inf
    vertical: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        title = "FeatureSettings"
        check_range(title, 1, 10_000, rate_hz=self.rate_hz)
        check_range(title, 0, 3600, ends="(]", window_s=self.window_s, step_s=self.step_s)
        check_range(title, 0, 3600, ends="(]", long_s=self.long_s)
        check_range(title, 0, 1, ends="(]", least_share=self.least_share)
        check_range(title, 0, ends="(]", finite=False, clip_m_s2=self.clip_m_s2)
        refuse(
            title,
            (self.window < 8, f"window_s must have 8 samples or more, not {self.window}"),
            (self.step < 4, f"step_s must have 4 samples or more, not {self.step}"),
            (self.step > self.window, "step_s must be at most window_s"),
            (self.long < 1, "long_s must be at least step_s"),
        )
        if self.vertical is not None:
            check_range(title, vertical=self.vertical)
            size = math.hypot(*self.vertical)
            refuse(title, (len(self.vertical) != 3 or not size, "vertical must be a vector"))
            unit = tuple(float(one) / size for one in self.vertical)
            object.__setattr__(self, "vertical", unit)

    @property
    def window(self) -> int:
        """Samples of a window."""
        return round(self.window_s * self.rate_hz)

    @property
    def step(self) -> int:
        """Samples from one window to the next."""
        return round(self.step_s * self.rate_hz)

    @property
    def long(self) -> int:
        """Steps of the long-term average."""
        return round(self.long_s / self.step_s)
