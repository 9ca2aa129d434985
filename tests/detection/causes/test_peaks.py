"""The distribution of false triggers' peaks: recovered, censored, and checked in its tails."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.detection.causes import MagnitudeModel, learn_false_peaks


def history(log10_peak):
    count = len(log10_peak)
    start = pd.Timestamp("2027-01-01", tz="UTC")
    return pd.DataFrame(
        {
            "time": start + pd.to_timedelta(np.arange(count), unit="h"),
            "latitude": 46.0,
            "longitude": 7.0,
            "pga_m_s2": 10.0**log10_peak,
        }
    )


def test_mean_and_scatter_are_recovered_with_clipped_peaks():
    rng = np.random.default_rng(1)
    peaks = rng.normal(0.2, 0.7, 4000)
    learned = learn_false_peaks(history(np.minimum(peaks, np.log10(4.0))), clip_m_s2=4.0)
    assert learned.clipped == np.sum(peaks >= np.log10(4.0)) > 800
    assert learned.log10_mean == pytest.approx(0.2, abs=0.05)
    assert learned.log10_sd == pytest.approx(0.7, abs=0.04)
    assert np.isnan(learned.high_share) and learned.p_value > 0.01
    as_if_exact = learn_false_peaks(history(np.minimum(peaks, np.log10(4.0))))
    assert as_if_exact.log10_sd < 0.6  # the censoring matters
    model = MagnitudeModel(
        handling_log10_mean=learned.log10_mean, handling_log10_sd=learned.log10_sd
    )
    assert model.handling_log10_sd == learned.log10_sd


def test_p_values_are_those_of_a_fair_check():
    """Of normal peaks few histories are strange; with a heavier tail of strong peaks they are."""
    rng = np.random.default_rng(2)
    p = [learn_false_peaks(history(rng.normal(-0.5, 0.4, 1000))).p_value for _ in range(60)]
    assert np.mean(np.array(p) < 0.05) < 0.15
    heavy = np.where(rng.uniform(size=1000) < 0.12, rng.normal(0.8, 0.2, 1000),
                     rng.normal(-0.5, 0.2, 1000))  # fmt: skip
    learned = learn_false_peaks(history(heavy))
    assert learned.p_value < 0.01 and learned.high_share > 0.08


def test_the_check_is_on_later_peaks():
    rng = np.random.default_rng(3)
    drifting = np.concatenate([rng.normal(-0.5, 0.3, 700), rng.normal(0.2, 0.3, 300)])
    table = history(drifting).sample(frac=1.0, random_state=0)
    learned = learn_false_peaks(table)
    assert learned.log10_mean == pytest.approx(-0.5, abs=0.05) and learned.held_out == 300
    assert learned.p_value < 1e-6


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        (history(np.zeros(60)), {}, "60 peaks, of which 18"),
        (history(np.zeros(600)), {}, "all peaks are the same"),
        (history(np.zeros(600)).drop(columns="pga_m_s2"), {}, "no column 'pga_m_s2'"),
        (history(np.zeros(600)), {"tail": 0.7}, "tail"),
        (history(np.zeros(600)), {"held_out_share": 0.0}, "held_out_share"),
        (history(np.zeros(600)), {"clip_m_s2": 0.0}, "clip_m_s2"),
    ],
)
def test_histories_that_say_nothing(table, options, words):
    with pytest.raises(InputError, match=words):
        learn_false_peaks(table, **options)
