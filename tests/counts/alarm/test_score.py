"""Scores from tables against exact sums."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.special import logsumexp

from eqstat import InputError
from eqstat._core.constants import HOURS_PER_YEAR
from eqstat.counts import Background, Bursts, Intensity, log_tail, mean_count
from eqstat.counts.alarm import Score, Scorer, score, score_one, scorer, threshold
from eqstat.counts.alarm._rate_table import smooth
from eqstat.counts.alarm._score import ANY_DAY, BAD_INPUT, BEYOND_TABLE, OK
from eqstat.counts.scan import log_alarms_per_hour

REGIONS = ("a", "b")
EFFECTS = np.array([0.4, -0.6])
DAILY = np.array([0.5, 0.2, 0.1, 0.0])


def background_of(family: str, bursts: bool = False) -> Background:
    dispersed = family != "poisson"
    return Background(
        family,  # pyright: ignore[reportArgumentType]
        0.8,
        daily=DAILY,
        weekly=np.array([0.1, -0.05]),
        region_effect=EFFECTS,
        region_sd=0.5,
        dispersion=0.2 if dispersed else None,
        dispersion_slope=0.3 if dispersed else None,
        bursts=Bursts(1e-5, 0.05, 12.0) if bursts else None,
        regions=REGIONS,
    )


CASES = [
    ("poisson", False),
    ("negative_binomial", False),
    ("beta_binomial", False),
    ("negative_binomial", True),
]


@pytest.fixture(scope="module", params=CASES, ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[Background, Scorer]:
    background = background_of(*request.param)
    return background, scorer(background, most_active=800, most_triggers=64)


def asked(count: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(5)
    active = np.round(np.exp(rng.uniform(0, np.log(800), count)))
    triggers = np.minimum(rng.integers(0, 61, count), active)
    hour = rng.integers(0, 24, count) + rng.uniform(0, 1, count)
    return triggers, active, hour, rng.integers(0, 2, count), rng.integers(0, 7, count)


@pytest.mark.slow
def test_tails_are_those_of_exact_sums(pair: tuple[Background, Scorer]) -> None:
    background, made = pair
    triggers, active, hour, region, day = asked(400)
    found = score(made, triggers, active, hour, region, day)
    with jax.enable_x64(True):
        middle = np.floor(hour) + 0.5
        mean = mean_count(background, active, middle, day.astype(float), region)
        exact = np.asarray(log_tail(background, triggers, active, mean))
    off = np.abs(np.asarray(found.log_tail) - exact)
    assert np.all(np.asarray(found.status) == OK)
    most = (active > 50) & (triggers > 0.4 * active)
    limit = np.where(most, 0.2, np.maximum(0.02, 0.002 * np.abs(exact)))
    assert np.all(off <= limit)
    if background.family == "poisson":
        assert np.min(exact) < np.log(1e-12)


@pytest.mark.slow
def test_alarm_rates_are_those_of_the_scan(pair: tuple[Background, Scorer]) -> None:
    background, made = pair
    triggers, active, hour, region, day = asked(200)
    spread = background.dispersion
    at = np.zeros(len(active))
    if spread is not None:
        at = spread * (active / 100) ** -background.dispersion_slope
        at = at / (1 + at) if background.family == "beta_binomial" else at
    bursts = {}
    if background.bursts is not None:
        bursts = {
            "burst_probability": background.bursts.probability,
            "burst_share": background.bursts.share,
            "burst_concentration": background.bursts.concentration,
        }
    with jax.enable_x64(True):
        middle = np.floor(hour) + 0.5
        mean = np.asarray(mean_count(background, active, middle, day.astype(float), region))
    # Above the mean's neighbourhood, where Alm's factor dips, the two are the same thing.
    use = (triggers >= 1) & (triggers > 3 * mean + 2) & (triggers < 0.4 * active)
    exact = [
        log_alarms_per_hour(
            [int(k)], m, window_s=10.0, family=background.family, active=n, dispersion=d, **bursts
        )[0]
        for k, m, n, d in zip(triggers[use], mean[use], active[use], at[use], strict=True)
    ]
    found = score(made, triggers, active, hour, region, day)
    log_year = np.asarray(found.log_false_alarm_rate_per_year)[use]
    expected = np.array(exact) + np.log(HOURS_PER_YEAR)
    assert np.all(np.abs(log_year - expected) <= np.maximum(0.03, 0.003 * np.abs(expected)))


def drawn(family: str, bursts: bool, slow: bool) -> Background:
    """Draws of a background whose days of the week differ, not by a normal distribution."""
    rng = np.random.default_rng(3)
    count = 4

    def about(value: object, *shape: int) -> np.ndarray:
        return np.asarray(value) * np.exp(0.1 * rng.normal(size=(count, *shape)))

    more: dict = {}
    if family != "poisson":
        spread = 0.004 if family == "beta_binomial" else 0.2
        more |= {"dispersion": about(spread), "dispersion_slope": about(0.3)}
    if bursts:
        more["bursts"] = Bursts(about(1e-5), about(0.05), about(12.0))
    if slow:
        weekend = np.repeat([0.0, 0.6], [120, 48])
        more["profile"] = weekend + 0.02 * rng.normal(size=(count, 168))
        more["intensity"] = Intensity(about(0.3), about(4.0))
    return Background(
        family,
        about(0.8),
        daily=DAILY + 0.02 * rng.normal(size=(count, 4)),
        weekly=np.array([0.3, -0.2]) + 0.02 * rng.normal(size=(count, 2)),
        region_effect=EFFECTS + 0.1 * rng.normal(size=(count, 2)),
        region_sd=about(0.5),
        regions=REGIONS,
        **more,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "bursts", "slow"),
    [
        ("negative_binomial", False, False),
        pytest.param("poisson", False, True, marks=pytest.mark.long),
        pytest.param("beta_binomial", False, False, marks=pytest.mark.long),
        pytest.param("negative_binomial", True, True, marks=pytest.mark.long),
    ],
)
def test_margins_are_those_of_thresholds(family: str, bursts: bool, slow: bool) -> None:
    background = drawn(family, bursts, slow)
    active = np.array([7.0, 20.0, 50.0, 53.0, 177.0, 300.0])
    hours = np.arange(24) + np.random.default_rng(1).uniform(0, 1, 24)
    made = scorer(background, most_active=300, most_triggers=48)
    ask, where = score_one(made), (hours[:, None], np.arange(2)[:, None, None])
    for day in (None, 6):
        found = threshold(background, active, hours, day=day, caution=np.inf)
        at, week = found["triggers"].to_numpy(), ANY_DAY if day is None else day
        reached = found["attainable"].to_numpy() & (at <= 48)
        assert np.mean(reached) > 0.6 and np.unique(at[reached]).size > 5
        margin = np.asarray(score(made, at, active, *where, week).margin)
        below = np.asarray(score(made, at - 1, active, *where, week).margin)
        assert np.all(margin[reached] == 0)
        assert np.all(below[reached] == -1)
        for i, j, m in np.argwhere(reached)[::20]:
            cell = (float(active[m]), float(hours[j]), int(i), week)
            assert ask(int(at[i, j, m]), *cell).margin == 0
            assert ask(int(at[i, j, m]) - 1, *cell).margin == -1


def test_one_score_is_the_same_score(pair: tuple[Background, Scorer]) -> None:
    _, made = pair
    triggers, active, hour, region, day = asked(300)
    triggers[:5], active[5:8], hour[8:10] = 5000, 20_000, 24.5
    many = jax.jit(score)(made, triggers, active, hour, region, day)
    ask = score_one(made)
    columns = zip(*(c.tolist() for c in (triggers, active, hour, region, day)), strict=True)
    each = [ask(*row) for row in columns]
    for name in Score._fields:
        one = np.array([getattr(found, name) for found in each], float)
        off = np.abs(one - np.asarray(getattr(many, name)))
        if name == "margin":
            assert np.nanmax(off) == 0
        else:
            assert np.nanmax(off / (1e-3 + np.abs(one))) < 2e-3
        assert np.array_equal(np.isnan(one), np.isnan(np.asarray(getattr(many, name))))


@pytest.mark.slow
def test_bad_input_is_a_status_never_an_error() -> None:
    made = scorer(Background("poisson", 1.0), most_active=500, most_triggers=40)
    ask = score_one(made)
    bad = [
        (-1, 100, 3.0),
        (7.5, 100, 3.0),
        (101, 100, 3.0),
        (5, 0, 3.0),
        (np.nan, 100, 3.0),
        (5, np.nan, 3.0),
        (5, np.inf, 3.0),
        (5, 100, 24.0),
        (5, 100, -0.1),
        (5, 100, np.nan),
    ]
    for row in bad:
        found = score(made, *row)
        assert int(found.status) == BAD_INPUT
        assert np.isnan(float(found.log_tail)) and np.isnan(float(found.margin))
        assert ask(*row).status == BAD_INPUT
    assert int(score(made, 5, 100, 3.0, 1).status) == BAD_INPUT
    assert int(score(made, 5, 100, 3.0, 0, ANY_DAY + 1).status) == BAD_INPUT
    for row in ((50, 100, 3.0), (5, 5000, 3.0)):
        assert int(score(made, *row).status) == BEYOND_TABLE
        assert np.isfinite(float(score(made, *row).log_tail))


@pytest.mark.slow
def test_where_the_table_holds_no_threshold_nothing_is_an_alarm() -> None:
    background = Background("poisson", 60.0)
    made = scorer(background, most_active=600, most_triggers=40)
    ask = score_one(made)
    # Among 600 devices 161 triggers are needed, among 20 only 18, among 50 29.
    for row, is_alarm in (((130, 600, 3.0), False), ((18, 20, 3.0), True), ((41, 50, 3.0), True)):
        assert (float(score(made, *row).margin) >= 0) == is_alarm
        assert (float(ask(*row).margin) >= 0) == is_alarm
    assert int(score(made, 130, 600, 3.0).status) == BEYOND_TABLE


def test_averages_over_the_rate_do_not_overshoot_at_the_end_of_float64() -> None:
    # From a probability of zero to one that float64 holds, as tails of many triggers have it.
    logs = np.maximum(np.linspace(-1200.0, -100.0, 45), -1e4)
    table = np.where(logs < -690.0, -1e4, logs)[None, :, None]
    average = smooth(table, 0.1)[0, :, 0]
    assert np.all(np.diff(average) >= 0)
    # None is above the largest value within seven standard deviations, four nodes.
    assert np.all(average <= np.maximum(np.append(logs[4:], [logs[-1]] * 4), -690.0) + 1e-9)
    # The average of exp(a + b z) over a standard normal z is exp(a + b^2 / 2).
    logs = np.linspace(-100.0, -20.0, 41)
    average = smooth(logs[None, :, None], 0.1)[0, :, 0]
    np.testing.assert_allclose(average[5:35], logs[5:35] + 0.5, atol=1e-6)


@pytest.mark.long
def test_a_region_known_less_gets_heavier_tails() -> None:
    rng = np.random.default_rng(0)
    effects = np.stack([rng.normal(0, 0.001, 64), rng.normal(0, 0.4, 64)], axis=-1)
    draws = Background(
        "poisson",
        np.full(64, 0.8),
        daily=np.zeros((64, 4)),
        weekly=np.zeros((64, 2)),
        region_effect=effects - effects.mean(axis=0),
        region_sd=np.full(64, 0.4),
        regions=REGIONS,
    )
    made = scorer(draws, most_active=500, most_triggers=64)
    found = score(made, 15, 400, 12.0, np.array([0, 1]))
    assert float(found.log_tail[1]) > float(found.log_tail[0]) + 1
    # The log rate is taken for normal with the mean and deviation of the draws.
    centre, spread = 0.0, float(np.std(draws.region_effect[:, 1]))
    z = np.linspace(-9, 9, 721)
    with jax.enable_x64(True):
        mean = 0.8 * np.exp(centre + spread * z) * 400 * 10 / 3600
        tails = np.asarray(log_tail(Background("poisson", 0.8), 15.0, 400.0, mean))
    exact = logsumexp(tails - 0.5 * z**2) + np.log((z[1] - z[0]) / np.sqrt(2 * np.pi))
    # Between two tabulated deviations the log of the mean is not quite straight.
    assert abs(float(found.log_tail[1]) - exact) < 0.4


@pytest.mark.long
def test_large_batches_go_in_blocks() -> None:
    made = scorer(Background("poisson", 1.0), most_active=500, most_triggers=40)
    active = np.tile(np.arange(1.0, 501.0), 50).reshape(100, 250)
    found = score(made, np.minimum(7.0, active), active, 3.0)
    assert found.log_tail.shape == (100, 250)
    few = score(made, np.minimum(7.0, active[:2]), active[:2], 3.0)
    np.testing.assert_allclose(found.log_tail[:2], few.log_tail, rtol=1e-6)


def test_scorers_refuse_what_cannot_be() -> None:
    background = Background("poisson", 1.0)
    for options in (
        {"false_alarm_rate_per_year": 0.0},
        {"false_alarm_rate_per_year": [1.0, 1.0]},
        {"minimum": 0},
        {"most_triggers": 3},
        {"most_active": 0},
    ):
        with pytest.raises(InputError, match="scorer"):
            scorer(background, **options)
