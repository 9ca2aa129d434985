"""The grid posterior against dense sums in NumPy, against itself, and against truth."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from arviz_stats.base import array_stats
from scipy import integrate, stats

from eqstat import InputError, hypocentre
from eqstat.inference import InferenceError, Result, grid_posterior
from eqstat.traveltime import Prior, grid, prepare, sample
from eqstat.velocity import ConstantVelocity

from . import cases

PROBABILITIES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def dense(observations, prior, half_km, deepest_km, cells=(61, 61, 60)):
    """Posterior by sums over (east, north, depth, scatter), plain NumPy.

    The origin time is integrated by the normal integral, which `test_the_oracle_...` checks by
    quadrature. Returns axes, mass over the hypocentre, log evidence, and moments of the rest.
    """
    times = cases.seconds(observations)
    own = np.asarray(observations.data.time_sd_s)[: len(times)]
    middle = fit_centre(observations)
    east = middle[0] + np.linspace(-half_km, half_km, cells[0])
    north = middle[1] + np.linspace(-half_km, half_km, cells[1])
    depth = (np.arange(cells[2]) + 0.5) * deepest_km / cells[2]
    log_sd = np.linspace(np.log(0.1), np.log(6.0), 60)
    weights = 1 / (np.exp(log_sd)[:, None] ** 2 + own**2)
    total = weights.sum(1)
    sd_part = (
        0.5 * np.log(weights).sum(1)
        + 0.5 * np.log(2 * np.pi / total)
        - 0.5 * len(times) * np.log(2 * np.pi)
        + stats.norm.logpdf(log_sd, np.log(1.29), 0.3)
    )
    log_values = np.empty((*cells, len(log_sd)))
    means = np.empty((*cells, len(log_sd)))
    grid_east, grid_north = np.meshgrid(east, north, indexing="ij")
    place = cases.geographic(observations, grid_east, grid_north)
    devices = cases.vector(observations.triggers["latitude"], observations.triggers["longitude"])
    for number, down in enumerate(depth):
        source = cases.vector(*place, cases.RADIUS_KM - down)
        travel = np.linalg.norm(source[:, :, None] - devices, axis=-1) / cases.P_KM_S
        residual = times - travel
        centred = residual - residual.mean(-1, keepdims=True)
        first, second = centred @ weights.T, centred**2 @ weights.T
        log_prior = float(np.asarray(prior.depth.log_prob(np.float32(down))))
        log_values[:, :, number] = sd_part - 0.5 * (second - first**2 / total) + log_prior
        means[:, :, number] = residual.mean(-1, keepdims=True) + first / total
    low, high = observations.data.window_s + np.array([-60.0, 60.0])
    cell = (east[1] - east[0]) * (north[1] - north[0]) * (depth[1] - depth[0])
    cell *= log_sd[1] - log_sd[0]
    top = log_values.max()
    mass = np.exp(log_values - top)
    evidence = top + np.log(mass.sum() * cell) - 2 * np.log(1000.0) - np.log(high - low)
    mass /= mass.sum()
    origin = np.sum(mass * means)
    origin_sd = np.sqrt(np.sum(mass * ((means - origin) ** 2 + 1 / total)))
    by_scatter = mass.sum((0, 1, 2))
    mean_log_sd = by_scatter @ log_sd
    edges = np.append(log_sd, 2 * log_sd[-1] - log_sd[-2]) - (log_sd[1] - log_sd[0]) / 2
    quantiles = np.interp(PROBABILITIES, np.append(0, np.cumsum(by_scatter)), edges)
    scatter = mean_log_sd, np.sqrt(by_scatter @ (log_sd - mean_log_sd) ** 2), quantiles
    return (east, north, depth), mass.sum(-1), evidence, (origin, origin_sd), scatter


def fit_centre(observations):
    """About the truth of `cases.quake`, in the frame of the observations."""
    place = cases.destination(-12.0, -77.0, 8.0, -5.0)
    return np.array([float(v) for v in observations.frame.to_local(*place)])


def wide_network():
    """Devices all round the source, so that the posterior lies well within the oracle's box."""
    return cases.quake(14, 2, sd_s=0.4, depth_km=14.0, radius_km=110.0)


@pytest.fixture(scope="module")
def observations():
    return prepare(wide_network())


@pytest.fixture(scope="module")
def posterior(observations):
    return grid(observations)


@pytest.fixture(scope="module")
def brute(observations):
    return dense(observations, Prior(), 45.0, 80.0)


def test_the_oracle_integrates_the_origin_time_right():
    rng = np.random.default_rng(0)
    residual, weight = rng.normal(size=5), rng.uniform(0.5, 2, 5)
    value = integrate.quad(lambda t: np.exp(-0.5 * weight @ (residual - t) ** 2), -9, 9)[0]
    squares = weight @ residual**2 - (weight @ residual) ** 2 / weight.sum()
    assert value == pytest.approx(np.exp(-squares / 2) * np.sqrt(2 * np.pi / weight.sum()))


def check_marginals(posterior, axes, mass, share=0.04):
    for number, name in enumerate(("east_km", "north_km", "depth_km")):
        marginal = mass.sum(tuple(i for i in range(3) if i != number))
        step = axes[number][1] - axes[number][0]
        edges = np.append(axes[number] - step / 2, axes[number][-1] + step / 2)
        cumulative = np.append(0, np.cumsum(marginal))
        expected = np.interp(PROBABILITIES, cumulative, edges)
        spread = expected[-1] - expected[0]
        found = posterior.quantile(name, PROBABILITIES)
        np.testing.assert_allclose(found, expected, atol=share * spread / 2, err_msg=name)


def test_marginals_are_those_of_a_dense_sum(posterior, brute):
    check_marginals(posterior, *brute[:2])


def test_log_evidence_is_that_of_a_dense_sum(posterior, brute):
    assert posterior.log_evidence == pytest.approx(brute[2], abs=0.03)


def test_draws_have_the_moments_of_the_dense_sum(posterior, brute):
    draws = posterior.draws(jax.random.key(3), 20_000)
    origin, origin_sd = brute[3]
    assert draws["origin_time_s"].mean() == pytest.approx(origin, abs=0.05 * origin_sd)
    assert draws["origin_time_s"].std() == pytest.approx(origin_sd, rel=0.05)
    mean, sd, quantiles = brute[4]
    np.testing.assert_allclose(
        np.quantile(np.log(draws["sd_s"]), PROBABILITIES), quantiles, atol=0.06 * sd
    )
    assert np.log(draws["sd_s"]).mean() == pytest.approx(mean, abs=0.05 * sd)
    assert np.log(draws["sd_s"]).std() == pytest.approx(sd, rel=0.05)


def test_time_errors_of_single_triggers_count():
    sds = np.where(np.arange(14) % 2 == 0, 1.5, np.nan)
    weighted = prepare(wide_network().assign(time_sd_s=sds))
    axes, mass, evidence, (origin, origin_sd), _ = dense(weighted, Prior(), 60.0, 140.0)
    found = grid(weighted)
    check_marginals(found, axes, mass)
    assert found.log_evidence == pytest.approx(evidence, abs=0.03)
    draws = found.draws(jax.random.key(1), 10_000)["origin_time_s"]
    assert draws.mean() == pytest.approx(origin, abs=0.06 * origin_sd)


def test_a_finer_grid_agrees(observations, posterior):
    finer = grid(observations, shape=(80, 80, 48))
    assert finer.mass.shape == (80, 80, 48)
    assert finer.log_evidence == pytest.approx(posterior.log_evidence, abs=0.02)
    for name in ("east_km", "north_km", "depth_km"):
        expected = finer.quantile(name, PROBABILITIES)
        spread = expected[-1] - expected[0]
        np.testing.assert_allclose(
            posterior.quantile(name, PROBABILITIES), expected, atol=0.02 * spread
        )


def test_draws_fall_below_quantiles_as_often_as_they_should(posterior):
    count = 20_000
    draws = posterior.draws(jax.random.key(5), count)
    for name in ("east_km", "north_km", "depth_km"):
        below = np.mean(draws[name][:, None] < posterior.quantile(name, PROBABILITIES), axis=0)
        error = np.sqrt(PROBABILITIES * (1 - PROBABILITIES) / count)
        assert np.all(np.abs(below - PROBABILITIES) < 4 * error + 2e-3)
    same = posterior.draws(jax.random.key(5), count)
    np.testing.assert_array_equal(draws["sd_s"], same["sd_s"])
    assert not np.array_equal(draws["sd_s"], posterior.draws(jax.random.key(6), count)["sd_s"])


def test_arrival_and_origin_time_differ_by_the_mean_travel_time(observations, posterior):
    draws = posterior.draws(jax.random.key(1), 50)
    for row in range(50):
        travel = cases.travel_times(
            observations, *(draws[name][row] for name in ("east_km", "north_km", "depth_km"))
        )
        apart = draws["arrival_s"][row] - draws["origin_time_s"][row]
        assert apart == pytest.approx(travel.mean(), abs=1e-5)


def test_the_hypocentre_is_the_grid_with_places_and_origin_times(observations, posterior):
    cells = posterior.hypocentre
    assert cells["weight"].dims == ("east_km", "north_km", "depth_km")
    np.testing.assert_allclose(cells["weight"], posterior.mass)
    for name in ("east_km", "north_km", "depth_km"):
        np.testing.assert_allclose(cells[f"{name}_bounds"][:, 0], posterior.edges(name)[:-1])
    place = cases.geographic(observations, float(cells["east_km"][3]), float(cells["north_km"][7]))
    assert float(cells["latitude"][7, 3]) == pytest.approx(place[0])
    assert float(cells["longitude"][7, 3]) == pytest.approx(place[1])
    assert cells.attrs["log_evidence"] == posterior.log_evidence
    assert cells.attrs["reference_time"] == observations.reference_time.isoformat()


def agree_in_origin_time(posterior):
    """The hypocentre's draws have the joint distribution of the posterior's own draws."""
    # So many that the Monte Carlo error of the outer quantiles is 0.01 sd.
    exact = posterior.draws(jax.random.key(3), 200_000)
    ours = hypocentre.draw(jax.random.key(4), posterior.hypocentre, 200_000)
    for name in ("east_km", "north_km", "depth_km", "origin_time_s"):
        scale = exact[name].std()
        assert ours[name].to_numpy().std() == pytest.approx(scale, rel=0.03)
        error = np.quantile(ours[name], [0.05, 0.5, 0.95]) - np.quantile(
            exact[name], [0.05, 0.5, 0.95]
        )
        assert np.max(np.abs(error)) < 0.06 * scale, name
    for name in ("east_km", "north_km", "depth_km"):
        expected = np.corrcoef(exact[name], exact["origin_time_s"])[0, 1]
        found = np.corrcoef(ours[name], ours["origin_time_s"])[0, 1]
        assert found == pytest.approx(expected, abs=0.03)


def test_origin_times_of_the_hypocentre_are_those_of_the_draws(posterior):
    agree_in_origin_time(posterior)


@pytest.mark.slow
def test_origin_times_of_the_mixture_are_those_of_the_draws(observations):
    agree_in_origin_time(grid(observations, likelihood="mixture", key=jax.random.key(0)))


def test_the_mixture_needs_a_key(observations):
    with pytest.raises(InputError, match="needs `key`"):
        grid(observations, likelihood="mixture")


def test_highest_density_region_of_the_epicentre_holds_its_probability(observations, posterior):
    draws = posterior.draws(jax.random.key(9), 10_000)
    place = observations.frame.to_geographic(draws["east_km"], draws["north_km"])
    for probability in (0.5, 0.9):
        inside = hypocentre.contains(posterior.hypocentre, *place, probability)
        assert inside.mean() == pytest.approx(probability, abs=0.02)


def test_other_data_of_the_bucket_do_not_recompile(posterior):
    before = grid_posterior._cache_size()
    for count in (7, 16):
        grid(prepare(cases.quake(count, count), velocity=ConstantVelocity(6.0, 3.5)))
    slower = ConstantVelocity(np.float64(5.5), np.float64(3.1))
    grid(prepare(cases.noise(11), velocity=slower), prior=Prior(region_km=250.0), wave="S")
    assert grid_posterior._cache_size() == before


def test_the_region_of_the_prior_bounds_the_epicentre(observations, posterior):
    narrow = grid(observations, prior=Prior(region_km=8.0))
    for name in ("east_km", "north_km"):
        assert np.all(np.abs(narrow.quantile(name, np.array([0.0, 1.0]))) <= 8.0 + 1e-4)
    draws = posterior.draws(jax.random.key(1), 100_000)
    inside = np.mean((np.abs(draws["east_km"]) < 8) & (np.abs(draws["north_km"]) < 8))
    expected = posterior.log_evidence + np.log(inside) + 2 * np.log(500 / 8)
    assert narrow.log_evidence == pytest.approx(expected, abs=0.05)


DEPTHS = {"log-normal": dist.LogNormal(np.log(10.0), 0.5), "uniform": dist.Uniform(0.0, 100.0)}


@pytest.mark.long
@pytest.mark.parametrize("kind", DEPTHS)
def test_the_depth_prior_can_be_replaced(observations, brute, kind):
    """Same likelihood: the dense sum times the ratio of the two priors."""
    (east, north, depth), mass, evidence, _, _ = brute
    prior = Prior(depth=DEPTHS[kind])
    laws = {"log-normal": stats.lognorm(0.5, scale=10.0), "uniform": stats.uniform(0, 100)}
    with np.errstate(divide="ignore"):
        ratio = laws[kind].pdf(depth) / (stats.beta(1, 12).pdf(depth / 500) / 500)
    found = grid(observations, prior=prior)
    check_marginals(found, (east, north, depth), mass * ratio / np.sum(mass * ratio))
    assert found.log_evidence == pytest.approx(evidence + np.log(np.sum(mass * ratio)), abs=0.05)


def seismicity(centre, sd_km):
    """A normal bump of past seismicity about a centre (latitude, longitude)."""
    latitude, longitude = np.linspace(-16, -8, 321), np.linspace(-81, -73, 321)
    apart = cases.vector(*np.meshgrid(latitude, longitude, indexing="ij")) - cases.vector(*centre)
    values = np.exp(-0.5 * np.sum(apart**2, axis=-1) / sd_km**2)
    return xr.DataArray(values, {"latitude": latitude, "longitude": longitude})


@pytest.mark.long
def test_past_seismicity_pulls_the_epicentre(observations, brute):
    (east, north, depth), mass, _, _, _ = brute
    place = cases.destination(-12.0, -77.0, 20.0, 5.0)
    bump = seismicity(place, 9.0)
    prior = Prior(region_km=150.0).with_seismicity(bump, observations.frame)
    found = grid(observations, prior=prior)
    centre = [float(v) for v in observations.frame.to_local(*place)]
    squared = (east[:, None] - centre[0]) ** 2 + (north - centre[1]) ** 2
    pulled = mass * np.exp(-0.5 * squared / 81)[:, :, None]
    check_marginals(found, (east, north, depth), pulled / pulled.sum(), share=0.06)
    plain = float(grid(observations).quantile("east_km", 0.5))
    assert float(found.quantile("east_km", 0.5)) > plain + 0.5


def test_too_few_triggers_give_no_posterior():
    with pytest.raises(InferenceError) as caught:
        grid(prepare(cases.quake(4)))
    assert caught.value.result is Result.TOO_FEW


@pytest.mark.long
@pytest.mark.parametrize("seed", [4, 9])
def test_mixture_grid_agrees_with_nuts(seed):
    """Triggers of seed 4 have two explanations, whose shares vary from one key to the next."""
    observations = prepare(cases.phones(30, seed)[0])
    tree = sample(
        jax.random.key(seed), observations, likelihood="mixture", draws=2000, progress=False
    )
    assert tree.attrs["result"] == "CONVERGED"
    keys = [jax.random.key(number) for number in range(8)]
    grids = [grid(observations, likelihood="mixture", key=key) for key in keys]
    # Runs of sequential Monte Carlo count by their evidence (Verge et al. 2015, island particles).
    evidence = np.array([found.log_evidence for found in grids])
    weight = np.exp(evidence - evidence.max()) / np.sum(np.exp(evidence - evidence.max()))
    for name in ("east_km", "north_km", "depth_km", "origin_time_s", "scatter_s"):
        draws = tree["posterior"][name].to_numpy()
        each = np.array([np.quantile(found.particles[name], PROBABILITIES) for found in grids])
        mean = weight @ each
        own = np.sqrt(np.sum((weight[:, None] * (each - mean)) ** 2, axis=0))
        of_chains = [
            float(array_stats.mcse(draws, chain_axis=0, draw_axis=1, method="quantile", prob=p))
            for p in PROBABILITIES
        ]
        error = np.abs(np.quantile(draws, PROBABILITIES) - mean) / np.hypot(own, of_chains)
        assert np.all(error < 4), (name, error)
        # The errors themselves are small, but for outer quantiles between two modes.
        assert np.all(np.hypot(own, of_chains)[1:4] < 0.05 * draws.std()), name
