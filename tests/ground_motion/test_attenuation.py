"""Quantiles along distance are those of the predictor."""

import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.ground_motion import PointSource, attenuation


def test_deep_sources_have_a_range_of_their_own():
    found = attenuation(PointSource(), 7.0, depth_km=300.0)
    assert np.all(np.diff(found["distance"]) > 0)
    assert float(found["distance"][0]) == pytest.approx(300.0)


@pytest.mark.slow
def test_quantiles_are_those_of_the_normal():
    found = attenuation(PointSource(), 6.0, distance_km=[20.0, 100.0], probability=0.8)
    mean = np.asarray(PointSource().mean(6.0, np.array([20.0, 100.0])), float)
    sd = np.sqrt(0.39**2 + 0.39**2 + 0.552**2) / np.log(10)
    for name, p in (("low_m_s2", 0.1), ("median_m_s2", 0.5), ("high_m_s2", 0.9)):
        np.testing.assert_allclose(found[name], 10 ** (mean + sd * stats.norm.ppf(p)), rtol=1e-3)
    assert found.attrs["interval_probability"] == 0.8
    default = attenuation(PointSource(), 6.0, depth_km=30)
    assert float(default["distance"][0]) == pytest.approx(30.0)


@pytest.mark.parametrize("wrong", [{"distance_km": [0.0]}, {"probability": 1.0}])
def test_bad_input_is_told(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        attenuation(PointSource(), 6.0, **wrong)
