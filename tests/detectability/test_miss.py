"""Miss probability: against simulation, limits, monotony, dead devices, bad input."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.detectability import (
    DeviceResponse,
    ResponsePrior,
    Rule,
    log_tails,
    miss_probability,
    prepare,
    simulate,
    trigger_probability,
)
from eqstat.ground_motion import GroundMotion, median

TOWN = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [200]})
ALONE = GroundMotion(event_sd=1e-3, spreading_sd=0.0, correlated_share=0.0)
# A second town that takes part in nothing.
SIZES = np.array([3.0, 4.0, 5.0, 6.0])


@pytest.fixture(scope="module")
def town():
    return prepare(TOWN, devices="phones")


@pytest.mark.slow
def test_one_town_without_shared_terms_is_binomial(town):
    result = miss_probability(town, Rule(12, window_s=60.0), -12.1, -77.0, SIZES, motion=ALONE)[
        "log_miss_probability"
    ].squeeze()
    distance = np.hypot(10.0, 0.1 * 111.195)
    own_sd = np.sqrt(0.25**2 + 0.2**2 + (0.5 * 0.15) ** 2)
    for size, log_miss in zip(SIZES, result.to_numpy(), strict=True):
        mean = median(ALONE, size, distance, 10.0, ALONE.vs30_log10_mean)
        share = float(sum(trigger_probability(DeviceResponse(), mean, np.asarray(own_sd))))
        exact = log_tails([share], 12, devices=[200])[1]
        # All have triggered within a minute; a fifth of a unit is the shared term of 0.001.
        assert np.exp(log_miss) == pytest.approx(np.exp(exact), abs=0.02)


@pytest.mark.long
def test_prediction_is_what_simulated_networks_do():
    rng = np.random.default_rng(8)
    place = rng.normal(0, 0.06, (2, 300)) + np.array([[-12.0], [-77.0]])
    table = pd.DataFrame({"latitude": place[0], "longitude": place[1]})
    rule = Rule(20, window_s=30.0, radius_km=60.0)
    away = 111.195 * np.hypot(place[0] + 12.2, (place[1] + 77.1) * np.cos(np.deg2rad(12.1)))
    seen, delay, distance = [], [], []
    for number in range(30):
        triggers = simulate(jax.random.key(number), table, np.full(20, -12.2), -77.1, 4.0)
        times = triggers["trigger_time_s"].to_numpy()
        distance.append(away[np.argsort(times, axis=1)[:, 19]])
        times = np.sort(times, axis=1)
        # All devices lie within the radius: the rule is met when the twentieth comes soon enough.
        soon = times[:, 19:] <= times[:, :-19] + 30
        soon &= np.isfinite(times[:, 19:])
        seen.append(soon.any(axis=1))
        delay.append(np.where(soon, times[:, 19:], np.inf).min(axis=1))
    seen, delay = np.concatenate(seen), np.concatenate(delay)
    result = miss_probability(prepare(table), rule, -12.2, -77.1, [4.0], delays=True).squeeze()
    expected = 1 - float(result["miss_probability"])
    # Devices are drawn anew every 20 earthquakes; 3 standard errors of as many draws.
    assert abs(seen.mean() - expected) < 3 * np.sqrt(expected * (1 - expected) / 300) + 0.01
    quantiles = result["delay_s"].to_numpy()
    np.testing.assert_allclose(np.quantile(delay[seen], [0.16, 0.5, 0.84]), quantiles, atol=0.8)
    # The device that triggers as the twentieth; distances of cells are good to two kilometres.
    of_device = np.quantile(np.concatenate(distance)[seen], [0.16, 0.5, 0.84])
    np.testing.assert_allclose(of_device, result["distance_km"].squeeze(), atol=2.5)
    at_last = miss_probability(prepare(table), rule, -12.2, -77.1, [4.0])
    assert abs(float(at_last["miss_probability"].squeeze()) - (1 - expected)) < 0.03


@pytest.mark.slow
def test_larger_nearer_and_denser_is_missed_less(town):
    result = miss_probability(town, Rule(12), [-12.1, -12.4, -12.8], -77.0, SIZES)
    log_miss = result["log_miss_probability"].isel(hour=0).to_numpy()
    assert np.all(np.diff(log_miss, axis=1) < 0)
    assert np.all(np.diff(log_miss, axis=0) > 0)
    denser = prepare(TOWN.assign(phones=2000), devices="phones")
    fewer = miss_probability(denser, Rule(12), -12.4, -77.0, SIZES)["log_miss_probability"]
    assert np.all(fewer.to_numpy().ravel() < log_miss[1])


@pytest.mark.slow
def test_dead_and_inactive_devices_are_missed(town):
    def miss(**options):
        return float(miss_probability(town, Rule(12), -12.3, -77.0, 3.7, **options)
                     ["miss_probability"].squeeze())  # fmt: skip

    usual = miss()
    assert miss(response=DeviceResponse(dead_share=0.3)) > usual + 0.01
    # Dead devices are listed, inactive ones are not: the fixed count of the rule is the same.
    dead = DeviceResponse(dead_share=0.5)
    assert miss(response=dead) == pytest.approx(miss(active_share=0.5), rel=1e-3)
    assert miss(response=DeviceResponse(background_per_hour=20.0)) < usual


@pytest.mark.slow
def test_hours_take_their_share_of_active_devices(town):
    both = miss_probability(
        town, Rule(12), -12.3, -77.0, 4.5, hour=[3.0, 14.0], active_share=[0.8, 0.2]
    )["miss_probability"].squeeze()
    alone = [
        miss_probability(town, Rule(12), -12.3, -77.0, 4.5, active_share=share)
        ["miss_probability"].item()
        for share in (0.8, 0.2)
    ]  # fmt: skip
    np.testing.assert_allclose(both, alone, rtol=1e-5)
    assert alone[0] < alone[1]


def test_two_towns_far_apart_detect_on_their_own():
    two = pd.DataFrame({"latitude": [-0.35, 0.35], "longitude": [0.0, 0.0], "phones": [150, 150]})
    options = {"motion": ALONE}
    single = prepare(two[:1], devices="phones"), prepare(two, devices="phones")
    one, both = (
        miss_probability(network, Rule(12), 0.0, 0.0, 3.5, **options)["miss_probability"].item()
        for network in single
    )
    assert 0.2 < one < 0.98
    assert both == pytest.approx(one**2, abs=0.05)


@pytest.mark.slow
def test_far_places_and_few_devices_are_missed_for_certain(town):
    result = miss_probability(town, Rule(12), [40.0], [100.0], [7.0], delays=True)
    assert result["miss_probability"].item() > 1 - 1e-6
    assert np.isnan(result["delay_s"].to_numpy()).all()
    few = prepare(TOWN.assign(phones=5), devices="phones")
    assert miss_probability(few, Rule(12), -12.0, -77.0, 8.0)["miss_probability"].item() > 0.999


@pytest.mark.slow
def test_draws_give_an_interval(town):
    draws = ResponsePrior().draws(jax.random.key(0), 12)
    result = miss_probability(town, Rule(12), -12.3, -77.0, 4.5, response=draws).squeeze()
    assert result["low"] < result["miss_probability"] < result["high"]
    assert result.attrs["draws"] == 12
    ones = [
        miss_probability(town, Rule(12), -12.3, -77.0, 4.5,
                         response=jax.tree.map(lambda leaf, i=i: leaf[i], draws))
        ["miss_probability"].item()
        for i in range(12)
    ]  # fmt: skip
    assert float(result["miss_probability"]) == pytest.approx(np.mean(ones), rel=1e-4)


def test_certain_shaking_is_not_certain_detection(town):
    """Log probabilities of misses stay finite: the able share alone bounds the triggers."""
    log_miss = miss_probability(town, Rule(12), -12.0, -77.0, 8.0)["log_miss_probability"].item()
    bound = stats.binom.logcdf(11, 200, 0.8)
    assert -np.inf < bound - 5 < log_miss < -20


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"latitude": 95.0}, "latitude"),
        ({"magnitude": [np.nan]}, "magnitude"),
        ({"hour": 24.0}, "hour"),
        ({"depth_km": 900.0}, "depth_km"),
        ({"active_share": [0.5, 0.5, 0.5]}, "active_share"),
        ({"active_share": 0.0}, "active_share"),
    ],
)
def test_bad_input_is_one_clear_error(town, wrong, match):
    given = {"network": town, "rule": Rule(12), "latitude": 0.0, "longitude": 0.0,
             "magnitude": 5.0, **wrong}  # fmt: skip
    with pytest.raises(InputError, match=match):
        miss_probability(**given)


def seen_by_rule(key, table, needed, place, magnitude, *, draws=15, each=20, radius_km=30.0,
                 window_s=10.0):  # fmt: skip
    """Share of earthquakes that simulated networks detect, by the rule about every device."""
    from eqstat.detectability._network import arc_between, unit_vectors

    at = unit_vectors(table["latitude"], table["longitude"])
    near = arc_between(at, at) <= radius_km
    seen = []
    for number in range(draws):
        triggers = simulate(
            jax.random.fold_in(key, number), table, np.full(each, place[0]), place[1], magnitude
        )
        for time in triggers["trigger_time_s"].to_numpy():
            order = np.flatnonzero(np.isfinite(time))
            after = time[order][:, None] - time[order][None, :]
            counts = np.sum((after >= 0) & (after <= window_s) & near[np.ix_(order, order)], axis=1)
            seen.append(bool(np.any(counts >= needed)))
    return np.mean(seen), np.sqrt(0.25 / len(seen))


SPARSE = np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(-1, 2) * 0.108
WIDE = np.random.default_rng(0).uniform(-0.45, 0.45, (100, 2))
LONG = {"radius_km": 100.0, "window_s": 30.0}
CASES = {
    "one device": (np.zeros((1, 2)), 1, (0.0, 0.05), 8.0, {}),
    "stations 12 km apart": (SPARSE, 4, (0.16, 0.16), 7.0, {}),
    "stations 24 km apart": (2 * SPARSE, 4, (0.3, 0.3), 6.5, LONG),
    "phones in a wide box": (WIDE, 5, (0.05, 0.0), 4.0, {}),
    "a window of a second": (WIDE / 8, 8, (0.1, 0.0), 4.0, {"window_s": 1.0}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_sparse_networks_and_short_windows(name):
    """The device that completes a count triggers by definition."""
    place, needed, source, magnitude, rule = CASES[name]
    table = pd.DataFrame(place, columns=["latitude", "longitude"])
    seen, error = seen_by_rule(jax.random.key(1), table, needed, source, magnitude, **rule)
    for delays in (False, True):
        result = miss_probability(
            prepare(table, cell_km=0.5), Rule(needed, **rule), *source, magnitude, delays=delays
        )
        assert 1 - result["miss_probability"].item() == pytest.approx(seen, abs=0.08 + 2 * error)


def test_neighbouring_towns_do_not_spoil_a_detection():
    centres = pd.DataFrame({"latitude": [0.0, 0.33, -0.33], "longitude": 0.0, "phones": 150})
    detected = [
        1 - miss_probability(prepare(centres[:many], devices="phones"), Rule(12), 0.09, 0.0, 3.7)
        ["miss_probability"].item()
        for many in (1, 3)
    ]  # fmt: skip
    assert detected[1] > detected[0] - 0.02


def test_dead_devices_are_not_triggered_by_people_either(town):
    """Listed and dead, or not active: with a fixed count the same."""
    dead, absent = (
        miss_probability(town, Rule(12), -12.1, -77.0, 3.0, active_share=share,
                         response=DeviceResponse(dead_share=1 - alive, background_per_hour=120.0))
        ["miss_probability"].item()
        for share, alive in ((1.0, 0.1), (0.1, 1.0))
    )  # fmt: skip
    assert dead == pytest.approx(absent, rel=1e-3)


@pytest.mark.long
def test_large_networks_have_no_steps_along_magnitude():
    city = prepare(TOWN.assign(phones=20_000), devices="phones")
    sizes = np.arange(2.2, 3.0, 0.05)
    miss = miss_probability(city, Rule(200), -12.1, -77.0, sizes)["miss_probability"].to_numpy()
    fall = -np.diff(miss.ravel())
    assert np.all(fall > 0)
    assert np.all(np.abs(np.diff(fall, 2)) < 0.03)


@pytest.mark.slow
def test_distant_earthquakes_are_followed_to_the_network(town):
    result = miss_probability(town, Rule(12), -13.7, -77.0, 7.0, delays=True)
    assert 1 - result["miss_probability"].item() > 0.99
    # P takes 24 s to 190 km at 7.8 km/s.
    assert result["delay_s"].min() > 24


@pytest.mark.slow
def test_delays_of_draws_are_those_of_their_mixture(town):
    early, late = DeviceResponse(), DeviceResponse(delay_mean_s=8.0)
    both = jax.tree.map(lambda *leaves: np.array(leaves, float), early, late)
    one, two, mixed = (
        miss_probability(town, Rule(12), -12.0, -77.0, 6.0, response=r, delays=True)["delay_s"]
        .to_numpy().ravel()
        for r in (early, late, both)
    )  # fmt: skip
    assert mixed[0] == pytest.approx(np.interp(0.32, [0.16, 0.5], one[:2]), abs=0.3)
    assert mixed[2] > two[1]


@pytest.mark.long
def test_probabilities_of_draws_do_not_exceed_one(town):
    draws = ResponsePrior().draws(jax.random.key(0), 20)
    far = miss_probability(town, Rule(12), [-12.1, 30.0], [-77.3, 90.0], [1.0], response=draws)
    assert far["log_miss_probability"].max() <= 0
    assert far["miss_probability"].max() <= 1


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"magnitude": []}, "at least one"),
        ({"latitude": [], "longitude": []}, "at least one"),
        ({"latitude": [1.0, 2.0], "longitude": [1.0, 2.0, 3.0]}, "one shape"),
        ({"magnitude": ["a"]}, "magnitude"),
    ],
)
def test_empty_and_ragged_input_is_one_clear_error(town, wrong, match):
    given = {"latitude": 0.0, "longitude": 0.0, "magnitude": 5.0, **wrong}
    with pytest.raises(InputError, match=match):
        miss_probability(town, Rule(12), **given)
