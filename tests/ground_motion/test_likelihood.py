"""The closed forms against the full covariance matrix of all records."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
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
    region_sd=0.2,
    region_level=[0.0, 0.3, -0.3],
)


def plain(motion):
    return {f.name: np.asarray(getattr(motion, f.name), float) for f in dataclasses.fields(motion)}


def by_hand(motion, motions, magnitude_sd=0.0, stations=True):
    """Mean and covariance of all records, term by term, and the membership matrices."""
    p, t = plain(motion), motions.table
    m, r = t["magnitude"].to_numpy(), t["distance_km"].to_numpy()
    vs30 = t["vs30_m_s"].to_numpy() if "vs30_m_s" in t else np.full(len(t), np.nan)
    site = np.where(np.isnan(vs30), p["vs30_log10_mean"], np.log10(vs30))
    h = p["saturation_km"] * 10 ** (p["saturation_slope"] * (m - 5))
    logs = np.log10(np.hypot(r, h) / 10)
    mean = p["level"] + p["magnitude_slope"] * (m - 5) + p["magnitude_bend"] * (m - 5) ** 2
    mean -= (p["spreading"] + p["spreading_slope"] * (m - 5)) * logs
    mean -= p["anelastic_per_100_km"] * r / 100
    mean += p["depth_slope"] * (t["depth_km"].to_numpy() - 8) / 10
    mean += p["vs30_slope"] * (site - np.log10(760))
    if stations:
        decades = np.log10(t["distance_km"])
        own = decades.groupby(t["station"]).transform("mean") - decades.mean()
        mean += p["station_distance_slope"] * own.to_numpy()
    if "region" in t and len(motions.regions) > 1:
        mean += p["region_level"][[motions.regions.index(name) for name in t["region"]]]
    one = (t["event"].to_numpy()[:, None] == np.array(motions.events)).astype(float)
    slope = p["magnitude_slope"] + 2 * p["magnitude_bend"] * (m - 5) - p["spreading_slope"] * logs
    slope = (one.T @ slope) / one.sum(axis=0)
    events = one * np.sqrt(p["event_sd"] ** 2 + (slope * magnitude_sd) ** 2)
    hidden = (p["vs30_slope"] * p["vs30_log10_sd"]) ** 2 * np.isnan(vs30)
    own = p["record_sd"] * 10 ** (p["record_sd_slope"] * (m - 5))
    cov = np.diag(own**2) + events @ events.T
    two = None
    if stations:
        two = (t["station"].to_numpy()[:, None] == np.array(motions.stations)).astype(float)
        cov += two @ two.T * (p["station_sd"] ** 2 + hidden[:, None])
    else:
        cov += np.diag(hidden)
    return mean, cov, events, two


def population(motion, motions):
    p, known = plain(motion), motions.data.population_weight > 0
    return np.sum(
        stats.norm.logpdf(
            np.asarray(motions.data.population)[known], p["vs30_log10_mean"], p["vs30_log10_sd"]
        )
    )


def ours(function, motion, data):
    with jax.enable_x64(True):
        arrays = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, float)), motion)
        return jax.tree.map(np.asarray, jax.jit(function)(arrays, jax.tree.map(jnp.asarray, data)))


@pytest.mark.parametrize(("events", "stations"), [(17, 40), (50, 9)])
@pytest.mark.parametrize("motion", [TRUTH, OTHER])
def test_marginal_likelihood_is_that_of_the_full_covariance(events, stations, motion):
    design = Design(events, stations, regions=3, unknown_share=0.3, recorded=0.4)
    motions = simulate(jax.random.key(events), TRUTH, design)
    mean, cov, _, _ = by_hand(motion, motions)
    y = np.log10(motions.table["pga_m_s2"].to_numpy())
    expected = stats.multivariate_normal.logpdf(y, mean, cov) + population(motion, motions)
    assert float(ours(log_likelihood, motion, motions.data)) == pytest.approx(expected, abs=1e-6)


def test_records_without_stations_and_with_uncertain_magnitudes():
    table = simulate(jax.random.key(0), TRUTH, Design(12, 15, regions=3, unknown_share=0.4)).table
    table = table.drop(columns="station")
    motions = prepare(
        table, max_distance_km=np.inf, region="region", magnitude_sd=0.3, check_unit=False
    )
    mean, cov, _, _ = by_hand(TRUTH, motions, magnitude_sd=0.3, stations=False)
    y = np.log10(motions.table["pga_m_s2"].to_numpy())
    expected = stats.multivariate_normal.logpdf(y, mean, cov) + population(TRUTH, motions)
    assert float(ours(log_likelihood, TRUTH, motions.data)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("events", "stations"), [(15, 25), (20, 6)])
def test_terms_are_those_of_brute_force_conditioning(events, stations):
    design = Design(events, stations, regions=3, unknown_share=0.3, recorded=0.5)
    motions = simulate(jax.random.key(3), TRUTH, design)
    mean, cov, event_part, member = by_hand(OTHER, motions)
    inverse = np.linalg.inv(cov)
    rest = np.log10(motions.table["pga_m_s2"].to_numpy()) - mean
    got = ours(random_effects, OTHER, motions.data)
    p = plain(OTHER)
    cross = event_part * p["event_sd"]
    np.testing.assert_allclose(got.event_mean[:events], cross.T @ inverse @ rest, atol=1e-9)
    variance = p["event_sd"] ** 2 - np.sum(cross * (inverse @ cross), axis=0)
    np.testing.assert_allclose(got.event_sd[:events] ** 2, variance, atol=1e-9)
    unknown = np.asarray(motions.data.station_unknown)[: len(motions.stations)]
    prior = p["station_sd"] ** 2 + unknown * (p["vs30_slope"] * p["vs30_log10_sd"]) ** 2
    cross = member * prior
    known = len(motions.stations)
    np.testing.assert_allclose(got.station_mean[:known], cross.T @ inverse @ rest, atol=1e-9)
    variance = prior - np.sum(cross * (inverse @ cross), axis=0)
    np.testing.assert_allclose(got.station_sd[:known] ** 2, variance, atol=1e-9)


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
