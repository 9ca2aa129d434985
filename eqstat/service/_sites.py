"""Probability of strong shaking at the registered sites."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from eqstat import realtime
from eqstat._core.errors import InputError
from eqstat.detection import Report
from eqstat.ground_motion import PointSource
from eqstat.service._config import Config
from eqstat.service._region import RegionModel

DRAWS = 256


class Sites:
    """Registered sites, and the compiled scorer of their shaking.

    Attributes
    ----------
    names
        Names of the sites.
    thresholds_m_s2
        Thresholds of PGA, m/s2.
    """

    def __init__(self, config: Config) -> None:
        options = config.sites
        try:
            table = pd.read_csv(config.path(options.table))
        except (OSError, ValueError) as error:
            raise InputError(f"[sites] table: {error}") from None
        self.names = [str(n) for n in (table["site"] if "site" in table else range(len(table)))]
        self.thresholds_m_s2 = [float(x) for x in options.threshold_m_s2]
        scorer = realtime.ExceedanceScorer.init(
            PointSource(), table, options.threshold_m_s2,
            action_probability=options.action_probability,
        )  # fmt: skip
        self._scorer = realtime.compile(scorer, buckets=(DRAWS,), progress=False)

    def score(self, model: RegionModel, report: Report, alarm: str) -> tuple[dict[str, Any], ...]:
        """Probabilities at all sites, of draws that follow from the alarm's identifier."""
        drawn = draws(model, report, alarm)
        if drawn is None:
            return ()
        answer = self._scorer.score(**drawn)
        return tuple(
            {
                "site": name,
                "exceedance_probability": [round(float(p), 6) for p in row],
                "act": bool((margin >= 0).any()),
            }
            for name, row, margin in zip(
                self.names, answer.exceedance_probability, answer.margin, strict=True
            )
        )


def draws(model: RegionModel, report: Report, alarm: str) -> dict[str, np.ndarray] | None:
    """Draws of the source from the coarse posterior; None where it has no magnitude.

    Places by their probabilities, uniform within a cell; the depth normal, and the magnitude by its
    marginal probabilities, both independent of the place.
    """
    sizes = model.detector.causes[0].magnitudes
    weight = np.asarray(report.magnitude_weight, np.float64)
    place_weight = np.asarray(report.place_weight, np.float64)
    if sizes is None or not weight.sum() > 0 or not place_weight.sum() > 0:
        return None
    seed = int.from_bytes(hashlib.sha256(alarm.encode()).digest()[:8])
    rng = np.random.default_rng(seed)
    place = np.asarray(model.detector.core.tables[0].place, np.float64)[:, :2]
    chosen = rng.choice(len(place), DRAWS, p=place_weight / place_weight.sum())
    width = np.sqrt(model.detector.area_km2 / len(place))
    local = place[chosen] + rng.uniform(-width / 2, width / 2, (DRAWS, 2))
    latitude, longitude = model.detector.frame.to_geographic(local[:, 0], local[:, 1])
    edges = np.asarray(sizes.magnitude_edges, np.float64)
    bin_ = rng.choice(len(weight), DRAWS, p=weight / weight.sum())
    depth = float(report.depth_km) + float(report.sd_km[2]) * rng.standard_normal(DRAWS)
    return {
        "latitude": np.asarray(latitude),
        "longitude": np.asarray(longitude),
        "depth_km": np.clip(np.abs(depth), 0.0, 700.0),
        "magnitude": rng.uniform(edges[bin_], edges[bin_ + 1]),
    }
