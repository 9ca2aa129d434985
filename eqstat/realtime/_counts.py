"""Scorer of counts, by the tables of `eqstat.counts.alarm.scorer`."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.checks import check_kind
from eqstat.counts import alarm
from eqstat.edge import ANY_DAY, Answer, Calibration, Status, rows
from eqstat.realtime._protocol import Prepared, Scorer, rows_like, structs

STATIC = ("regions", "between", "is_slow")


class CountScorer(Scorer):
    """Score counts of triggers against their background.

    An answer has `false_alarm_probability` (of one window), `false_alarm_rate_per_year` (of a
    sliding window with this count as threshold), and as `margin` the triggers above the threshold.

    Attributes
    ----------
    tables
        From `eqstat.counts.alarm.scorer`.
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> from eqstat.counts import Background, alarm
    >>> from eqstat.realtime import compile
    >>> tables = alarm.scorer(Background("poisson", 5.76), most_active=100, most_triggers=32)
    >>> compiled = compile(CountScorer.init(tables), buckets=(8,))
    >>> compiled.score(triggers=[2, 20, float("nan")], active=80, hour=12.5).status.tolist()
    [0, 0, 2]
    """

    tables: alarm.Scorer
    kind: ClassVar[str] = "counts"
    units: ClassVar[dict[str, str]] = {"hour": "h, local", "day": "0 Monday, 7 any"}

    @classmethod
    def init(cls, tables: alarm.Scorer, *, calibration: Calibration | None = None) -> CountScorer:
        """Make the scorer of tables, with what was measured of them."""
        check_kind("CountScorer", alarm.Scorer, "use `counts.alarm.scorer`", tables=tables)
        return cls(tables, calibration=calibration)

    def prepare(
        self, triggers: Any, active: Any, hour: Any, region: Any = 0, day: Any = ANY_DAY
    ) -> Prepared:
        """Bring counts, one or rows, into arrays; arguments as of `eqstat.counts.alarm.score`."""
        given = rows(triggers=triggers, active=active, hour=hour, region=region, day=day)
        return rows_like(*given)

    def score(self, inputs: dict[str, Any]) -> Answer:
        """Score padded rows."""
        whole = [jnp.nan_to_num(inputs[name], nan=-1.0) for name in ("region", "day")]
        is_whole = [w == jnp.floor(w) for w in whole]
        region, day = (
            jnp.where(ok, w, -1).astype(int) for ok, w in zip(is_whole, whole, strict=True)
        )
        counted = (inputs[name] for name in ("triggers", "active", "hour"))
        scores = alarm.score(self.tables, *counted, region=region, day=day)
        return Answer(
            false_alarm_probability=scores.false_alarm_probability,
            false_alarm_rate_per_year=scores.false_alarm_rate_per_year,
            margin=scores.margin,
            status=scores.status.astype(jnp.int32),
        )

    def shapes(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of a bucket."""
        return structs(size, np.float32, triggers=(), active=(), hour=(), region=(), day=())

    def content(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Tables by their names in `eqstat.counts.alarm.Scorer`."""
        arrays, settings = {}, {"rate_step": alarm.RATE_STEP}
        for field in dataclasses.fields(self.tables):
            value = getattr(self.tables, field.name)
            if field.name in STATIC:
                settings[field.name] = value
            elif isinstance(value, alarm.SlowIntensity):
                parts = dataclasses.fields(value)
                arrays |= {f"slow.{p.name}": np.asarray(getattr(value, p.name)) for p in parts}
            elif value is not None:
                arrays[field.name] = np.asarray(value)
        return arrays, settings

    @classmethod
    def from_content(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        calibration: Calibration | None,
    ) -> CountScorer:
        """Make the scorer of an artefact."""
        slow = {n[5:]: jnp.asarray(v) for n, v in arrays.items() if n.startswith("slow.")}
        fields: dict[str, Any] = {n: jnp.asarray(v) for n, v in arrays.items() if "." not in n}
        fields |= {name: settings[name] for name in STATIC}
        fields["regions"] = tuple(map(str, fields["regions"]))
        return cls(
            alarm.Scorer(**fields, slow=alarm.SlowIntensity(**slow)), calibration=calibration
        )

    def cases(self) -> list[dict[str, np.ndarray]]:
        """One set of rows: counts over the tables, and some that cannot be."""
        rng = np.random.default_rng(0)
        regions, most = len(self.tables.regions), self.tables.table.shape[2]
        active = np.exp(rng.uniform(0, float(self.tables.log_devices[-1]) + 0.5, 64)).round()
        triggers = np.minimum((active ** rng.uniform(0, 1, 64)).round(), 1.2 * most).round()
        made = {
            "triggers": np.append(triggers, [np.nan, -1, 9, 2.5]),
            "active": np.append(active, [5, 5, 3, 5]),
            "hour": rng.uniform(0, 24, 68),
            "region": rng.integers(0, regions, 68),
            "day": rng.integers(0, 8, 68),
        }
        return [{name: values.astype(np.float32) for name, values in made.items()}]


assert {s.value for s in (Status.OK, Status.BEYOND, Status.BAD_INPUT)} == {0, 1, 2}
