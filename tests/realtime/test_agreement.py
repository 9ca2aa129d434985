"""JAX scorers, edge scorers and the packages' own functions agree."""

import jax
import numpy as np
import pandas as pd
import pytest
import realtime_inputs as inputs
from scipy import special

from eqstat import InputError, detectability, edge, exceedance, geodesy, realtime, traveltime
from eqstat.counts import Background, Intensity, alarm, coincidence
from eqstat.detectability import DeviceResponse, trigger_probability
from eqstat.ground_motion import Design, GroundMotion, PointSource, fit, simulate
from eqstat.ground_motion.mixture import mean_and_sd
from eqstat.realtime import Status

pytestmark = pytest.mark.slow

KINDS = list(inputs.MAKERS)


@pytest.fixture(scope="module")
def pairs():
    """Each scorer compiled, and read by `eqstat.edge` from its artefact."""
    made = {}
    for kind, make in inputs.MAKERS.items():
        scorer = make()
        made[kind] = (
            scorer,
            realtime.compile(scorer, (8, 64), progress=False),
            edge.load(realtime.to_bytes(scorer)),
        )
    return made


def compare(pair, kind, number, seed):
    _, compiled, small = pair
    rng = np.random.default_rng(seed)
    for _ in range(number):
        columns = inputs.sound(kind, rng)
        assert not edge.disagreement(small.score(**columns), compiled.score(**columns))


@pytest.mark.parametrize("kind", KINDS)
def test_edge_scores_as_jax_does(pairs, kind):
    compare(pairs[kind], kind, 40, 1)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_edge_scores_as_jax_does_on_many_inputs(pairs, kind):
    compare(pairs[kind], kind, 10_000 if kind != "classification" else 2000, 2)


def learned_tail():
    from eqstat.counts._intensity._tail import Tail, Tails

    return Tails(fixed=Tail(level=4.0, log_ratio=0.3, scale=1.3, shape=0.1, log_block_h=-1.8))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"rate_per_device_h": np.exp(np.random.default_rng(0).normal(1.7, 0.15, 30))},
        {"rate_per_device_h": 5.76, "intensity": Intensity(0.3, 4.0)},
        {"rate_per_device_h": 5.76, "tails": learned_tail()},
    ],
    ids=["posterior", "slow intensity", "learned tail"],
)
def test_edge_scores_other_backgrounds(options):
    tables = alarm.scorer(Background("poisson", **options), most_active=200, most_triggers=24)
    scorer = realtime.CountScorer.init(tables)
    compiled = realtime.compile(scorer, (512,), progress=False)
    small = edge.load(realtime.to_bytes(scorer))
    rng = np.random.default_rng(10)
    active = np.exp(rng.uniform(0, 5.4, 500)).round()
    triggers = np.minimum((active ** rng.uniform(0, 0.8, 500)).round(), 26)
    columns = {"triggers": triggers, "active": active, "hour": rng.uniform(0, 23.9, 500)}
    assert not edge.disagreement(small.score(**columns), compiled.score(**columns))
    singles = [small.score(*map(float, row)) for row in zip(*columns.values(), strict=True)]
    np.testing.assert_array_equal([one.margin for one in singles], small.score(**columns).margin)


@pytest.mark.slow
def test_counts_are_those_of_the_package(pairs):
    scorer, compiled, _ = pairs["counts"]
    columns = inputs.sound("counts", np.random.default_rng(3))
    scores = alarm.score(scorer.tables, **columns)
    answer = compiled.score(**columns)
    np.testing.assert_allclose(
        answer.false_alarm_probability, scores.false_alarm_probability, rtol=1e-5
    )
    np.testing.assert_allclose(answer.margin, scores.margin)
    np.testing.assert_array_equal(answer.status, scores.status)


def test_coincidences_are_those_of_the_package(pairs):
    columns = inputs.sound("coincidence", np.random.default_rng(4))
    on, everyone = columns["pre_warned"], np.ones_like(columns["pre_warned"])
    sensors = coincidence.Sensors(
        shape=[10.0, 20.0, 300.0, 5.0, 10.0],
        exposure_h=500.0,
        picked=[80.0, 80.0, 80.0, 20.0, 80.0],
        missed=[20.0, 20.0, 20.0, 80.0, 20.0],
    )
    answer = pairs["coincidence"][1].score(on, everyone)
    probability = coincidence.probability_of_earthquake(
        sensors, on, frame_s=3.0, earthquakes_per_year=5.0
    )
    np.testing.assert_allclose(answer.earthquake_probability, probability, atol=1e-5)
    rate = np.exp(coincidence.log_coincidences_per_year(sensors, np.maximum(on.sum(1), 1), 3.0))
    rate = np.where(on.any(1), rate, np.nan)
    np.testing.assert_allclose(answer.false_alarm_rate_per_year, rate, rtol=1e-4)
    needed = coincidence.smallest_required(sensors, frame_s=3.0)
    np.testing.assert_allclose(answer.margin, on.sum(1) - needed)


def test_misses_of_coincidences_are_those_of_simulated_earthquakes(pairs):
    model, compiled, _ = pairs["coincidence"]
    rng = np.random.default_rng(5)
    heard = np.array([1, 1, 0, 1, 1])
    hits = rng.random((100_000, 5)) < np.asarray(model.model["hit_probability"])
    missed = (hits & (heard == 1)).sum(1) < float(model.model["required"])
    expected = compiled.score(np.zeros(5), heard).miss_probability
    assert abs(missed.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / len(missed))


def test_exceedances_are_those_of_the_package(pairs):
    columns = inputs.sound("exceedance", np.random.default_rng(6))
    source = exceedance.Sources(*(columns[n] for n in ("latitude", "longitude", "depth_km")),
                                columns["magnitude"], weight=columns["weight"])  # fmt: skip
    own = exceedance.shaking(PointSource(), source, inputs.sites(20), [0.1, 0.5])
    answer = pairs["exceedance"][1].score(**columns)
    np.testing.assert_allclose(answer.exceedance_probability, own["probability"], atol=1e-5)
    np.testing.assert_allclose(answer.margin, own["probability"].values - 0.1, atol=1e-5)


@pytest.mark.long
def test_a_fitted_predictor_is_exported_as_a_table():
    key = jax.random.key(0)
    motions = simulate(key, GroundMotion(), Design(events=12, stations=8))
    exact = realtime.ExceedanceScorer.init(
        fit(motions).predictor(key), inputs.sites(20), [0.1, 0.5], action_probability=0.1
    )
    with pytest.raises(InputError, match=r"export\(scorer.tabulated\(\), ...\)"):
        realtime.to_bytes(exact)
    table = exact.tabulated()
    content = realtime.to_bytes(table)
    small, again = edge.load(content), realtime.load(content)
    scorers = [realtime.compile(each, (64,), progress=False) for each in (exact, table, again)]
    rng = np.random.default_rng(11)
    for _ in range(5):
        columns = inputs.sound("exceedance", rng)
        own, near, read = (each.score(**columns) for each in scorers)
        np.testing.assert_allclose(
            near.exceedance_probability, own.exceedance_probability, atol=5e-3
        )
        assert not edge.disagreement(read, near)
        assert not edge.disagreement(small.score(**columns), near)


def test_a_table_gives_nearly_the_same_probabilities():
    exact = inputs.exceedance()
    table = exact.tabulated()
    small = edge.load(realtime.to_bytes(table))
    scorers = [realtime.compile(each, (64,), progress=False) for each in (exact, table)]
    rng = np.random.default_rng(12)
    for _ in range(5):
        columns = inputs.sound("exceedance", rng)
        own, near = (each.score(**columns) for each in scorers)
        difference = np.abs(near.exceedance_probability - own.exceedance_probability)
        assert difference.max() < 2e-3
        assert not edge.disagreement(small.score(**columns), near)


def test_classification_is_that_of_the_package(pairs):
    rng = np.random.default_rng(7)
    for _ in range(12):
        columns = inputs.detection(rng, int(rng.integers(6, 65)))
        table = pd.DataFrame(columns).rename(columns={"time_s": "time"})
        own = traveltime.classify(traveltime.prepare(table))
        margin = max(t.critical_value - t.statistic for t in own.models.values())
        answer = pairs["classification"][1].score(**columns)
        assert answer.margin == pytest.approx(margin, rel=1e-3, abs=1e-3)
        assert (answer.margin >= 0) == own.is_earthquake


def slow_probability(time_s, east_km, north_km, draws=400_000):
    """Probability of an earthquake by draws of the prior, and of background by a plain sum."""
    rng = np.random.default_rng(0)
    k, first, last = len(time_s), time_s.min(), time_s.max()
    window = last - first + 20.0
    aperture = np.sqrt(np.mean((east_km - east_km.mean()) ** 2 + (north_km - north_km.mean()) ** 2))
    reach = np.clip(4 * aperture, 50, 500) / np.sqrt(3)
    x, y = rng.normal(0, reach, (2, draws))
    depth, sd = abs(rng.normal(0, 40, draws)), 1.29 * np.exp(0.3 * rng.normal(size=draws))
    path = np.sqrt(
        (x[:, None] - east_km + east_km.mean()) ** 2
        + (y[:, None] - north_km + north_km.mean()) ** 2
        + depth[:, None] ** 2
    )

    def of_origin(residual, sd):
        square = np.sum((residual - residual.mean(-1, keepdims=True)) ** 2, axis=-1)
        log_sd = -0.5 * (k - 1) * np.log(2 * np.pi * sd**2) - 0.5 * np.log(k)
        return np.mean(np.exp(log_sd - 0.5 * square / sd**2)) / window

    quake = np.mean([of_origin(time_s - path / speed, sd) for speed in (7.8, 4.5)])
    common = of_origin(np.tile(time_s, (draws, 1)), 0.5 * np.exp(rng.normal(size=draws)))
    lead = (np.arange(1000) + 0.5) / 100
    length = last - first + lead[:, None] + lead
    spread = np.sum(length ** -(k + 1.0)) * 1e-4 / (window * np.log(window))
    return quake / (quake + 0.5 * (spread + common))


@pytest.mark.parametrize(
    ("size", "at", "spread", "noise_s"),
    [
        pytest.param(12, (10.0, 5.0, 12.0), 25.0, 1.5, id="within the network"),
        pytest.param(10, (150.0, -60.0, 30.0), 20.0, 1.2, id="far outside"),
        pytest.param(9, (0.0, 0.0, 70.0), 30.0, 1.0, id="deep"),
        pytest.param(8, (20.0, 0.0, 10.0), 8.0, 2.0, id="few, close together"),
    ],
)
def test_the_probability_of_an_earthquake_is_that_of_draws_of_the_prior(
    pairs, size, at, spread, noise_s
):
    rng = np.random.default_rng(11)
    east, north = rng.uniform(-spread, spread, (2, size))
    time = np.sqrt((east - at[0]) ** 2 + (north - at[1]) ** 2 + at[2] ** 2) / 7.8
    time = time + rng.normal(0, noise_s, size)
    answer = pairs["classification"][2].score(
        time_s=time, latitude=north / 111.195, longitude=east / 111.195
    )
    expected = slow_probability(time, east, north)
    odds = special.logit(answer.earthquake_probability) - special.logit(expected)
    assert abs(odds) < 0.15


def test_a_device_notices_as_the_package_says(pairs):
    columns = inputs.sound("detectability", np.random.default_rng(8))
    response, motion = DeviceResponse(), PointSource()
    with jax.enable_x64(True):
        given = (columns[name] for name in ("magnitude", "distance_km", "depth_km", "depth_km"))
        mixture = motion(*map(jax.numpy.asarray, given))
        chance = sum(trigger_probability(response, *mean_and_sd(mixture)))
    answer = pairs["detectability"][1].score(**columns)
    np.testing.assert_allclose(answer.miss_probability, 1 - np.asarray(chance), atol=2e-3)


def test_positions_are_those_of_the_local_frame():
    rng = np.random.default_rng(9)
    latitude, longitude = rng.uniform(-90, 90, 50), rng.uniform(-180, 180, 50)
    for centre in ((0.0, 0.0), (46.0, 179.9), (-90.0, 10.0), (89.0, -30.0)):
        own = geodesy.LocalFrame(*centre).position(latitude, longitude)
        near = edge.cartesian(centre, latitude, longitude, 0.0)
        np.testing.assert_allclose(near, own, atol=1e-8)


def test_chi_square_tails_are_those_of_scipy():
    from scipy import stats

    for freedom in (1, 2, 3, 10, 105, 124, 4000):
        for ratio in (0.0, 0.2, 0.8, 1.0, 1.5, 4.0):
            tail = edge.chi_square_tail(ratio * freedom, freedom)
            assert tail == pytest.approx(stats.chi2.sf(ratio * freedom, freedom), abs=1e-9)


@pytest.mark.long
def test_a_network_misses_as_the_package_says():
    towns = pd.DataFrame(
        {"latitude": [-12.0, -12.3, -11.9], "longitude": [-77.0, -76.8, -76.5],
         "phones": [400, 120, 60]}
    )  # fmt: skip
    network, rule = detectability.prepare(towns, devices="phones"), detectability.Rule(12)
    latitude, longitude = np.linspace(-12.6, -11.6, 6), np.linspace(-77.2, -76.2, 6)
    magnitude, hour = np.arange(3.0, 6.6, 0.5), [3.0, 15.0]
    share = [0.5, 0.2]
    scorer = realtime.DetectabilityScorer.of_network(
        network, rule, latitude, longitude, magnitude, hour=hour, active_share=share
    )
    small = edge.load(realtime.to_bytes(scorer))
    own = detectability.miss_probability(
        network, rule, [-12.0], [-76.8], [4.0, 5.0], hour=hour, active_share=share
    )["miss_probability"].to_numpy()[0]
    for row, size in enumerate((4.0, 5.0)):
        for column, time in enumerate(hour):
            answer = small.score(latitude=-12.0, longitude=283.2, magnitude=size, hour=time)
            assert answer.miss_probability == pytest.approx(own[row, column], abs=1e-4)
    # The day is closed: 21 h lies halfway between 15 h and 3 h.
    ends = (small.score(latitude=-12.0, longitude=-76.8, magnitude=5.0, hour=h).miss_probability
            for h in (15.0, 21.0, 3.0))  # fmt: skip
    before, between, after = ends
    assert min(before, after) <= between <= max(before, after)
    rng = np.random.default_rng(0)
    columns = {
        "latitude": rng.uniform(-13, -11, 200),
        "longitude": rng.uniform(-78, -76, 200),
        "magnitude": rng.uniform(2.5, 7, 200),
        "hour": rng.uniform(0, 24, 200),
    }
    compiled = realtime.compile(scorer, (256,), progress=False)
    answer = compiled.score(**columns)
    assert not edge.disagreement(small.score(**columns), answer)
    assert {Status.OK, Status.BEYOND} == set(answer.status.tolist())
