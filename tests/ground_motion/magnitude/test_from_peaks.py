"""Magnitudes from peaks against brute-force integration of the model written out by hand."""

from types import SimpleNamespace

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat import InputError, exceedance, geodesy, hypocentre
from eqstat.ground_motion import GroundMotion, MotionPosterior, PointSource
from eqstat.ground_motion.event import Device
from eqstat.ground_motion.magnitude import GutenbergRichter, from_peaks, simulate

from ..dense import by_hand

MOTION = GroundMotion(
    correlated_share=0.6, correlation_km=60.0, correlation_growth=0.5, record_sd_slope=-0.05
)
AT = {"latitude": 35.0, "longitude": -117.5, "depth_km": 9.0}
CELLS = np.linspace(3.0, 8.5, 1101)
MIDDLES = (CELLS[1:] + CELLS[:-1]) / 2
PRIOR = 10.0**-MIDDLES / np.sum(10.0**-MIDDLES)
COARSE = np.linspace(3.0, 8.5, 56)


def table(count=5, **columns):
    rng = np.random.default_rng(4)
    given = {
        "latitude": 35.0 + rng.uniform(-0.5, 0.5, count),
        "longitude": -117.5 + rng.uniform(-0.6, 0.6, count),
        "vs30_m_s": np.where(np.arange(count) % 2, np.nan, 500.0),
        "pga_m_s2": 10 ** rng.normal(-0.6, 0.3, count),
    }
    return pd.DataFrame(given | columns)


def normal_of(magnitude, peaks, motion=MOTION, *, latitude, longitude, depth_km):
    """Mean and covariance of log10 peaks, and the variance that is each station's own."""
    km = geodesy.hypocentral_distance(
        latitude, longitude, depth_km, peaks["latitude"], peaks["longitude"]
    )
    middle = float(np.exp(np.mean(np.log(km))))
    # The decay of an event is about a mean distance, which `by_hand` takes from its records.
    rows = peaks.assign(event="a", magnitude=magnitude, depth_km=depth_km, distance_km=km)
    event = SimpleNamespace(table=rows, events=("a",), stations=(), regions=("all",))
    mean, covariance, _, _ = by_hand(motion, event, stations=False)
    size = float(record_sd(motion, magnitude))
    hidden = (0.5 * 0.15) ** 2 * peaks["vs30_m_s"].isna().to_numpy()
    own = size**2 * (1 - float(motion.correlated_share)) + float(motion.station_sd) ** 2 + hidden
    return mean, covariance + np.eye(len(peaks)) * float(motion.station_sd) ** 2, own, middle


def record_sd(motion, magnitude):
    return motion.record_sd * 10 ** (motion.record_sd_slope * (magnitude - 5.0))


def about(peaks, **place):
    """The model with the mean distance of these records as that of the fitted ones."""
    middle = normal_of(5.0, peaks, **place)[3]
    return eqx.tree_at(lambda m: m.station_distance_km, MOTION, np.float64(middle))


def draws_at(places):
    return hypocentre.from_draws(
        [p["latitude"] for p in places],
        [p["longitude"] for p in places],
        [p["depth_km"] for p in places],
    )


def check_moments(result, density, tolerance):
    """Mean, sd and quantiles against a density tabulated over the cells."""
    mass = np.exp(density - density.max()) * PRIOR
    mass /= mass.sum()
    values = result["magnitude"].to_numpy()
    mean = mass @ MIDDLES
    assert values.mean() == pytest.approx(mean, abs=tolerance)
    assert values.std() == pytest.approx(np.sqrt(mass @ (MIDDLES - mean) ** 2), abs=tolerance)
    reached = np.interp(np.quantile(values, [0.05, 0.5, 0.95]), CELLS[1:], np.cumsum(mass))
    np.testing.assert_allclose(reached, [0.05, 0.5, 0.95], atol=0.012)


def test_exact_peaks_are_those_of_the_joint_normal_distribution():
    peaks = table(5)
    result = from_peaks(draws_at([AT]), peaks, about(peaks, **AT))
    density = [
        stats.multivariate_normal.logpdf(np.log10(peaks["pga_m_s2"]), mean, covariance)
        for mean, covariance, *_ in (normal_of(m, peaks, **AT) for m in COARSE)
    ]
    check_moments(result, np.interp(MIDDLES, COARSE, density), 0.004)
    assert result.attrs["peaks"] == 5 and result.sizes["draw"] == 1024


def test_limits_are_orthant_probabilities():
    """One exact, one clipped and three silent stations, two of them side by side."""
    peaks = table(
        5,
        pga_m_s2=[0.2, 9.0, np.nan, 0.01, np.nan],
        least_m_s2=[0.01, np.nan, 0.1, 0.1, 0.15],
        clip_m_s2=[np.inf, 0.5, np.inf, np.inf, np.inf],
    )
    peaks.loc[3, ["latitude", "longitude"]] = peaks.loc[2, ["latitude", "longitude"]] + 0.02
    result = from_peaks(draws_at([AT]), peaks, about(peaks, **AT))
    sign = np.array([1.0, -1.0, -1.0, -1.0])
    limit = np.log10([0.5, 0.1, 0.1, 0.15])
    density = []
    for m in COARSE:
        mean, cov, *_ = normal_of(m, peaks, **AT)
        gain = cov[1:, 0] / cov[0, 0]
        left = mean[1:] + gain * (np.log10(0.2) - mean[0])
        spread = cov[1:, 1:] - np.outer(gain, cov[0, 1:])
        chance = stats.multivariate_normal.cdf(
            np.zeros(4), sign * (limit - left), spread * np.outer(sign, sign), abseps=1e-7
        )
        density.append(
            np.log(max(chance, 1e-300))
            + stats.norm.logpdf(np.log10(0.2), mean[0], cov[0, 0] ** 0.5)
        )
    check_moments(result, np.interp(MIDDLES, COARSE, density), 0.02)
    told = {name: result.attrs[name] for name in result.attrs if name.startswith("peaks")}
    assert told == {"peaks": 1, "peaks_clipped": 1, "peaks_below_level": 3}
    # Silent stations tell: without them the event is larger.
    without = from_peaks(draws_at([AT]), peaks.iloc[:2], MOTION)
    assert float(without["magnitude"].mean()) > float(result["magnitude"].mean()) + 0.15


@pytest.mark.slow
@pytest.mark.parametrize("clipped", [False, pytest.param(True, marks=pytest.mark.long)])
def test_stations_that_are_listed_because_they_triggered(clipped):
    """Two peaks just above the level, each conditioned given what they have in common."""
    peaks = table(2, pga_m_s2=[0.13, 0.4], least_m_s2=0.1)
    if clipped:
        peaks["clip_m_s2"] = [np.inf, 0.35]
    result = from_peaks(draws_at([AT]), peaks, about(peaks, **AT), triggered_only=True)
    y, t, c = np.log10([0.13, 0.4]), -1.0, np.log10(0.35)
    axis = np.linspace(-6, 6, 97)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weight = stats.norm.logpdf(grid).sum(axis=1) + 2 * np.log(axis[1] - axis[0])
    density = []
    for m in COARSE:
        mean, cov, own, _ = normal_of(m, peaks, **AT)
        f = mean + grid @ np.linalg.cholesky(cov - np.diag(own)).T
        each = stats.norm.logpdf(y, f, np.sqrt(own))
        if clipped:
            each[:, 1] = stats.norm.logsf(c, f[:, 1], np.sqrt(own[1]))
        each = each - stats.norm.logsf(t, f, np.sqrt(own))
        density.append(np.logaddexp.reduce(weight + each.sum(axis=1)))
    check_moments(result, np.interp(MIDDLES, COARSE, density), 0.02)
    # Peaks that had to be strong say less of the magnitude.
    plain = from_peaks(draws_at([AT]), peaks.drop(columns="least_m_s2"), MOTION)
    assert float(plain["magnitude"].mean()) > float(result["magnitude"].mean()) + 0.05


def test_place_and_magnitude_are_joint():
    """Hypocentres are weighted by the peaks, and a deeper one has the larger magnitude."""
    peaks = table(6)
    deep = AT | {"depth_km": 60.0}
    motion = eqx.tree_at(lambda m: m.station_distance_km, MOTION, 50.0)
    result = from_peaks(draws_at([AT, deep]), peaks, motion)
    is_deep = result["depth_km"].to_numpy() > 30
    mass = []
    for place in (AT, deep):
        one = from_peaks(draws_at([place]), peaks, motion)
        chosen = result["magnitude"].to_numpy()[is_deep == (place is deep)]
        assert chosen.mean() == pytest.approx(float(one["magnitude"].mean()), abs=0.02)
        # The weight by the mean distance of the model, 50 km: by_hand takes that of the records.
        same = {**place, "motion": motion}
        at = [normal_at(m, peaks, **same) for m in MIDDLES[::5]]
        rows = [stats.multivariate_normal.logpdf(np.log10(peaks["pga_m_s2"]), *a) for a in at]
        mass.append(np.sum(np.exp(rows) * PRIOR[::5]))
    assert is_deep.mean() == pytest.approx(mass[1] / sum(mass), abs=0.005)
    assert result["magnitude"].to_numpy()[is_deep].mean() > result["magnitude"].mean() + 0.05


def normal_at(magnitude, peaks, motion, **place):
    """As `normal_of`, with the model's own mean distance, by a far record that is dropped."""
    km = geodesy.hypocentral_distance(
        place["latitude"], place["longitude"], place["depth_km"], peaks["latitude"],
        peaks["longitude"],
    )  # fmt: skip
    mean_log = np.log(float(motion.station_distance_km)) * (len(km) + 1) - np.sum(np.log(km))
    rows = peaks.assign(distance_km=km)
    rows = pd.concat([rows, rows.iloc[:1].assign(distance_km=np.exp(mean_log))])
    rows = rows.assign(event="a", magnitude=magnitude, depth_km=place["depth_km"])
    event = SimpleNamespace(table=rows, events=("a",), stations=(), regions=("all",))
    mean, covariance, _, _ = by_hand(motion, event, stations=False)
    covariance = covariance + np.eye(len(rows)) * float(motion.station_sd) ** 2
    return mean[:-1], covariance[:-1, :-1]


def test_the_event_term_does_not_average_away():
    rng = np.random.default_rng(1)
    place = {
        "latitude": 35 + rng.uniform(-1, 1, 120),
        "longitude": -117.5 + rng.uniform(-1, 1, 120),
    }
    motion = GroundMotion(correlated_share=0.0, spreading_sd=0.0, magnitude_bend=0.0)
    peaks = simulate(jax.random.key(2), motion, pd.DataFrame(place), **AT, magnitude=5.5)
    result = from_peaks(draws_at([AT]), peaks, motion, prior=GutenbergRichter(2.0, 9.0, 0.0))
    slope = 0.7 + 0.1 * np.log10(60 / 10)
    assert float(result["magnitude"].std()) == pytest.approx(0.3 / slope, rel=0.12)
    alone = eqx.tree_at(lambda m: m.event_sd, motion, 1e-4)
    sharp = from_peaks(draws_at([AT]), peaks, alone, prior=GutenbergRichter(2.0, 9.0, 0.0))
    assert float(sharp["magnitude"].std()) < 0.08


def test_terms_of_known_stations_and_draws_of_the_parameters_are_used():
    peaks = table(3, station=["a", "b", "c"], vs30_m_s=np.nan)
    one = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf, np.float64)[None], 2, 0), MOTION)
    one = eqx.tree_at(lambda m: m.level, one, np.array([-0.3, 0.3]))

    def posterior(terms):
        known = np.tile(terms, (2, 1)), np.full((2, 3), 1e-3)
        about = np.full(3, np.nan), np.zeros(3)
        return MotionPosterior(one, *known, *about, ("a", "b", "c"), ("all",), ())

    places = draws_at([AT] * 64)
    low, high = (
        from_peaks(places, peaks, posterior(terms))["magnitude"] for terms in ([0.0] * 3, [0.4] * 3)
    )
    assert float(low.mean()) > float(high.mean()) + 0.25  # sites that amplify: a smaller event
    strangers = from_peaks(places, peaks.assign(station=["x", "y", "z"]), posterior([0.4] * 3))
    assert float(strangers["magnitude"].mean()) > float(high.mean()) + 0.1
    # Two levels half a decade apart make the magnitude less certain than one.
    single = from_peaks(places, peaks.drop(columns="station"), MOTION)["magnitude"]
    assert float(strangers["magnitude"].std()) > float(single.std()) + 0.02


def test_any_form_of_a_hypocentre_is_taken_and_gives_the_source_of_shaking():
    peaks = table(4)
    frame = geodesy.LocalFrame(35.0, -117.5)
    edges = hypocentre.Axis.of_edges(np.linspace(-8, 8, 9))
    depth = hypocentre.Axis.of_edges(np.linspace(0, 20, 5))
    grid = hypocentre.from_grid(
        frame, {"east_km": edges, "north_km": edges, "depth_km": depth}, np.full((8, 8, 4), 1 / 256)
    )
    normal = hypocentre.from_normal(frame, [0, 0, 3, 0], np.diag([9.0, 9.0, 25.0, 1.0]))
    means = []
    for located in (grid, normal, hypocentre.resample(grid, 300)):
        result = from_peaks(located, peaks)
        assert result.attrs["form"] == "draws" and result.attrs["effective_draws"] > 30
        means.append(float(result["magnitude"].mean()))
        shown = hypocentre.summary(result)["magnitude"]
        assert float(shown.sel(statistic="low")) < means[-1] < float(shown.sel(statistic="high"))
    assert np.ptp(means) < 0.15
    sources = exceedance.from_posterior(result)
    sites = pd.DataFrame({"latitude": [35.2], "longitude": [-117.4]})
    shaking = exceedance.shaking(PointSource(), sources, sites, 0.5)
    assert 0 < float(shaking["probability"][0, 0]) < 1
    again = from_peaks(located, peaks)
    np.testing.assert_array_equal(again["magnitude"], result["magnitude"])


@pytest.mark.slow
def test_a_simulated_network_without_its_silent_stations_is_biased_and_with_them_is_not():
    """Small earthquakes, of which few stations show anything."""
    rng = np.random.default_rng(3)
    place = {"latitude": 35 + rng.uniform(-1, 1, 16), "longitude": -117.5 + rng.uniform(-1, 1, 16)}
    flat = GutenbergRichter(2.0, 8.0, 0.0)
    errors = {"all": [], "reported": []}
    for number in range(12):
        peaks = simulate(
            jax.random.key(number), GroundMotion(), pd.DataFrame(place), **AT, magnitude=4.0,
            least_m_s2=0.05,
        )  # fmt: skip
        if peaks["pga_m_s2"].notna().sum() < 2:
            continue
        for name, rows in (("all", peaks), ("reported", peaks.dropna(subset=["pga_m_s2"]))):
            result = from_peaks(draws_at([AT]), rows, prior=flat)
            errors[name].append(float(result["magnitude"].mean()) - 4.0)
    assert np.mean(errors["reported"]) > np.mean(errors["all"]) + 0.1


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"motion": PointSource()}, "motion"),
        ({}, {"prior": 4.0}, "prior"),
        ({}, {"device": 0.1}, "device"),
        ({}, {"draws": 0}, "draws"),
        ({}, {"least_m_s2": -1.0}, "least_m_s2"),
        ({}, {"region": "mars"}, "no region 'mars'"),
        ({}, {"triggered_only": True}, "need least_m_s2"),
        ({"pga_m_s2": [0.1, np.nan, 0.2]}, {}, "no peak and no level"),
        ({"pga_m_s2": [0.1, np.nan, 0.2]}, {"least_m_s2": 0.05, "triggered_only": True},
         "have no peak above least_m_s2"),
        ({"pga_m_s2": [0.1, 500.0, 0.2]}, {}, "divide Gal by 100"),
        ({"pga_m_s2": [0.1, -0.2, 0.2]}, {}, "pga_m_s2"),
        ({"clip_m_s2": 0.01}, {"least_m_s2": 0.05}, "clip at or below"),
        ({"clip_m_s2": -1.0}, {}, "clip_m_s2"),
        ({"station": ["a", "a", "b"]}, {}, "station 'a' comes twice"),
        ({"event": ["a", "a", "b"]}, {}, "several events"),
        ({"latitude": None}, {}, "latitude"),
    ],
)  # fmt: skip
def test_bad_input(change, options, words):
    peaks = table(3)
    for name, values in change.items():
        peaks = peaks.drop(columns=name) if values is None else peaks.assign(**{name: values})
    with pytest.raises((InputError, TypeError), match=words):
        from_peaks(draws_at([AT]), peaks, **options)


def test_an_empty_table_and_draws_of_parameters_are_refused():
    with pytest.raises(InputError, match="no rows"):
        from_peaks(draws_at([AT]), table(3)[:0])
    many = eqx.tree_at(lambda m: m.level, MOTION, np.zeros(3))
    with pytest.raises(InputError, match="draws of the parameters"):
        from_peaks(draws_at([AT]), table(3), many)
    with pytest.raises(InputError, match="greatest_magnitude"):
        GutenbergRichter(5.0, 4.0)


def test_gutenberg_richter_is_one_distribution():
    law = GutenbergRichter(3.0, 8.0, 0.9)
    share = np.linspace(0.01, 0.99, 9)
    np.testing.assert_allclose(law.exceeded(law.quantile(share)), 1 - share, atol=1e-12)
    flat = GutenbergRichter(3.0, 8.0, 0.0)
    np.testing.assert_allclose(flat.quantile(share), 3 + 5 * share)
    assert len(law.edges(0.1)) == 51


def test_simulated_peaks_end_at_their_limits():
    rng = np.random.default_rng(0)
    at = pd.DataFrame(
        {"latitude": 35 + rng.uniform(-1, 1, 60), "longitude": -117.5 + rng.uniform(-1, 1, 60)}
    )
    options = {**AT, "magnitude": 6.0, "least_m_s2": 0.1}
    peaks = simulate(jax.random.key(0), GroundMotion(), at, device=Device(clip_m_s2=0.3), **options)
    seen = peaks["pga_m_s2"].dropna()
    assert 0 < len(seen) < 60 and seen.min() >= 0.1 and seen.max() == 0.3
    only = simulate(jax.random.key(0), GroundMotion(), at, triggered_only=True, **options)
    assert only["pga_m_s2"].min() >= 0.1 and only["pga_m_s2"].notna().all()
    with pytest.raises(InputError, match="least_m_s2"):
        simulate(jax.random.key(0), GroundMotion(), at, **AT, magnitude=5.0, triggered_only=True)
