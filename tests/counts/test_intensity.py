"""Weekly profile and slow intensity: filter against a grid, recovery, tails by quadrature."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.counts import (
    Background,
    Intensity,
    combine,
    dispersion_at,
    fit,
    load,
    local_time,
    log_pmf,
    log_tail,
    mean_count,
    prepare,
    save,
)
from eqstat.counts._intensity._filter import log_shape, predict, update
from eqstat.counts._intensity._profile import learn_profile

WINDOW_S, DISPERSION, RATE = 60.0, 0.15, 0.6


def table_of(
    days: int, sd: float, *, regions: int = 3, peak: float = 0.0, active: int = 300, seed: int = 0
) -> pd.DataFrame:
    """Table of windows of a minute: AR(1) log intensity of 4 h, and a peak from 8 to 9."""
    rng = np.random.default_rng(seed)
    windows = days * 1440
    keep = np.exp(-WINDOW_S / 3600 / 4.0)
    noise = rng.standard_normal((windows, regions)) * sd
    x = np.empty_like(noise)
    value = noise[0]
    for i in range(windows):
        value = keep * value + np.sqrt(1 - keep**2) * noise[i]
        x[i] = value
    hour = np.arange(windows) // 60 % 24
    x = x - 0.5 * sd**2 + peak * (hour == 8)[:, None]
    mean = active * RATE * WINDOW_S / 3600 * np.exp(x)
    count = rng.poisson(mean * rng.gamma(1 / DISPERSION, DISPERSION, mean.shape))
    time = pd.date_range("2026-01-05", periods=windows, freq="60s", tz="UTC")
    return pd.DataFrame(
        {
            "time": np.tile(time, regions),
            "triggers": count.T.ravel(),
            "active": active,
            "region": np.repeat([f"r{i}" for i in range(regions)], windows),
            "window_s": WINDOW_S,
        }
    )


def test_the_filter_is_the_exact_one_on_a_grid() -> None:
    rng = np.random.default_rng(1)
    sd, keep, size, expected = 0.4, 0.9, 60 / 0.15, 20.0
    grid = np.linspace(-2.5, 2.5, 1001)
    move = stats.norm.pdf(
        grid[:, None], -0.5 * sd**2 + keep * (grid + 0.5 * sd**2), sd * np.sqrt(1 - keep**2)
    )
    move /= move.sum(axis=0)
    prior = stats.norm.pdf(grid, -0.5 * sd**2, sd)
    prior /= prior.sum()
    state = jnp.asarray(-0.5 * sd**2), jnp.asarray(sd**2)
    exact = found = 0.0
    for total in rng.poisson(expected * np.exp(np.linspace(-0.6, 0.8, 40))).astype(float):
        shape = np.asarray(log_shape(jnp.asarray(grid), total, expected, size))
        joint = prior * np.exp(shape - shape.max())
        exact += np.log(joint.sum()) + shape.max()
        prior = move @ (joint / joint.sum())
        mean, variance, log_p = update(*state, *map(jnp.asarray, (total, expected, size, 1.0)))
        found += float(log_p)
        state = predict(mean, variance, jnp.asarray(sd), jnp.asarray(keep))
        middle = grid @ prior
        assert float(state[0]) == pytest.approx(middle, abs=0.01)
        assert float(state[1]) == pytest.approx((grid - middle) ** 2 @ prior, rel=0.04)
    assert found == pytest.approx(exact, abs=0.05)


@pytest.mark.long
def test_a_slow_intensity_is_learned_apart_from_the_dispersion() -> None:
    result = fit(prepare(table_of(28, 0.35)))
    assert result["intensity_sd"] == pytest.approx(0.35, abs=0.05)
    assert result["correlation_h"] == pytest.approx(4.0, rel=0.35)
    # Only 300 devices were seen: the dispersion is known among so many.
    own = float(dispersion_at(result.background, jnp.asarray(300.0)))
    assert own == pytest.approx(DISPERSION, abs=0.015)
    draws = result.posterior(jax.random.key(0), 50)
    assert draws.intensity is not None
    assert np.shape(draws.intensity.sd) == (50,)
    assert np.std(np.log(draws.intensity.sd)) < 0.15
    # The mean of three regions over 28 days is uncertain by 0.35 sqrt(8 / 672) = 0.04 each.
    assert np.std(np.asarray(draws.region_effect), axis=0).min() > 0.03


@pytest.mark.long
def test_without_slow_changes_the_intensity_stays_small() -> None:
    assert fit(prepare(table_of(14, 0.0, seed=3)))["intensity_sd"] < 0.08
    # Without the order in time nothing is learned.
    cells = prepare(table_of(14, 0.35, seed=3))
    assert fit(replace(cells, blocks=None)).slow is None
    assert fit(cells, slow=False).background.intensity is None


@pytest.mark.long
def test_a_peak_of_one_hour_is_in_the_profile() -> None:
    background = fit(prepare(table_of(28, 0.1, peak=1.2))).background
    rates = [float(mean_count(background, 300.0, h, 2, 0)) for h in (7.5, 8.5, 9.5)]
    assert np.log(rates[1] / rates[0]) == pytest.approx(1.2, abs=0.1)
    assert np.log(rates[2] / rates[0]) == pytest.approx(0.0, abs=0.1)


def test_a_profile_shrinks_where_the_data_say_nothing() -> None:
    variance = np.full(168, 0.04)
    flat = learn_profile(np.random.default_rng(0).normal(0.0, 0.2, 168), variance)
    assert flat.mean.std() < 0.07
    assert np.all(np.linalg.eigvalsh(flat.covariance) > -1e-10)


def test_tails_are_integrals_over_the_intensity() -> None:
    background = Background(
        "negative_binomial",
        0.6,
        dispersion=0.15,
        dispersion_slope=0.0,
        intensity=Intensity(0.5, 4.0),
    )
    x = np.linspace(-4.0, 4.0, 4001)
    weight = stats.norm.pdf(x, -0.125, 0.5) * (x[1] - x[0])
    mean = 1.3 * np.exp(x)
    for k in (2, 10, 25):
        tail = weight @ stats.nbinom.sf(k - 1, 1 / 0.15, 1 / (1 + 0.15 * mean))
        p = weight @ stats.nbinom.pmf(k, 1 / 0.15, 1 / (1 + 0.15 * mean))
        with jax.enable_x64(True):
            assert float(log_tail(background, k, 1e5, 1.3)) == pytest.approx(np.log(tail), rel=1e-6)
            assert float(log_pmf(background, k, 1e5, 1.3)) == pytest.approx(np.log(p), rel=1e-6)


def test_blocks_keep_the_sums_and_merge() -> None:
    table = table_of(3, 0.2)
    history = prepare(table)
    assert history.blocks is not None
    assert history.blocks.triggers.sum() == table["triggers"].sum()
    assert len(history.blocks.region) == 3 * 3 * 288
    cut = pd.Timestamp("2026-01-06T12:03:00Z")
    parts = [prepare(table[table["time"] < cut]), prepare(table[table["time"] >= cut])]
    merged = combine(parts).blocks
    assert merged is not None
    for name in ("region", "number", "windows", "triggers", "largest"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(history.blocks, name))
    one = history.of_region("r1").blocks
    assert one is not None
    assert one.triggers.sum() == table.loc[table["region"] == "r1", "triggers"].sum()


def test_a_background_with_an_intensity_is_stored(tmp_path) -> None:
    background = Background(
        "poisson", 0.6, profile=np.linspace(0.0, 0.3, 168), intensity=Intensity(0.3, 4.0)
    )
    save(background, tmp_path / "b.json")
    again = load(tmp_path / "b.json")
    assert again.intensity is not None
    assert again.intensity.sd == 0.3
    np.testing.assert_array_equal(again.profile, background.profile)


@pytest.mark.parametrize("text", ["05.02.2027", "02/05/2027 08:00", "now"])
def test_texts_that_are_no_iso_times_have_no_local_time(text):
    with pytest.raises(InputError, match="local_time"):
        local_time([text], "Europe/Rome")


def test_civil_time_follows_daylight_saving() -> None:
    # In Rome the clocks went forward on 29 March 2026 at 01:00 UTC; that day was a Sunday.
    hour, day = local_time(["2026-03-29T00:59:50Z", "2026-03-29T01:00:00Z"], "Europe/Rome")
    assert hour.astype(int).tolist() == [1, 3]
    assert day.tolist() == [6, 6]
    table = pd.DataFrame(
        {
            "time": pd.to_datetime(["2026-03-27T07:30Z", "2026-03-30T06:30Z"]).repeat(2),
            "triggers": 1,
            "active": 80,
            "region": ["a", "b"] * 2,
            "window_s": 10.0,
        }
    )
    zones = {"a": "Europe/Rome", "b": "America/Lima"}
    history = prepare(table, time_zone=zones)
    assert (history.hour_of_week[history.region == 0] % 24).tolist() == [8, 8]
    assert sorted(history.hour_of_week[history.region == 1] % 24) == [1, 2]
    with pytest.raises(InputError, match="IANA"):
        prepare(table, time_zone="Europe/Roma")
    with pytest.raises(InputError, match="not both"):
        prepare(table, time_zone="Europe/Rome", utc_offset_h=1.0)
    with pytest.raises(InputError, match="no entry for the region 'b'"):
        prepare(table, time_zone={"a": "Europe/Rome"})
