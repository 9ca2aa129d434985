"""The miss probability by hour of the day: one town of 50 to 50,000 phones.

Earthquakes 15 km away, magnitudes of the Gutenberg-Richter relation with b = 1. The share of active
phones is that of `eqstat.simulation.active_share`: 0.8 at 3 h, 0.2 at 14 h.

    python validation/check_detectability_day.py
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from records import Record, record, show

from eqstat.detectability import Rule, miss_probability, poisson_rule, prepare
from eqstat.simulation import active_share

PHONES = (100, 500, 2500, 12_500)
HOURS, MAGNITUDES = np.arange(24.0), np.arange(2.5, 6.6, 0.25)


def check(phones: tuple[int, ...] = PHONES) -> list[Record]:
    """Hours of the least and greatest miss probability, and how much the hour matters."""
    records, share = [], active_share(HOURS)
    weight = 10.0**-MAGNITUDES
    for number in phones:
        rng = np.random.default_rng(0)
        place = rng.normal(0, 0.05, (2, 60))
        town = pd.DataFrame(
            {"latitude": place[0], "longitude": place[1], "phones": number / place.shape[1]}
        )
        result = miss_probability(
            prepare(town, devices="phones"), Rule(poisson_rule(0.016)), 0.0, 0.135, MAGNITUDES,
            hour=HOURS, active_share=share,
        )["miss_probability"].squeeze().transpose("magnitude", "hour").to_numpy()  # fmt: skip
        by_hour = np.average(result, axis=0, weights=weight)
        label = f"{0.2 * number:.0f} active phones by day"
        spread = np.ptp(result, axis=1)
        large = MAGNITUDES >= 4
        records += [
            record(f"{label}: hour of the least miss probability", HOURS[by_hour.argmin()]),
            record(f"{label}: hour of the greatest", HOURS[by_hour.argmax()]),
            record(f"{label}: range over the day, magnitude 4 and more, mean",
                   np.average(spread[large], weights=weight[large]), unit="%"),
            record(f"{label}: greatest range over the day, of any magnitude", spread.max(),
                   unit="%"),
            record(f"{label}: magnitude at which that is", MAGNITUDES[spread.argmax()]),
        ]  # fmt: skip
    return records


if __name__ == "__main__":
    show(check())
