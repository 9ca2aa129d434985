"""Felt-only records: the likelihood against quadrature, recovery, and what the plain fit does."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from scipy import integrate, stats

from eqstat import InputError, ground_motion
from eqstat.ground_motion import Design, GroundMotion, felt, simulate
from eqstat.ground_motion.mixture import mean_and_sd

pytestmark = pytest.mark.slow

TRUE = GroundMotion(
    vs30_slope=0.0, station_sd=0.0, spreading_sd=0.0, correlated_share=0.0, depth_slope=0.1
)
# Half of the records and more are below.
FLOOR = 0.15
DESIGN = Design(events=100, stations=25, extent_km=200.0, recorded=1.0)


def records(seed, out_of_order=0.0, design=DESIGN):
    """Records of the true parameters, cut at the floor, with their silent stations."""
    complete = simulate(jax.random.key(seed), TRUE, design).table
    key = jax.random.fold_in(jax.random.key(seed), 1)
    table = felt.thin(key, complete, FLOOR, out_of_order=out_of_order)
    # Names and places of stations would be terms of the plain fit, which the truth does not have.
    return table.drop(columns=["vs30_m_s", "station", "latitude", "longitude"], errors="ignore")


def by_quadrature(table, out_of_order):
    """The log likelihood event by event with adaptive quadrature in the event term."""
    value = 0.0
    tau, phi, c = 0.3, 0.25, np.log10(FLOOR)
    truncated = not table["pga_m_s2"].isna().any()
    for _, rows in table.groupby("event"):
        mean = np.asarray(
            ground_motion.median(
                TRUE, *(jnp.asarray(rows[n].to_numpy()) for n in
                ("magnitude", "distance_km", "depth_km")), 2.6,
            )
        )  # fmt: skip
        y = np.log10(rows["pga_m_s2"].to_numpy())
        quiet = np.isnan(y)

        def log_density(eta, mean=mean, y=y, quiet=quiet):
            each = stats.norm.logpdf(y[~quiet], mean[~quiet] + eta, phi)
            if truncated:
                each = each - stats.norm.logsf(c, mean + eta, phi)
            silent = out_of_order + (1 - out_of_order) * stats.norm.cdf(c, mean[quiet] + eta, phi)
            if not truncated:
                each = each + np.log1p(-out_of_order)
            return each.sum() + np.log(silent).sum() + stats.norm.logpdf(eta, 0, tau)

        grid = np.linspace(-2, 2, 4001)
        log = np.array([log_density(eta) for eta in grid])
        value += log.max() + np.log(integrate.simpson(np.exp(log - log.max()), x=grid))
    return value


@pytest.mark.parametrize(("silent", "share"), [(True, 0.0), (True, 0.15), (False, 0.0)])
def test_likelihood_is_the_integral(silent, share):
    table = records(0, share, Design(events=8, stations=9, extent_km=200.0, recorded=1.0))
    table = table if silent else table.dropna(subset=["pga_m_s2"])
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, felt.prepare(table, FLOOR).data)
        assert data.truncated is not silent
        got = felt.log_likelihood(TRUE, data, share)
        wanted = by_quadrature(table, share)
    assert float(got) == pytest.approx(wanted, abs=1e-4)

    # The derivative against a difference.
    def at(level):
        motion = GroundMotion(level=level, vs30_slope=0.0, depth_slope=0.1)
        return felt.log_likelihood(motion, data, share)

    with jax.enable_x64(True):
        slope = jax.grad(at)(-0.3)
        ends = at(-0.3 - 1e-4), at(-0.3 + 1e-4)
    assert float(slope) == pytest.approx(float(ends[1] - ends[0]) / 2e-4, rel=1e-3, abs=1e-3)


def test_silent_stations_without_a_scatter_between_events():
    # One event whose term is 0: a product of tails and densities.
    table = records(1, design=Design(events=1, stations=20, extent_km=300.0, recorded=1.0))
    assert 0 < table["pga_m_s2"].isna().sum() < 20
    data = felt.prepare(table, FLOOR).data
    one = GroundMotion(vs30_slope=0.0, event_sd=1e-6, depth_slope=0.1)
    given = (table[name].to_numpy() for name in ("magnitude", "distance_km", "depth_km"))
    mean = np.asarray(ground_motion.median(one, *given, 2.6))
    y = np.log10(table["pga_m_s2"].to_numpy())
    each = np.where(
        np.isnan(y),
        stats.norm.logcdf(np.log10(FLOOR), mean, 0.25),
        stats.norm.logpdf(np.nan_to_num(y), mean, 0.25),
    )
    assert float(felt.log_likelihood(one, data)) == pytest.approx(each.sum(), rel=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("silent", [True, False])
def test_parameters_are_recovered_where_the_plain_fit_is_biased(silent):
    # Truncated records need earthquakes that all have many of them: weak ones that are there at all
    # are those with strong event terms, of which only silent stations tell.
    design = DESIGN if silent else dataclasses.replace(DESIGN, min_magnitude=5.5)
    table = records(2, design=design)
    felt_only = table.dropna(subset=["pga_m_s2"])
    assert len(felt_only) < 0.8 * len(table)
    result = felt.fit(felt.prepare(table if silent else felt_only, FLOOR))
    plain = ground_motion.fit(felt_only)
    for name in ("spreading", "record_sd"):
        true, error = float(getattr(TRUE, name)), result.standard_error[name]
        assert abs(result[name] - true) < 4 * error
    # The same distance from the truth is no chance for the plain fit.
    assert abs(plain["spreading"] - 1.4) > 4 * plain.standard_error["spreading"]
    mixture = result.predictor()(5.5, jnp.array([20.0, 100.0, 200.0]), 8.0, jnp.nan)
    wanted = ground_motion.median(TRUE, 5.5, jnp.array([20.0, 100.0, 200.0]), 8.0, 2.6)
    np.testing.assert_allclose(mean_and_sd(mixture)[0], wanted, atol=0.15)


def test_the_share_out_of_order_is_recovered():
    # Near stations tell those out of order from those that shook too little.
    near = Design(events=60, stations=25, extent_km=80.0, recorded=1.0)
    table = records(3, 0.15, near)
    result = felt.fit(felt.prepare(table, FLOOR), out_of_order=dist.Beta(1, 9))
    assert abs(result.out_of_order - 0.15) < 4 * result.standard_error["out_of_order"] < 0.1
    assert abs(result["record_sd"] - 0.25) < 4 * result.standard_error["record_sd"]
    assert felt.fit(felt.prepare(records(3), FLOOR)).out_of_order == 0.0


@pytest.mark.long
@pytest.mark.parametrize("silent", [True, False])
def test_intervals_hold_the_truth(silent):
    """90 % intervals of 40 data sets; between 29 and 40 hold it but for a chance of 1e-3."""
    names = ("spreading", "magnitude_slope", "record_sd")
    # Events that nobody felt are missing in truncated records, and the others' terms scatter less.
    held = dict.fromkeys((*names, "event_sd") if silent else names, 0)
    for seed in range(100, 140):
        design = DESIGN if silent else dataclasses.replace(DESIGN, min_magnitude=5.5)
        table = records(seed, design=design)
        table = table if silent else table.dropna(subset=["pga_m_s2"])
        result = felt.fit(felt.prepare(table, FLOOR), throw=False)
        for name, (low, high) in result.interval(0.9).items():
            if name in held:
                held[name] += low < float(getattr(TRUE, name)) < high
    least = stats.binom.ppf(1e-3, 40, 0.9)
    assert all(count >= least for count in held.values()), held


def test_thinned_records_are_those_above_the_floor():
    complete = simulate(jax.random.key(5), TRUE, DESIGN).table
    table = felt.thin(jax.random.key(6), complete, FLOOR, out_of_order=0.3)
    above = complete["pga_m_s2"] >= FLOOR
    assert not table.loc[~above, "pga_m_s2"].notna().any()
    lost = table.loc[above, "pga_m_s2"].isna()
    # Four standard errors.
    assert abs(lost.mean() - 0.3) < 4 * np.sqrt(0.21 / above.sum())
    pd.testing.assert_frame_equal(table.drop(columns="pga_m_s2"), complete.drop(columns="pga_m_s2"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pga_m_s2": [0.2, 0.05, 0.4]}, r"below the floor.*rows \[1\]"),
        ({"pga_m_s2": [np.nan] * 3}, "no station has reported"),
        ({"magnitude": [5.0, 5.1, 6.0]}, "magnitude"),
    ],
)
def test_bad_tables_are_named(change, said):
    table = pd.DataFrame({
        "event": ["a", "a", "b"], "magnitude": [5.0, 5.0, 6.0], "depth_km": [8.0, 8.0, 10.0],
        "distance_km": [20.0, 160.0, 40.0], "pga_m_s2": [0.2, np.nan, 0.4]})  # fmt: skip
    with pytest.raises(InputError, match=said):
        felt.prepare(table.assign(**change), 0.1)


def test_bad_options_are_named():
    table = records(7, design=Design(events=2, stations=4))
    with pytest.raises(InputError, match="floor_m_s2"):
        felt.prepare(table, 0.0)
    with pytest.raises(InputError, match="out_of_order"):
        felt.thin(jax.random.key(0), table, 0.1, out_of_order=1.0)
    with pytest.raises(InputError, match="motions"):
        felt.fit(table)
