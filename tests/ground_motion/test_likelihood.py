"""The closed forms against the full covariance matrix of all records."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy import stats

from eqstat.ground_motion import (
    Design,
    GroundMotion,
    log_likelihood,
    prepare,
    random_effects,
    simulate,
)
from eqstat.ground_motion._model import site_names
from eqstat.ground_motion._parameters import LEAST_SD

from .dense import by_hand, ours, plain, population

TRUTH = GroundMotion(
    event_sd=0.25, station_sd=0.2, record_sd=0.3, region_sd=0.2, region_level=[0.2, -0.1, 0.1]
)
OTHER = GroundMotion(
    level=-0.1,
    saturation_km=9.0,
    depth_slope=0.2,
    station_distance_slope=0.3,
    event_sd=0.4,
    station_sd=0.15,
    record_sd=0.35,
    record_sd_slope=-0.1,
    spreading_sd=0.3,
    correlated_share=0.7,
    correlation_km=60.0,
    correlation_growth=0.6,
    region_sd=0.2,
    region_level=[0.0, 0.3, -0.3],
)


@pytest.mark.slow
@pytest.mark.parametrize(("events", "stations"), [(17, 40), (50, 9)])
@pytest.mark.parametrize("motion", [TRUTH, OTHER])
def test_marginal_likelihood_is_that_of_the_full_covariance(events, stations, motion):
    design = Design(events, stations, regions=3, unknown_share=0.3, recorded=0.4)
    motions = simulate(jax.random.key(events), TRUTH, design)
    mean, cov, _, _ = by_hand(motion, motions)
    y = np.log10(motions.table["pga_m_s2"].to_numpy())
    expected = stats.multivariate_normal.logpdf(y, mean, cov) + population(motion, motions)
    assert float(ours(log_likelihood, motion, motions.data)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("places", ["none", "some"])
def test_records_without_coordinates_are_independent_of_the_others(places):
    design = Design(12, 15, regions=3, unknown_share=0.3, recorded=0.6)
    table = simulate(jax.random.key(2), TRUTH, design).table
    if places == "none":
        table = table.drop(columns=["latitude", "longitude"])
    else:
        table.loc[::3, ["latitude", "longitude"]] = np.nan
    motions = prepare(table, max_distance_km=np.inf, region="region", check_unit=False)
    assert motions.data.located == (places == "some")
    mean, cov, _, _ = by_hand(OTHER, motions)
    y = np.log10(motions.table["pga_m_s2"].to_numpy())
    expected = stats.multivariate_normal.logpdf(y, mean, cov) + population(OTHER, motions)
    assert float(ours(log_likelihood, OTHER, motions.data)) == pytest.approx(expected, abs=1e-6)
    names = site_names(motions.data)
    assert ("correlated_share" in names) == (places == "some")


@pytest.mark.parametrize("drop", [[], ["latitude", "longitude"]])
def test_records_without_stations_and_with_uncertain_magnitudes(drop):
    table = simulate(jax.random.key(0), TRUTH, Design(12, 15, regions=3, unknown_share=0.4)).table
    table = table.drop(columns=["station", *drop])
    motions = prepare(
        table, max_distance_km=np.inf, region="region", magnitude_sd=0.3, check_unit=False
    )
    mean, cov, _, _ = by_hand(TRUTH, motions, magnitude_sd=0.3, stations=False)
    y = np.log10(motions.table["pga_m_s2"].to_numpy())
    expected = stats.multivariate_normal.logpdf(y, mean, cov) + population(TRUTH, motions)
    assert float(ours(log_likelihood, TRUTH, motions.data)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("events", "stations"), [(15, 25), (20, 6)])
def test_terms_are_those_of_brute_force_conditioning(events, stations):
    design = Design(events, stations, regions=3, unknown_share=0.3, recorded=0.5)
    motions = simulate(jax.random.key(3), TRUTH, design)
    mean, cov, (event_part, decay), member = by_hand(OTHER, motions)
    inverse = np.linalg.inv(cov)
    rest = np.log10(motions.table["pga_m_s2"].to_numpy()) - mean
    got = ours(random_effects, OTHER, motions.data)
    p = plain(OTHER)
    cross = event_part * p["event_sd"]
    np.testing.assert_allclose(got.event_mean[:events], cross.T @ inverse @ rest, atol=1e-9)
    variance = p["event_sd"] ** 2 - np.sum(cross * (inverse @ cross), axis=0)
    np.testing.assert_allclose(got.event_sd[:events] ** 2, variance, atol=1e-9)
    cross = decay * p["spreading_sd"] ** 2
    np.testing.assert_allclose(got.spreading_mean[:events], cross.T @ inverse @ rest, atol=1e-9)
    variance = p["spreading_sd"] ** 2 - np.sum(cross * (inverse @ cross), axis=0)
    np.testing.assert_allclose(got.spreading_sd[:events] ** 2, variance, atol=1e-9)
    unknown = np.asarray(motions.data.station_unknown)[: len(motions.stations)]
    prior = p["station_sd"] ** 2 + unknown * (p["vs30_slope"] * p["vs30_log10_sd"]) ** 2
    cross = member * prior
    known = len(motions.stations)
    np.testing.assert_allclose(got.station_mean[:known], cross.T @ inverse @ rest, atol=1e-9)
    variance = prior - np.sum(cross * (inverse @ cross), axis=0)
    np.testing.assert_allclose(got.station_sd[:known] ** 2, variance, atol=1e-9)


@pytest.mark.parametrize("drop", [[], ["latitude", "longitude"]])
@pytest.mark.parametrize("slope", [0.0, -2.0])
def test_scatter_below_that_of_rounding_is_that_of_rounding(drop, slope):
    # Of two events at three stations; the density of smaller scatter was 1e12 by loss of digits.
    one_region = dict(region_sd=0.0, region_level=[0.0])
    truth = dataclasses.replace(TRUTH, **one_region)
    table = simulate(jax.random.key(4), truth, Design(2, 3, recorded=1.0)).table
    table = table.drop(columns=drop).assign(magnitude=7.5)
    motions = prepare(table, max_distance_km=np.inf, check_unit=False)
    small = dataclasses.replace(OTHER, record_sd=1e-6, record_sd_slope=slope, **one_region)
    least = dataclasses.replace(OTHER, record_sd=LEAST_SD, record_sd_slope=0.0, **one_region)
    mean, cov, _, _ = by_hand(least, motions)
    y = np.log10(motions.table["pga_m_s2"].to_numpy())
    expected = stats.multivariate_normal.logpdf(y, mean, cov) + population(least, motions)
    assert float(ours(log_likelihood, small, motions.data)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_gradients_are_finite_and_right():
    motions = simulate(jax.random.key(1), TRUTH, Design(10, 12, regions=3, unknown_share=0.3))
    slope = ours(jax.grad(log_likelihood), OTHER, motions.data)
    for name in (
        "level",
        "station_distance_slope",
        "saturation_km",
        "event_sd",
        "vs30_log10_sd",
        "record_sd_slope",
        "spreading_sd",
        "correlated_share",
        "correlation_km",
        "correlation_growth",
    ):
        value, step = float(getattr(OTHER, name)), 1e-5
        ends = []
        for side in (-1, 1):
            moved = eqx.tree_at(
                lambda m, n=name: getattr(m, n), OTHER, np.array(value + side * step)
            )
            ends.append(float(ours(log_likelihood, moved, motions.data)))
        numeric = (ends[1] - ends[0]) / (2 * step)
        assert float(getattr(slope, name)) == pytest.approx(numeric, rel=1e-4, abs=1e-3)
