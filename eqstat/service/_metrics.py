"""Figures of a running service: latencies by histogram, counters, as text of Prometheus."""

from __future__ import annotations

import bisect
import resource
from collections import Counter
from collections.abc import Mapping

import numpy as np

# Upper bounds of latencies, s: ten for each factor of ten, from 0.1 ms to 100 s.
BOUNDS = tuple(float(x) for x in np.round(10.0 ** np.arange(-4.0, 2.05, 0.1), 7))


class Histogram:
    """Counts of latencies between fixed bounds; its size never changes.

    Examples
    --------
    >>> histogram = Histogram()
    >>> for latency_s in (0.001, 0.002, 0.5):
    ...     histogram.add(latency_s)
    >>> 0.0019 < histogram.quantile(0.5) < 0.0026, histogram.largest
    (True, 0.5)
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total, self.largest = 0.0, 0.0

    def add(self, latency_s: float) -> None:
        """Count a latency."""
        self.counts[bisect.bisect_left(BOUNDS, latency_s)] += 1
        self.total += latency_s
        self.largest = max(self.largest, latency_s)

    @property
    def number(self) -> int:
        """Number of latencies."""
        return sum(self.counts)

    def quantile(self, probability: float) -> float:
        """Upper bound of a quantile, s; 0 where nothing was counted."""
        number = self.number
        if not number:
            return 0.0
        at = int(np.searchsorted(np.cumsum(self.counts), probability * number))
        return min(BOUNDS[at], self.largest) if at < len(BOUNDS) else self.largest


class Metrics:
    """All figures of a service; threads may share it."""

    def __init__(self) -> None:
        self.quiet, self.awake, self.alarm = Histogram(), Histogram(), Histogram()
        self.counters: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}

    @property
    def stages(self) -> dict[str, Histogram]:
        """Latencies by stage."""
        return {"quiet": self.quiet, "awake": self.awake, "alarm": self.alarm}

    def text(self, fates: Mapping[str, int], client: Mapping[str, int]) -> str:
        """Text of Prometheus, exposition format 0.0.4."""
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        lines = ["# TYPE eqstat_messages_total counter"]
        lines += [f'eqstat_messages_total{{fate="{k.lower()}"}} {v}' for k, v in fates.items()]
        lines += ["# TYPE eqstat_broker_total counter"]
        lines += [f'eqstat_broker_total{{what="{k}"}} {v}' for k, v in client.items()]
        lines += ["# TYPE eqstat_events_total counter"]
        lines += [f'eqstat_events_total{{what="{k}"}} {v}' for k, v in self.counters.items()]
        for name, value in (self.gauges | {"largest_resident_bytes": memory}).items():
            lines += [f"# TYPE eqstat_{name} gauge", f"eqstat_{name} {value:.10g}"]
        lines.append("# TYPE eqstat_decision_seconds histogram")
        for stage, histogram in self.stages.items():
            sums = np.cumsum(histogram.counts)
            for bound, count in zip([*map(repr, BOUNDS), "+Inf"], sums, strict=True):
                lines.append(
                    f'eqstat_decision_seconds_bucket{{stage="{stage}",le="{bound}"}} {count}'
                )
            lines.append(f'eqstat_decision_seconds_sum{{stage="{stage}"}} {histogram.total:.6f}')
            lines.append(f'eqstat_decision_seconds_count{{stage="{stage}"}} {histogram.number}')
        return "\n".join(lines) + "\n"

    def summary(self) -> dict[str, dict[str, float]]:
        """Quantiles of the latencies, ms, by stage."""
        return {
            stage: {
                "count": histogram.number,
                "median_ms": 1e3 * histogram.quantile(0.5),
                "p99_ms": 1e3 * histogram.quantile(0.99),
                "p999_ms": 1e3 * histogram.quantile(0.999),
                "largest_ms": 1e3 * histogram.largest,
            }
            for stage, histogram in self.stages.items()
        }
