"""Speed of `eqstat.waveform.recurrent`: `make bench`.

Required, on two cores: 1,000 windows scored in at most 100 ms.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest

from eqstat.inference.descent import TrainingOptions
from eqstat.waveform import Record
from eqstat.waveform.recurrent import (
    RecurrentSettings,
    crowdquake,
    prepare,
    score,
    scorer,
    train,
)

WINDOWS = 1000
SETTINGS = {
    "ours 31 Hz": RecurrentSettings(rate_hz=31.25),
    "ours 100 Hz": RecurrentSettings(rate_hz=100.0),
    "CrowdQuake 100 Hz": crowdquake(100.0),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_score_of_a_thousand_windows(benchmark: Any, name: str) -> None:
    """An ensemble of five, hardly trained: its speed does not depend on that."""
    settings = SETTINGS[name]
    rng = np.random.default_rng(0)
    size = 4 * settings.samples
    records = [
        Record(
            acceleration_m_s2=rng.normal(0, 0.005 + 0.015 * (n % 2), (3, size)),
            rate_hz=settings.rate_hz, start_time=None, gravity="out", name=f"r{n}",
        )
        for n in range(20)
    ]  # fmt: skip
    labels = pd.DataFrame({"is_earthquake": [n % 2 == 1 for n in range(20)]})
    waves = prepare(records, settings, labels=labels)
    options = TrainingOptions(epochs=1, batch=16)
    trained = train(jax.random.key(0), waves, group="record", options=options, progress=False)
    made = scorer(trained)
    samples = rng.normal(0, 0.1, (WINDOWS, 3, settings.samples)).astype(np.float32)
    compiled = eqx.filter_jit(score)

    def run() -> Any:
        return jax.block_until_ready(compiled(made, samples))

    answer = benchmark.pedantic(run, rounds=10, warmup_rounds=2)
    assert answer.log_ratio.shape == (WINDOWS,)
