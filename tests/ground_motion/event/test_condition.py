"""Learning in the event against brute-force conditioning and against numerical integration."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from eqstat import InputError
from eqstat.ground_motion import GroundMotion, MotionPosterior
from eqstat.ground_motion._predict import predictor_of
from eqstat.ground_motion.event import Device, condition, predict, update, update_event_term
from eqstat.ground_motion.mixture import _mixture as mx

from ..dense import correlation

TAU, SITE, OWN = 0.3, 0.2, 0.25


def posterior(
    draws=1, spread=0.0, stations=(), seed=0, vs30_m_s=500.0, spreading_sd=0.0, **effects
):
    """A posterior made by hand: draws of the level, a few stations with terms."""
    rng = np.random.default_rng(seed)
    one = GroundMotion(
        event_sd=TAU, station_sd=SITE, record_sd=OWN, spreading_sd=spreading_sd, **effects
    )
    many = jax.tree.map(
        lambda leaf: np.repeat(np.asarray(leaf, np.float64)[None], draws, axis=0), one
    )
    many = eqx.tree_at(lambda m: m.level, many, -0.3 + spread * rng.normal(size=draws))
    many = eqx.tree_at(lambda m: m.event_sd, many, TAU * np.exp(spread * rng.normal(size=draws)))
    return MotionPosterior(
        many,
        rng.normal(0, 0.2, (draws, len(stations))),
        np.full((draws, len(stations)), 0.05),
        np.full(len(stations), vs30_m_s),
        np.zeros(len(stations)),
        tuple(stations),
        ("all",),
        (),
    )


def reports(pga, **columns):
    count = len(pga)
    return pd.DataFrame(
        {
            "magnitude": 5.5,
            "distance_km": np.linspace(15, 90, count),
            "depth_km": 9.0,
            "vs30_m_s": 500.0,
            "pga_m_s2": pga,
            **columns,
        }
    )


SITES = reports([np.nan] * 3).assign(distance_km=[20.0, 40.0, 80.0], vs30_m_s=[300.0, np.nan, 900])


def centre(table, level=-0.3):
    """Median by hand, of the default parameters."""
    m, r = table["magnitude"].to_numpy(), table["distance_km"].to_numpy()
    logs = np.log10(np.hypot(r, 6.0 * 10 ** (0.235 * (m - 5))) / 10)
    site = np.log10(table["vs30_m_s"].fillna(10**2.6).to_numpy() / 760)
    out = level + 0.7 * (m - 5) - 0.05 * (m - 5) ** 2 - (1.4 - 0.1 * (m - 5)) * logs
    return out - 0.2 * r / 100 - 0.5 * site + 0.0 * table["depth_km"].to_numpy()


@pytest.mark.slow
def test_conditioning_is_that_of_the_joint_normal_distribution():
    given = reports([0.9, 0.25, 0.12, 0.03])
    everything = pd.concat([given, SITES])
    mean = centre(everything)
    hidden = np.where(everything["vs30_m_s"].isna(), (0.5 * 0.15) ** 2, 0.0)
    cov = np.full((7, 7), TAU**2) + np.diag(SITE**2 + OWN**2 + hidden)
    gain = cov[4:, :4] @ np.linalg.inv(cov[:4, :4])
    expected = mean[4:] + gain @ (np.log10(given["pga_m_s2"]) - mean[:4])
    spread = np.sqrt(np.diag(cov[4:, 4:] - gain @ cov[:4, 4:]))
    event = condition(posterior(), given)
    with jax.enable_x64(True):
        for mixture in (
            event.predict(SITES, components=1),
            event.predictor(components=1)(
                *(SITES[n].to_numpy() for n in ("magnitude", "distance_km", "depth_km", "vs30_m_s"))
            ),
        ):
            np.testing.assert_allclose(mixture.mean[:, 0], expected, atol=1e-7)
            np.testing.assert_allclose(mixture.scale[:, 0], spread, atol=1e-7)
    assert event.reports == 4


@pytest.mark.slow
def test_neighbours_and_decay_are_those_of_the_joint_normal_distribution():
    slope, field = 0.25, dict(correlated_share=0.7, correlation_km=40.0, correlation_growth=0.8)
    model = dict(spreading_sd=slope, **field)
    given = reports([0.9, 0.25, 0.12, 0.03, 0.2], latitude=[35.0, 35.1, 35.1, 36.0, np.nan])
    given["longitude"] = [-118.0, -118.0, -117.9, -117.0, -118.0]
    sites = SITES.assign(latitude=[35.0, 35.3, np.nan], longitude=[-118.0, -117.5, np.nan])
    everything = pd.concat([given, sites])
    mean, count = centre(everything), len(everything)
    size_km = 6.0 * 10 ** (0.235 * 0.5)
    decay = np.log10(np.hypot(everything["distance_km"], size_km) / np.hypot(50.0, size_km))
    field = correlation(field, everything, decay.to_numpy())
    np.fill_diagonal(field, 1.0)
    hidden = np.where(everything["vs30_m_s"].isna(), (0.5 * 0.15) ** 2, 0.0)
    cov = TAU**2 + slope**2 * np.outer(decay, decay) + OWN**2 * field
    cov = cov + np.diag(SITE**2 + hidden)
    seen, unseen = np.arange(count) < 5, np.arange(count) >= 5
    gain = cov[np.ix_(unseen, seen)] @ np.linalg.inv(cov[np.ix_(seen, seen)])
    rest = np.log10(given["pga_m_s2"]) - mean[seen]
    spread = cov[np.ix_(unseen, unseen)] - gain @ cov[np.ix_(seen, unseen)]
    event = condition(posterior(**model), given)
    with jax.enable_x64(True):
        mixture = event.predict(sites, components=1)
    np.testing.assert_allclose(mixture.mean[:, 0], mean[unseen] + gain @ rest, atol=1e-7)
    np.testing.assert_allclose(mixture.scale[:, 0], np.sqrt(np.diag(spread)), atol=1e-7)
    factors = np.stack([np.full(5, TAU), -slope * decay[:5]])
    effect = factors @ np.linalg.inv(cov[:5, :5])
    scale = np.array([TAU, slope])
    np.testing.assert_allclose(event.effect_mean[0], scale * (effect @ rest), atol=1e-8)
    expected = np.outer(scale, scale) * (np.eye(2) - effect @ factors.T)
    np.testing.assert_allclose(event.effect_covariance[0], expected, atol=1e-8)
    many = posterior(draws=6, spread=0.3, **model)
    logs = []
    for draw in range(6):
        own = cov[:5, :5] + many.motion.event_sd[draw] ** 2 - TAU**2
        at = centre(given, many.motion.level[draw])
        logs.append(stats.multivariate_normal.logpdf(np.log10(given["pga_m_s2"]), at, own))
    weighted = condition(many, given)
    np.testing.assert_allclose(weighted.log_weight, logs - np.logaddexp.reduce(logs), atol=1e-8)
    step = update(condition(many, given[:2]), given[2:])
    np.testing.assert_allclose(step.predict(sites).mean, weighted.predict(sites).mean, atol=1e-6)


@pytest.mark.slow
def test_clipped_reports_say_of_the_decay_too():
    given = reports([3.0, 0.5, 3.0, 3.0], distance_km=[15.0, 40.0, 25.0, 90.0])
    event = condition(posterior(spreading_sd=0.3), given, device=Device(clip_m_s2=2.0))
    within, mean, size_km = np.hypot(SITE, OWN), centre(given), 6.0 * 10 ** (0.235 * 0.5)
    decay = -np.log10(np.hypot(given["distance_km"], size_km) / np.hypot(50.0, size_km)).to_numpy()
    axis = np.linspace(-2.5, 2.5, 1501)
    term, slope = np.meshgrid(axis, axis, indexing="ij")
    at = mean + term[..., None] + slope[..., None] * decay
    clipped = [0, 2, 3]
    density = stats.norm.logcdf((at[..., clipped] - np.log10(2.0)) / within).sum(axis=-1)
    density += stats.norm.logpdf(np.log10(0.5), at[..., 1], within)
    density += stats.norm.logpdf(term, 0, TAU) + stats.norm.logpdf(slope, 0, 0.3)
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    moments = [np.sum(weight * part) for part in (term, slope)]
    np.testing.assert_allclose(event.effect_mean[0], moments, atol=1e-7)
    off = np.stack([term - moments[0], slope - moments[1]])
    expected = np.einsum("aij,bij,ij->ab", off, off, weight)
    np.testing.assert_allclose(event.effect_covariance[0], expected, atol=1e-7)


@pytest.mark.slow
def test_reports_one_by_one_are_as_good_as_at_once():
    given = reports([0.9, 0.25, 0.12, 0.03, 0.5])
    many = posterior(draws=20, spread=0.2)
    once = condition(many, given)
    step = condition(many, given[:0])
    assert step.event_term[0] == 0.0
    for row in range(5):
        step = update(step, given[row : row + 1])
    np.testing.assert_allclose(step.effect_mean, once.effect_mean, atol=1e-10)
    np.testing.assert_allclose(step.effect_covariance, once.effect_covariance, atol=1e-10)
    np.testing.assert_allclose(step.log_weight, once.log_weight, atol=1e-9)
    assert step.event_term == pytest.approx(once.event_term, abs=1e-9)


@pytest.mark.slow
def test_draws_are_weighted_by_what_was_reported():
    given = reports([0.9, 0.25, 0.12, 0.03])
    many = posterior(draws=30, spread=0.3)
    event = condition(many, given)
    logs = []
    for draw in range(30):
        cov = np.full((4, 4), many.motion.event_sd[draw] ** 2) + np.eye(4) * (SITE**2 + OWN**2)
        mean = centre(given, many.motion.level[draw])
        logs.append(stats.multivariate_normal.logpdf(np.log10(given["pga_m_s2"]), mean, cov))
    logs = np.array(logs) - np.logaddexp.reduce(logs)
    np.testing.assert_allclose(event.log_weight, logs, atol=1e-6)


@pytest.mark.slow
def test_nothing_reported_is_the_prediction_before():
    many = posterior(draws=25, spread=0.2)
    before = predict(many, SITES)
    event = condition(many, reports([]))
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(event.predict(SITES)), strict=True):
        np.testing.assert_array_equal(a, b)
    names = ("magnitude", "distance_km", "depth_km", "vs30_m_s")
    other = many.predictor()(*(SITES[n].to_numpy() for n in names))
    np.testing.assert_allclose(other.mean, before.mean, atol=1e-5)
    np.testing.assert_allclose(other.scale, before.scale, atol=1e-5)


def test_a_known_station_says_more_of_the_event_and_is_predicted_by_its_term():
    known = posterior(stations=("A", "B"))
    given = reports([0.9], station=["A"])
    named, unnamed = condition(known, given), condition(known, given.drop(columns="station"))
    assert named.event_term[1] < unnamed.event_term[1]
    rest = np.log10(0.9) - centre(given)[0] - known.station_mean[0, 0]
    shrink = TAU**2 / (TAU**2 + OWN**2 + 0.05**2)
    assert named.event_term[0] == pytest.approx(rest * shrink, abs=1e-6)
    at_b = predict(known, reports([1.0], station=["B"]), components=1)
    new = predict(known, reports([1.0], station=["C"]), components=1)
    assert float((at_b.mean - new.mean)[0, 0]) == pytest.approx(known.station_mean[0, 1], abs=1e-5)
    assert float(at_b.scale[0, 0]) == pytest.approx(np.sqrt(TAU**2 + OWN**2 + 0.05**2), abs=1e-5)


@pytest.mark.parametrize("learned", [500.0, np.nan])
def test_a_term_goes_with_the_vs30_that_it_was_learned_with(learned):
    known = posterior(stations=("A",), vs30_m_s=learned)
    tables = [reports([1.0], station=["A"], vs30_m_s=now) for now in (500.0, np.nan, 900.0)]
    first, *others = (predict(known, table, components=1) for table in tables)
    expected = centre(reports([1.0], vs30_m_s=learned))[0] + known.station_mean[0, 0]
    assert float(first.mean[0, 0]) == pytest.approx(expected, abs=1e-5)
    assert float(first.scale[0, 0]) == pytest.approx(np.sqrt(TAU**2 + OWN**2 + 0.05**2), abs=1e-5)
    for other in others:
        np.testing.assert_array_equal(other.mean, first.mean)
        np.testing.assert_array_equal(other.scale, first.scale)


@pytest.mark.slow
def test_phones_have_bias_scatter_and_clip():
    given = reports([3.0, 0.5, 3.0], vs30_m_s=np.nan)
    phone = Device(bias=0.1, sd=0.3, clip_m_s2=2.0)
    event = condition(posterior(), given, device=phone)
    within = np.sqrt(SITE**2 + OWN**2 + 0.3**2 + (0.5 * 0.15) ** 2)
    mean = centre(given) + 0.1

    def density(term):
        level = np.log10(2.0)
        hit = stats.norm.logcdf((mean[[0, 2]] + term - level) / within).sum()
        own = stats.norm.logpdf(np.log10(0.5), mean[1] + term, within)
        return np.exp(hit + own + stats.norm.logpdf(term, 0, TAU))

    whole, first, second = (
        integrate.quad(lambda t, k=k: t**k * density(t), -3, 3, epsabs=1e-14)[0] for k in range(3)
    )
    assert event.event_term[0] == pytest.approx(first / whole, abs=1e-7)
    expected = np.sqrt(second / whole - (first / whole) ** 2)
    assert event.event_term[1] == pytest.approx(expected, abs=1e-7)
    # The same by columns; and a seismometer that is believed moves the term further.
    mixed = given.assign(device_bias=0.1, device_sd=[0.3, np.nan, 0.3], clip_m_s2=2.0)
    by_columns = condition(posterior(), mixed, device=Device(sd=0.3))
    assert by_columns.event_term == pytest.approx(event.event_term)
    never = given.assign(clip_m_s2=np.inf)
    plain = condition(posterior(), given)
    assert condition(posterior(), never).event_term == plain.event_term
    weights = condition(posterior(draws=4, spread=0.3), given, device=phone).log_weight
    assert np.logaddexp.reduce(weights) == pytest.approx(0.0, abs=1e-9)


def test_uncertain_magnitudes_leave_the_event_more_to_learn():
    given = reports([0.9, 0.4])
    sure, unsure = (condition(posterior(), given, magnitude_sd=sd) for sd in (0.0, 0.5))
    assert abs(unsure.event_term[0]) > abs(sure.event_term[0])
    far = np.log10(np.hypot(given["distance_km"], 6.0 * 10 ** (0.235 * 0.5)) / 10).mean()
    steep = 0.7 - 2 * 0.05 * 0.5 + 0.1 * far
    within, total = SITE**2 + OWN**2, TAU**2 + (0.5 * steep) ** 2
    assert unsure.event_term[1] == pytest.approx(np.sqrt(1 / (1 / total + 2 / within)), abs=1e-6)
    nothing = condition(posterior(), given[:0], magnitude_sd=0.5)
    assert nothing.event_term[1] == pytest.approx(np.hypot(TAU, 0.35), abs=0.01)
    with pytest.raises(InputError, match="magnitude_sd"):
        condition(posterior(), given, magnitude_sd=-0.1)


@pytest.mark.slow
def test_no_draw_is_lost_in_bins():
    many = posterior(draws=7, spread=0.2)
    smallest = np.argmin(many.motion.event_sd)
    weight = np.where(np.arange(7) == smallest, 0.0, -50.0)
    _, *effects, _ = many.new_event(None)
    made = predictor_of(many.motion, *effects, weight, 5)
    mean, _ = mx.mean_and_sd(made(5.0, 10.0, 8.0, 760.0))
    only = predictor_of(many.motion, *effects, weight, None)
    assert float(mean) == pytest.approx(float(mx.mean_and_sd(only(5.0, 10.0, 8.0, 760.0))[0]))


def test_event_term_is_the_conjugate_normal():
    rng = np.random.default_rng(0)
    residual, scatter = rng.normal(0.2, 0.3, (3, 7)), rng.uniform(0.2, 0.4, 7)
    with jax.enable_x64(True):
        given = jnp.asarray(residual), jnp.asarray(scatter)
        used = jnp.repeat(jnp.array([1.0, 0.0]), jnp.array([5, 2]))
        mean, sd, evidence = update_event_term(np.zeros(3), TAU, *given, used)
        nothing = update_event_term(np.zeros(3), TAU, *given, 0 * used)
    cov = np.diag(scatter[:5] ** 2) + TAU**2
    gain = TAU**2 * np.ones(5) @ np.linalg.inv(cov)
    np.testing.assert_allclose(mean, residual[:, :5] @ gain, rtol=1e-6)
    np.testing.assert_allclose(np.square(sd), TAU**2 - gain @ np.ones(5) * TAU**2, rtol=1e-6)
    exact = stats.multivariate_normal(np.zeros(5), cov).logpdf(residual[:, :5])
    np.testing.assert_allclose(evidence, exact, rtol=1e-6)
    np.testing.assert_allclose(nothing[1], TAU, rtol=1e-6)
    assert np.all(np.asarray(nothing[2]) == 0)


def test_padding_changes_nothing_and_gradients_are_finite():
    residual, scatter = jnp.array([0.2, -0.1, 0.4]), jnp.array([0.3, 0.3, 0.2])
    short = update_event_term(0.0, 0.3, residual[:2], scatter[:2], jnp.ones(2))
    padded = update_event_term(0.0, 0.3, residual, scatter, jnp.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(np.array(short), np.array(padded), rtol=1e-6)
    slope = jax.grad(lambda s: update_event_term(0.0, 0.3, residual, s, jnp.zeros(3))[2])(scatter)
    assert np.all(np.isfinite(slope))


def test_an_exceedance_learns_from_strong_reports():
    sites = SITES
    threshold = np.log10(0.5)
    many = posterior(draws=25, spread=0.1)
    before = np.asarray(mx.exceedance(predict(many, sites), threshold))
    strong = condition(many, reports(10 ** (centre(reports([1.0] * 8)) + 0.6)))
    after = np.asarray(mx.exceedance(strong.predict(sites), threshold))
    assert np.all(after > before)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"magnitude": [5.5, 5.6]}, "2 different values of 'magnitude'"),
        ({"pga_m_s2": [0.1, -1.0]}, "column 'pga_m_s2': must be greater than 0 m/s2 (row 1"),
        ({"pga_m_s2": [0.1, np.nan]}, "column 'pga_m_s2': has missing values (row 1"),
        ({"pga_m_s2": ["0.1", "strong"]}, "column 'pga_m_s2': is not a number (row 1"),
        ({"pga_m_s2": [0.1, 300.0]}, "divide Gal by 100"),
        ({"distance_km": [10.0, -5.0]}, "column 'distance_km': must be greater than 0 km (row 1"),
        ({"device_sd": [0.1, -0.1]}, "column 'device_sd'"),
        ({"clip_m_s2": [2.0, -2.0]}, "column 'clip_m_s2'"),
        ({"distance_km": None}, "distance_km"),
        ({"latitude": [35.0, 95.0], "longitude": -118.0}, "column 'latitude'"),
        ({"pga_m_s2": None}, "pga_m_s2"),
    ],
)
def test_bad_reports(change, words):
    table = reports([0.1, 0.2])
    for name, values in change.items():
        table = table.drop(columns=name) if values is None else table.assign(**{name: values})
    with pytest.raises(InputError) as caught:
        condition(posterior(), table)
    assert words in str(caught.value)


@pytest.mark.parametrize("bad", [{"sd": -1}, {"bias": np.nan}, {"clip_m_s2": 0}])
def test_bad_devices(bad):
    with pytest.raises(ValueError, match=r"sd|bias|clip"):
        Device(**bad)


def test_other_regions_are_named():
    with pytest.raises(InputError, match="no region 'mars'; known are all"):
        condition(posterior(), reports([0.1]), region="mars")
