"""A located detection: hypocentre, uncertainty, geometry, residuals, and its text."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eqstat import hypocentre
from eqstat._core.explain import Explained
from eqstat._core.json import to_plain
from eqstat._core.text import clock, magnitude, number, percent, place
from eqstat.geodesy import great_circle_distance
from eqstat.hypocentre import CredibleRegion
from eqstat.traveltime._arrays import CLASSES, PROBABILITIES
from eqstat.traveltime._results import advice_on

# Content of the region whose parts are looked at, and how far apart they are, in radii of a circle
# of its area, if there is more than one place.
NEARLY_ALL, APART = 0.99, 4.0


def _parts_apart_km(region: CredibleRegion) -> float:
    """Greatest distance between the middles of the parts of a region, km; 0 for one part."""
    outer = [ring for ring in region.polygons if np.sum(_crossed(ring)) > 0]
    middles = [ring[:-1].mean(axis=0) for ring in outer]
    return max(
        (
            float(great_circle_distance(one[1], one[0], other[1], other[0]))
            for one, other in itertools.combinations(middles, 2)
        ),
        default=0.0,
    )


def _crossed(ring: np.ndarray) -> np.ndarray:
    """Cross products of successive corners, whose sum is positive for anticlockwise rings."""
    x, y = (ring - ring[0]).T
    return x[:-1] * y[1:] - x[1:] * y[:-1]


@dataclass(frozen=True)
class Location(Explained):
    """A located detection.

    Attributes
    ----------
    method
        "bfgs", "grid" or "nuts".
    likelihood
        "gaussian" or "mixture"; "regional" for a regional error model.
    latitude, longitude, depth_km, origin_time
        The optimum, or the medians of the posterior's marginals.
    standard_error
        Of `latitude_km`, `longitude_km`, `depth_km`, `origin_time_s`.
    interval
        Intervals of `latitude`, `longitude` (degrees), `depth_km` and `origin_time`, with their
        `probability` and `kind`.
    region
        Credible region of the epicentre.
    azimuthal_gap_deg
        Largest gap between neighbouring azimuths from the epicentre to the devices, degrees.
    nearest_device_km
        Epicentral distance of the nearest triggered device.
    triggers
        The rows in use with `distance_km`, `azimuth_deg`, `residual_s` (to the most probable
        phase, mean delay taken off), `probability_p`, `probability_s`,
        `probability_background`.
    left_out
        The rows not in use, with a `reason`.
    silent
        Number of active devices that stayed silent.
    result
        The sentence of the result code.
    diagnostics
        Figures of the method, such as the number of divergences or the log evidence.
    hypocentre
        The posterior in the form of `eqstat.hypocentre`, of a fit the normal approximation; None
        where a fit has no covariance of the epicentre.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> fitted = traveltime.fit(observations, throw=False)
    >>> location = traveltime.report(observations, fitted)
    >>> location.to_dict()["triggers"]["used"], location.likelihood
    (6, 'gaussian')
    """

    method: str
    likelihood: str
    latitude: float
    longitude: float
    depth_km: float
    origin_time: pd.Timestamp
    standard_error: dict[str, float]
    interval: dict[str, Any]
    region: CredibleRegion
    azimuthal_gap_deg: float
    nearest_device_km: float
    triggers: pd.DataFrame
    left_out: pd.DataFrame
    silent: int
    result: str
    diagnostics: dict[str, Any]
    hypocentre: xr.Dataset | None = field(default=None, repr=False)

    @property
    def expected_triggers(self) -> dict[str, float]:
        """Expected numbers of triggers by class: P, S, background."""
        expected = self.triggers[list(PROBABILITIES)].sum()
        return dict(zip(CLASSES, expected.astype(float), strict=True))

    @property
    def magnitude(self) -> dict[str, float] | None:
        """Mean, sd and interval of the magnitude, if the hypocentre has one (see `from_peaks`)."""
        if self.hypocentre is None or "magnitude" not in self.hypocentre:
            return None
        row = hypocentre.summary(self.hypocentre, probability=self.region.probability)["magnitude"]
        names = {"mean": "mean", "standard_deviation": "sd", "low": "low", "high": "high"}
        values = {name: float(row.sel(statistic=short)) for name, short in names.items()}
        return {**values, "probability": float(self.region.probability)}

    def region_of(self, probability: float) -> CredibleRegion | None:
        """Credible region of the epicentre of another probability; None without a posterior."""
        if self.hypocentre is None:
            return None
        return hypocentre.credible_region(self.hypocentre, probability)

    @property
    def advice(self) -> list[str]:
        """What to try where residuals or phases say that the model does not fit."""
        one_wave = self.likelihood == "gaussian"
        advice = advice_on(self.triggers, one_wave=one_wave, depth_km=self.depth_km)
        region = None if one_wave else self.region_of(NEARLY_ALL)
        if (
            region is not None
            and (apart_km := _parts_apart_km(region)) > APART * (region.area_km2 / np.pi) ** 0.5
        ):
            advice.insert(
                0,
                f"the epicentre may be at places {apart_km:.0f} km apart: two earthquakes in the "
                "window look like this; locate each with a window of its own (start and now; "
                "--start and --now)",
            )
        return advice

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, texts and lists, ready for JSON; NaN becomes None."""
        counts = self.left_out["reason"].value_counts() if len(self.left_out) else pd.Series()
        used = len(self.triggers)
        return to_plain(
            {
                "method": self.method,
                "likelihood": self.likelihood,
                "hypocentre": {
                    "latitude": self.latitude,
                    "longitude": self.longitude,
                    "depth_km": self.depth_km,
                    "origin_time": self.origin_time,
                },
                "standard_error": self.standard_error,
                "interval": self.interval,
                "region": {
                    "probability": self.region.probability,
                    "area_km2": self.region.area_km2,
                    "kind": self.region.kind,
                    "polygon": [ring.tolist() for ring in self.region.polygons],
                },
                **({"magnitude": self.magnitude} if self.magnitude else {}),
                "azimuthal_gap_deg": self.azimuthal_gap_deg,
                "nearest_device_km": self.nearest_device_km,
                "triggers": {
                    "given": used + len(self.left_out),
                    "used": used,
                    "silent": self.silent,
                    "left_out": {str(reason): int(n) for reason, n in counts.items()},
                },
                "result": self.result,
                "diagnostics": self.diagnostics,
            }
        )

    def summary(self) -> pd.DataFrame:
        """Return estimates and intervals.

        Returns
        -------
        pandas.DataFrame
            Rows `latitude`, `longitude` (degrees), `depth_km`, `origin_time` and, where there is
            one, `magnitude`; columns `estimate`, `low` and `high` of the intervals, and
            `standard_error` (km, s).
        """
        errors = self.standard_error
        rows = {
            name: (getattr(self, name), *self.interval[name], errors[error])
            for name, error in (
                ("latitude", "latitude_km"),
                ("longitude", "longitude_km"),
                ("depth_km", "depth_km"),
                ("origin_time", "origin_time_s"),
            )
        }
        if (size := self.magnitude) is not None:
            rows["magnitude"] = (size["mean"], size["low"], size["high"], size["sd"])
        columns = ["estimate", "low", "high", "standard_error"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def _facts(self) -> list[tuple[str, str]]:
        errors, interval = self.standard_error, self.interval
        used, unused = len(self.triggers), len(self.left_out)
        share = percent(self.region.probability)
        depth = " to ".join(number(end) for end in interval["depth_km"])
        origin = " to ".join(clock(end) for end in interval["origin_time"])
        rows = [
            ("Hypocentre", f"{place(self.latitude, self.longitude)}, depth {self.depth_km:.1f} km"),
            ("Origin time", f"{self.origin_time:%Y-%m-%d} {clock(self.origin_time)} UTC"),
            (
                "Standard error",
                f"{number(errors['latitude_km'])} km north-south, "
                f"{number(errors['longitude_km'])} km east-west, "
                f"depth {number(errors['depth_km'])} km, "
                f"time {number(errors['origin_time_s'], 2)} s",
            ),
            (f"{share} region", f"{number(self.region.area_km2, 0)} km2 ({self.region.kind})"),
            (f"{share} interval", f"depth {depth} km, origin {origin} ({interval['kind']})"),
            ("Triggers", f"{used + unused} given, {used} used{self._expected()}"),
        ]
        if self.magnitude is not None:
            rows.insert(2, ("Magnitude", magnitude(self.magnitude)))
        if unused:
            reasons = self.left_out["reason"].value_counts()
            text = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            rows.append(("Left out", text))
        geometry = (
            f"azimuthal gap {self.azimuthal_gap_deg:.0f} degrees, "
            f"nearest device at {self.nearest_device_km:.1f} km"
        )
        result = f"{self.method}, {self.likelihood}: {self.result}"
        return [*rows, ("Geometry", geometry), ("Result", result)]

    def _expected(self) -> str:
        """Expected numbers of P, S and background triggers of the mixture."""
        if self.likelihood != "mixture":
            return ""
        counts = (f"{count:.0f} {name}" for name, count in self.expected_triggers.items())
        return f" (expected: {', '.join(counts)})"
