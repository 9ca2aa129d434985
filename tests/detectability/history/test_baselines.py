"""Baselines: monotone, as good as they should be, and behind where stations differ."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.detectability.history import (
    Design,
    Sensitivity,
    bmc,
    kth_distance_km,
    logistic,
    pmc,
    simulate,
)
from eqstat.geodesy import hypocentral_distance


@pytest.fixture(scope="module")
def history():
    return simulate(
        jax.random.key(1), Sensitivity(magnitude_50_km=1.8), Design(events=4000, extent_km=400.0)
    )


@pytest.mark.parametrize("method", [logistic, pmc, bmc])
def test_probabilities_are_near_the_shares(history, method):
    chance = method(history).detection_probability(history.events)
    hit = history.events["detected"].to_numpy()
    assert np.all((chance > 0) & (chance < 1))
    assert abs(chance.mean() - hit.mean()) < 0.03
    score = -np.mean(np.where(hit, np.log(chance), np.log1p(-chance)))
    share = hit.mean()
    base = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert score < 0.85 * base


def test_distance_of_the_kth_station(history):
    events = history.events.iloc[:5]
    distance = kth_distance_km(history, events)
    for row, (_, event) in enumerate(events.iterrows()):
        all_km = hypocentral_distance(
            event["latitude"], event["longitude"], event["depth_km"],
            history.stations["latitude"], history.stations["longitude"],
        )  # fmt: skip
        assert distance[row] == np.sort(all_km)[3]


def test_stronger_and_nearer_is_likelier(history):
    one = history.events.iloc[[0] * 3].reset_index(drop=True).assign(magnitude=[1.5, 2.5, 4.0])
    for method in (logistic, pmc, bmc):
        chance = method(history).detection_probability(one)
        assert chance[0] < chance[1] <= chance[2]


def test_completeness_is_the_mean_by_precision(history):
    result = bmc(history, cell_deg=1.0)
    cell = result.cells.iloc[0]
    one = history.events.iloc[:1].assign(
        latitude=cell["row"] + 0.5, longitude=cell["column"] + 0.5, depth_km=8.0
    )
    c1, c2, c3 = result.coefficients
    prior = c1 * kth_distance_km(history, one)[0] ** c2 + c3
    precision = 1 / result.prior_sd**2, 1 / cell["sd"] ** 2
    wanted = np.average([prior, cell["completeness"]], weights=precision)
    assert abs(result.completeness(one)[0] - wanted) < 1e-9


def test_without_cells_the_relation_is_all():
    history = simulate(
        jax.random.key(1), Sensitivity(magnitude_50_km=1.8), Design(events=300, extent_km=400.0)
    )
    result = bmc(history, fewest=200)
    assert result.cells.empty
    prior = 5.96 * kth_distance_km(history, history.events) ** 0.0803 - 5.80
    np.testing.assert_allclose(result.completeness(history.events), prior)


@pytest.mark.slow
def test_both_outcomes_are_needed():
    history = simulate(jax.random.key(1), Sensitivity(magnitude_50_km=9.0), Design(events=40))
    for method in (logistic, pmc, bmc):
        with pytest.raises(InputError, match="needs both detected and missed"):
            method(history)
    with pytest.raises(InputError, match="cell_deg must be above 0"):
        bmc(history, cell_deg=0.0)
