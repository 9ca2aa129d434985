"""Scorer of coincidences of a few sensors, each with its own rate of false pre-warnings."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.checks import check_kind, check_whole
from eqstat.counts.coincidence import (
    Sensors,
    log_chance,
    log_coincidences_per_year,
    log_odds_of_earthquake,
    smallest_required,
)
from eqstat.edge import Answer, Calibration, coincidence, sensor_rows
from eqstat.realtime._protocol import Prepared, TableScorer, in_jax, rows_like, structs

MOST_CASES = 32


class CoincidenceScorer(TableScorer):
    """Score which of a few sensors pre-warned within a frame.

    An answer has `earthquake_probability`; `false_alarm_probability` and
    `false_alarm_rate_per_year`, by chance, of as many pre-warnings; `miss_probability`, with which
    fewer than required of the listening sensors pre-warn in an earthquake; and as `margin` the
    pre-warnings above the required number. Where sensors do not listen, chances by all of them are
    given, which are larger.

    Attributes
    ----------
    model
        Arrays of `eqstat.edge.coincidence`.
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> from eqstat.realtime import compile
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> compiled = compile(CoincidenceScorer.init(sensors, frame_s=2.0), buckets=(8,))
    >>> answer = compiled.score([True, True, True])
    >>> round(answer.earthquake_probability, 4), answer.margin
    (0.9999, 0.0)
    """

    kind: ClassVar[str] = "coincidence"

    @classmethod
    def init(
        cls,
        sensors: Sensors,
        *,
        frame_s: float | int,
        earthquakes_per_year: float | int = 5.0,
        false_alarm_rate_per_year: float | int = 1.0,
        required: int | None = None,
        calibration: Calibration | None = None,
    ) -> CoincidenceScorer:
        """Make the scorer of sensors.

        Parameters
        ----------
        sensors
            Rates of false pre-warnings and pick probabilities.
        frame_s, earthquakes_per_year
            As in `eqstat.counts.coincidence.log_odds_of_earthquake`.
        false_alarm_rate_per_year
            Budget that gives the number of sensors required, where that is not given.
        required
            Number of sensors required for an alarm.
        calibration
            Measured error rates.
        """
        check_kind("CoincidenceScorer", Sensors, "see `counts.coincidence`", sensors=sensors)
        width = len(sensors.shape)
        if required is None:
            budget = {"frame_s": frame_s, "false_alarm_rate_per_year": false_alarm_rate_per_year}
            required = smallest_required(sensors, **budget) or width + 1
        check_whole("CoincidenceScorer", 1, width + 1, required=required)
        options = {"frame_s": frame_s, "earthquakes_per_year": earthquakes_per_year}
        none, one = np.zeros(width, bool), np.eye(width, dtype=bool)
        silent = log_odds_of_earthquake(sensors, none, **options)
        _, log_off = sensors.log_chance(frame_s)
        miss = np.log(sensors.missed / (sensors.picked + sensors.missed))
        # What a sensor that pre-warns adds to the odds, by those of it alone.
        log_ratio_on = log_odds_of_earthquake(sensors, one, **options) - silent + miss
        numbers = np.arange(width + 1)
        rate = log_coincidences_per_year(sensors, np.maximum(numbers, 1), frame_s)
        model = {
            "log_ratio_on": log_ratio_on,
            "log_miss": miss,
            "hit_probability": -np.expm1(miss + log_off),
            "log_chance": np.maximum(log_chance(sensors, numbers, frame_s), -700.0),
            "log_rate_per_year": np.where(numbers > 0, rate, np.nan),
            "log_prior_odds": silent - miss.sum(),
            "required": required,
        }
        return cls(
            {name: np.asarray(v, np.float32) for name, v in model.items()}, calibration=calibration
        )

    def prepare(self, pre_warned: Any, listening: Any = None) -> Prepared:
        """Bring pre-warnings, (sensors,) or (n, sensors), into rows; all sensors listen if None."""
        given, heard, single = sensor_rows(len(self.model["log_miss"]), pre_warned, listening)
        return rows_like({"pre_warned": given, "listening": heard}, single)

    def score(self, inputs: dict[str, Any]) -> Answer:
        """Score padded rows."""
        return coincidence(jnp, in_jax(self.model), inputs["pre_warned"], inputs["listening"])

    def shapes(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of a bucket."""
        width = (len(self.model["log_miss"]),)
        return structs(size, np.float32, pre_warned=width, listening=width)

    def cases(self) -> list[dict[str, np.ndarray]]:
        """One set of rows, the last of which cannot be."""
        rng = np.random.default_rng(0)
        shape = MOST_CASES, len(self.model["log_miss"])
        on = rng.random(shape) < rng.random((MOST_CASES, 1))
        heard = (rng.random(shape) < 0.9).astype(np.float32)
        given = on.astype(np.float32)
        given[-1, 0] = np.nan
        return [{"pre_warned": given, "listening": heard}]
