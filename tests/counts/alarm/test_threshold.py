"""Thresholds against rates summed draw by draw, without any table; and what they must obey."""

from itertools import product

import jax
import numpy as np
import pytest
import xarray as xr

from eqstat import InputError
from eqstat._core.constants import HOURS_PER_YEAR
from eqstat.counts import Background, Bursts, Design, fit, prepare, simulate, simulate_table
from eqstat.counts.alarm import threshold
from eqstat.counts.scan import false_alarm_table

KINDS = list(product(("poisson", "negative_binomial", "beta_binomial"), (False, True)))
REGIONS = ("north", "south")


def posterior(family="negative_binomial", bursts=False, count=7, spread=0.05, seed=0):
    """Draws about a background of two regions."""
    rng = np.random.default_rng(seed)

    def about(value, *shape):
        return value * np.exp(spread * rng.normal(size=(count, *shape)))

    dispersion = {"poisson": None, "negative_binomial": 0.15, "beta_binomial": 0.004}[family]
    return Background(
        family,
        about(0.8),
        daily=np.array([-0.4, -0.2, 0.1, 0.05]) + 0.1 * spread * rng.normal(size=(count, 4)),
        weekly=np.array([0.08, 0.05]) + 0.1 * spread * rng.normal(size=(count, 2)),
        region_effect=np.array([0.3, -0.2]) + spread * rng.normal(size=(count, 2)),
        region_sd=np.full(count, 0.3),
        dispersion=None if dispersion is None else about(dispersion),
        dispersion_slope=None if dispersion is None else 0.2 + spread * rng.normal(size=count),
        bursts=Bursts(about(1e-4), about(0.12), about(8.0)) if bursts else None,
        regions=REGIONS,
    )


def first_draw(background):
    return jax.tree.map(lambda leaf: leaf[0], background)


def rates_per_year(background, active, hour, region, top, day=None):
    """False alarms a year for 1 ... top triggers, (draws, top), by direct evaluation.

    The hour is that in which the time lies, the week without a day is all of it.
    """
    days = np.arange(7) if day is None else np.array([day])
    within = np.floor(hour) + np.array([1, 3, 5])[:, None] / 6
    logs = false_alarm_table(background, active, top, hour=within, day=days, region=region)
    logs = logs if logs.ndim == 4 else logs[None]
    return np.exp(logs).mean(axis=(1, 2)) * HOURS_PER_YEAR


def smallest(mean, budget, minimum):
    """Smallest count from which on no rate is above the budget."""
    above = np.flatnonzero(mean > budget)
    return max(int(above[-1]) + 2 if len(above) else 1, minimum)


def assert_exact(background, found, budget, *, day=None, minimum=6, kind="predictive"):
    """Compare every cell with the direct evaluation, to 1 % of the rate."""
    top = int(found["triggers"].max()) + 2
    flat = found["triggers"].stack(cell=("region", "hour", "active"))
    for cell in flat["cell"].to_numpy():
        region, hour, active = cell
        here = found.sel(region=region, hour=hour, active=active)
        most = min(top, int(active))
        each = rates_per_year(background, active, hour, REGIONS.index(region), most, day)
        mean = each.mean(axis=0)
        k = int(here["triggers"])
        if not bool(here["attainable"]):
            assert k == active + 1
            assert mean[-1] > 0.99 * budget
            assert float(here["false_alarm_rate_per_year"]) == 0.0
            continue
        lenient, strict = (smallest(mean, budget * by, minimum) for by in (1.01, 0.99))
        assert lenient <= k <= strict, cell
        assert float(here["false_alarm_rate_per_year"]) == pytest.approx(mean[k - 1], rel=0.01)
        if kind == "predictive":
            ends = np.quantile(each[:, k - 1], (0.05, 0.95))
            got = [float(here[name]) for name in ("rate_low", "rate_high")]
            np.testing.assert_allclose(got, ends, rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "bursts"), KINDS)
def test_every_cell_is_that_of_direct_evaluation(family, bursts):
    background = posterior(family, bursts)
    found = threshold(background, [20, 150, 900], [3.0, 14.5], false_alarm_rate_per_year=2.0)
    assert found["budget_per_year"].values.tolist() == [1.0, 1.0]
    assert_exact(background, found, 1.0)


@pytest.mark.parametrize(("family", "bursts"), KINDS)
def test_one_known_background(family, bursts):
    background = first_draw(posterior(family, bursts))
    found = threshold(background, [60, 700], [14.5], kind="plug-in", day=5, minimum=1)
    assert_exact(background, found, 0.5, day=5, minimum=1, kind="plug-in")
    assert (found["rate_low"] == found["rate_high"]).all()


@pytest.mark.parametrize(
    ("family", "bursts"),
    [pytest.param("negative_binomial", True, marks=pytest.mark.long), ("poisson", False)],
)
def test_many_numbers_of_devices_are_interpolated(family, bursts):
    background = posterior(family, bursts, count=3)
    active = np.unique(np.geomspace(30, 1500, 70).round())
    found = threshold(background, active, [14.5], regions=["south"])
    assert len(active) > 48
    assert_exact(background, found, 1.0)


def test_more_devices_or_less_budget_ask_for_more():
    background = posterior()
    hours, active = np.arange(0, 24, 3.0), [10, 50, 200, 1000]
    by_rate = [
        threshold(background, active, hours, false_alarm_rate_per_year=rate)["triggers"]
        for rate in (0.01, 1.0, 100.0)
    ]
    assert (by_rate[0] > by_rate[1]).any()
    assert (by_rate[0] >= by_rate[1]).all()
    assert (by_rate[1] >= by_rate[2]).all()
    assert (by_rate[1].diff("active") >= 0).all()
    busy, quiet = (float(by_rate[1].sel(hour=hour, active=1000)[0]) for hour in (12.0, 0.0))
    assert busy > quiet


def test_the_budget_is_kept_and_the_minimum_too():
    found = threshold(posterior(), [10, 300], [2.0, 14.0], minimum=8)
    assert found["triggers"].min() == 8
    assert (found["false_alarm_rate_per_year"] <= found["budget_per_year"]).all()
    assert (found["rate_low"] <= found["rate_high"]).all()
    assert found["budget_per_year"].sum() == pytest.approx(1.0)


def test_few_devices_cannot_keep_it():
    background = posterior(bursts=True)
    found = threshold(background, [2, 10, 100], [14.0], false_alarm_rate_per_year=1e-3)
    here = found.sel(region="north", hour=14.0)
    assert here["attainable"].values.tolist() == [False, False, True]
    assert here["triggers"][:2].values.tolist() == [3, 11]
    assert here["false_alarm_rate_per_year"][:2].values.tolist() == [0.0, 0.0]
    # Ten devices are above the minimum: it is the bursts that forbid it.
    assert rates_per_year(background, 10, 14.0, 0, 10).mean(axis=0)[-1] > 5e-4


def test_uncertainty_asks_for_more():
    background = posterior(count=40, spread=0.15)
    cells = [100, 500], [3.0, 14.0]
    wide, plain = (threshold(background, *cells, kind=kind) for kind in ("predictive", "plug-in"))
    assert (wide["triggers"] >= plain["triggers"]).all()
    assert (wide["triggers"] > plain["triggers"]).any()
    top = int(wide["triggers"].max())
    for (i, region), hour, active in product(enumerate(REGIONS), cells[1], cells[0]):
        k = int(plain["triggers"].sel(region=region, hour=hour, active=active))
        mean = rates_per_year(background, active, hour, i, top).mean(axis=0)[k - 1]
        known = plain["false_alarm_rate_per_year"].sel(region=region, hour=hour, active=active)
        assert mean > float(known)


def test_devices_by_region_and_hour():
    background = posterior()
    hours = [3.0, 14.0]
    active = xr.DataArray(
        [[20.0, 300.0], [80.0, 900.0]],
        dims=("region", "hour"),
        coords={"region": ["south", "north"], "hour": hours},
    )
    found = threshold(background, active, hours)
    assert found["triggers"].dims == ("region", "hour")
    for region, hour in product(REGIONS, hours):
        n = float(active.sel(region=region, hour=hour))
        assert float(found["active"].sel(region=region, hour=hour)) == n
        alone = threshold(background, n, hour)["triggers"].sel(region=region, hour=hour)
        assert int(found["triggers"].sel(region=region, hour=hour)) == int(alone)


def test_hours_of_the_devices_are_matched_by_their_labels():
    hours = [3.0, 14.0]
    active = xr.DataArray([900.0, 20.0], dims="hour", coords={"hour": hours[::-1]})
    found = threshold(posterior(), active, hours)
    assert found["active"].sel(region="north").values.tolist() == [20.0, 900.0]
    with pytest.raises(InputError, match="hour"):
        threshold(posterior(), active, [3.0, 15.0])
    with pytest.raises(InputError, match="region"):
        west = xr.DataArray([5.0], dims="region", coords={"region": ["west"]})
        threshold(posterior(), west, hours)


def miss(triggers, active, hour, region):
    """Chance that fewer than so many of the devices feel it: a smooth curve."""
    scale = {"north": 0.2, "south": 0.02}[region] * active * (1 + 0.5 * (hour > 12))
    return np.where(triggers > active, 1.0, 1 / (1 + (scale / triggers) ** 3))


def test_the_least_miss_beats_equal_shares():
    background = posterior(count=3)
    hours = np.array([3.0, 14.0])
    devices = xr.DataArray([300.0, 120.0], dims="region", coords={"region": list(REGIONS)})

    def total(found):
        missed = [
            miss(found["triggers"].sel(region=r).to_numpy(), float(devices.sel(region=r)), hours, r)
            for r in REGIONS
        ]
        spent = float(found["false_alarm_rate_per_year"].mean("hour").sum())
        return float(np.sum(missed)), spent

    equal = threshold(background, devices, hours)
    least = threshold(background, devices, hours, split="least_miss", miss_probability=miss)
    assert total(least)[1] <= 1.0
    assert total(least)[0] < total(equal)[0]
    assert least["budget_per_year"].sum() == pytest.approx(total(least)[1])
    # All combinations of counts that keep the budget: the best misses hardly less.
    cells = list(product(enumerate(REGIONS), hours))
    menus = [
        rates_per_year(background, float(devices[i]), hour, i, 40).mean(axis=0)[5:] / len(hours)
        for (i, _), hour in cells
    ]
    missed = [
        miss(np.arange(6, 41), float(devices[i]), hour, region) for (i, region), hour in cells
    ]
    rate = sum(np.ix_(*menus)[:0], np.zeros([35] * 4))
    loss = np.zeros([35] * 4)
    for axis in range(4):
        shape = [1] * 4
        shape[axis] = 35
        rate = rate + menus[axis].reshape(shape)
        loss = loss + missed[axis].reshape(shape)
    best = float(loss[rate <= 1.0].min())
    assert total(least)[0] <= best + 0.01
    assert total(least)[0] >= best - 1e-3


def test_least_miss_with_more_than_the_devices_as_minimum():
    found = threshold(posterior(count=2), 5, [3.0], split="least_miss", miss_probability=miss,
                      minimum=20)  # fmt: skip
    assert not found["attainable"].any()


BAD = {
    "no budget": ({"false_alarm_rate_per_year": 0.0}, "must be above 0"),
    "infinite budget": ({"false_alarm_rate_per_year": np.inf}, "must be above 0"),
    "minimum": ({"minimum": 0}, "minimum"),
    "day": ({"day": 7}, "day must be"),
    "interval": ({"probability": 1.0}, "probability"),
    "caution": ({"caution": 0.5}, "caution"),
    "no detection model": ({"split": "least_miss"}, "needs miss_probability"),
    "unknown region": ({"regions": ["west"]}, "west"),
    "no region": ({"regions": []}, "empty"),
    "region twice": ({"regions": ["north", "north"]}, "twice"),
    "hour": ({"hour": 24.0}, "hours must lie"),
    "no hour": ({"hour": []}, "hours must lie"),
    "no device": ({"active": 0}, "active devices"),
    "devices unknown": ({"active": [10, np.nan]}, "active devices"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_get_one_line(case):
    change, pattern = BAD[case]
    arguments = {"active": 100, "hour": 12.0} | change
    with pytest.raises(InputError, match=pattern) as caught:
        threshold(posterior(count=2), **arguments)
    assert "\n" not in str(caught.value)


def test_a_prediction_needs_draws():
    with pytest.raises(InputError, match="needs draws"):
        threshold(first_draw(posterior()), 100, 12.0)


@pytest.fixture(scope="module")
def watched():
    """Table of eight days of a region of 300 devices, from a Monday noon."""
    background = Background("negative_binomial", 0.5, daily=np.array([-0.4, -0.2, 0.1, 0.05]),
                dispersion=0.2, dispersion_slope=0.0)  # fmt: skip
    start = "2026-01-05T12:00:00Z"
    return simulate_table(jax.random.key(0), background, Design(active=300, days=8, start=start))


def seen(table, hours):
    history = prepare(table.iloc[: round(hours * 360)])
    return fit(history).posterior(jax.random.key(1), 200)


@pytest.mark.long
def test_an_hour_supports_little_and_says_what(watched):
    background = seen(watched, 1)
    with pytest.raises(InputError, match="too short for a false alarm rate of 1 per") as caught:
        threshold(background, 300, [15.0])
    text = str(caught.value)
    assert "\n" not in text
    supported = int(text.split("supports ")[1].split()[0])
    rate = float(text.split(" at ")[-1].split()[0])
    found = threshold(background, 300, [15.0], false_alarm_rate_per_year=rate)
    assert 6 <= int(found["triggers"][0, 0]) <= supported
    assert rate > 1.0
    assert threshold(background, 300, [15.0], caution=np.inf)["triggers"][0, 0] > supported


@pytest.mark.long
def test_six_hours_support_the_hours_that_were_watched(watched):
    background = seen(watched, 6)
    assert threshold(background, 300, [14.0, 16.0])["triggers"].max() < 40
    with pytest.raises(InputError, match="at hour 4"):
        threshold(background, 300, [4.0, 14.0])


@pytest.mark.slow
def test_a_week_supports_one_a_year(watched):
    found = threshold(seen(watched, 168), [100, 300], [3.0, 15.0], caution=1.2)
    assert found["triggers"][0, :, 1].values.tolist() == pytest.approx([8, 12], abs=1)


@pytest.mark.long
def test_a_network_of_one_size_says_little_of_one_far_larger():
    background = Background("negative_binomial", 0.8, dispersion=0.15, dispersion_slope=0.2)
    history = simulate(jax.random.key(0), background, Design(active=300, days=90))
    told = fit(history).posterior(jax.random.key(1), 200)
    threshold(told, [150, 600], 15.0)
    with pytest.raises(InputError, match="among 20000 devices"):
        threshold(told, [300, 20000], 15.0)


def test_each_of_many_neighbouring_numbers_of_devices_gets_a_threshold():
    background = Background("poisson", 5.76)
    many = threshold(background, np.arange(30, 90), 12.0, kind="plug-in")
    few = threshold(background, np.arange(30, 90, 10), 12.0, kind="plug-in")
    assert bool(many["attainable"].all())
    apart = many["triggers"].sel(active=few["active"]) - few["triggers"]
    assert int(np.abs(apart).max()) <= 1
    assert np.all(np.diff(many["triggers"].to_numpy().ravel()) >= 0)
