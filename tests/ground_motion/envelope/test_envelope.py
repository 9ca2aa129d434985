"""Envelopes against a slow oracle in NumPy, and what must hold of any envelope."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat import InputError
from eqstat.ground_motion import envelope as env

KEY = jax.random.key(0)


def oracle(time, magnitude, distance, site, p_s, s_s, noise):
    """One sample at a time, from the table of coefficients."""
    table = env.coefficients().loc[site]
    square = noise**2
    for wave, start in (("P", p_s), ("S", s_s)):
        row = table.loc[(wave, "amplitude")]
        saturation = row["c1"] * np.exp(row["c2"] * (magnitude - 5))
        saturation *= np.arctan(magnitude - 5) + np.pi / 2
        far = np.sqrt(distance**2 + 9) + saturation
        top = row["a"] * magnitude - row["b"] * far - row["d"] * np.log10(far) + row["e"]
        height = 10**top / 100
        part = {}
        for name in ("rise", "duration", "decay", "power"):
            line = table.loc[(wave, name)]
            part[name] = 10 ** (
                line["alpha"] * magnitude
                + line["beta"] * distance
                + line["epsilon"] * np.log10(distance)
                + line["mu"]
            )
        since = time - start
        if since < 0:
            value = 0.0
        elif since < part["rise"]:
            value = height * since / part["rise"]
        elif since < part["rise"] + part["duration"]:
            value = height
        else:
            # The printed form over its value at the end of the plateau.
            left = since - part["rise"] - part["duration"]
            value = height * part["decay"] ** part["power"]
            value /= (left + part["decay"]) ** part["power"]
        square += value**2
    return np.sqrt(square)


@pytest.mark.parametrize("site", env.SITES)
@pytest.mark.parametrize(("magnitude", "distance"), [(2.0, 1.0), (5.5, 30.0), (8.0, 200.0)])
def test_envelope_is_that_of_the_oracle(site, magnitude, distance):
    time = np.linspace(0.0, 150.0, 401)
    with jax.enable_x64(True):
        got = env.envelope(
            jnp.asarray(time), magnitude, distance, site=site, depth_km=12.0, noise_m_s2=1e-4
        )
        ray = np.hypot(distance, 12.0)
        expected = [oracle(t, magnitude, distance, site, ray / 6.1, ray / 3.55, 1e-4) for t in time]
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_printed_amplitudes():
    """The printed formula by hand: S on rock, magnitude 6 at 50 km."""
    effective = np.sqrt(2509.0) + 1.16 * np.exp(0.96) * (np.pi / 4 + np.pi / 2)
    log10 = 0.733 * 6 - 7.216e-4 * effective - 1.48 * np.log10(effective) - 0.4202
    got = env.median_shape(6.0, 50.0)
    assert float(got.amplitude_m_s2[1]) == pytest.approx(10**log10 / 100, rel=1e-5)
    assert float(got.rise_s[1]) == pytest.approx(10 ** (0.384 + 0.48 * np.log10(50) - 0.89), 1e-5)
    table = env.coefficients()
    assert table.loc[("rock", "S", "rise"), "alpha"] == 0.064
    assert table.loc[("soil", "P", "power"), "alpha"] == -0.048


def batch(count=60):
    rng = np.random.default_rng(3)
    magnitude, distance = rng.uniform(2, 8, count), rng.uniform(0, 200, count)
    shape = env.draw_shape(KEY, magnitude, distance, site="soil")
    return shape, env.arrivals(distance, 8.0), magnitude, distance


def spread(shape):
    return jax.tree.map(lambda leaf: leaf[:, None, :], shape)


def test_envelope_is_continuous():
    shape, arrival, *_ = batch()
    ends = np.asarray(arrival + shape.rise_s + shape.duration_s)
    for at in (np.asarray(arrival), np.asarray(arrival + shape.rise_s), ends):
        before = env.at_times((at - 1e-3).T, shape, arrival)
        after = env.at_times((at + 1e-3).T, shape, arrival)
        # At most the slope of a linear rise of both waves, in two milliseconds.
        slope = 2e-3 * np.sum(shape.amplitude_m_s2 / np.minimum(shape.rise_s, shape.decay_s), -1)
        assert np.all(np.abs(after - before) <= 5 * slope + 1e-7)


@pytest.mark.slow
def test_peaks_are_those_of_fine_samples():
    shape, arrival, *_ = batch()
    fine = np.arange(0.0, 100.0, 0.01)
    values = np.asarray(env.at_times(fine, spread(shape), arrival[:, None]))
    asked = np.arange(0.0, 100.0, 1.0)
    running = np.asarray(env.running_peak(asked, spread(shape), arrival[:, None]))
    assert np.all(np.diff(running, axis=1) >= -1e-6 * running[:, 1:])
    sampled = np.maximum.accumulate(values, axis=1)[:, ::100]
    assert np.all(running >= sampled * (1 - 1e-5))
    np.testing.assert_allclose(running, sampled, rtol=0.05, atol=1e-4 * sampled.max())
    window = np.asarray(env.window_peak(asked, asked + 1.0, spread(shape), arrival[:, None]))
    each = np.stack([values[:, k : k + 101].max(axis=1) for k in range(0, 10000, 100)], axis=1)
    assert np.all(window >= each * (1 - 1e-5))
    np.testing.assert_allclose(window, each, rtol=0.05, atol=1e-4 * each.max())
    empty = env.window_peak(5.0, 4.0, shape, arrival)
    assert not np.any(empty)


@pytest.mark.slow
def test_shares_are_inverted():
    shape, arrival, *_ = batch()
    share = np.linspace(0.02, 0.99, 30)
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), spread(shape))
        at = env.first_passed(share, exact, jnp.asarray(arrival, jnp.float64)[:, None])
        back = env.share_of_peak(at, exact, jnp.asarray(arrival, jnp.float64)[:, None])
        earlier = env.share_of_peak(at - 1e-6, exact, jnp.asarray(arrival, jnp.float64)[:, None])
    np.testing.assert_allclose(back, np.broadcast_to(share, back.shape), atol=1e-9)
    assert np.all(np.asarray(earlier) <= share)
    assert np.all(np.isinf(env.first_passed(1.0, shape, arrival)))
    assert not np.any(env.share_of_peak(arrival[:, 0], shape, arrival))


def test_gradients_are_finite():
    def total(magnitude, distance, noise):
        time = jnp.array([0.0, 1.0, 5.0, 10.0, 40.0])
        return env.envelope(time, magnitude, distance, noise_m_s2=noise).sum()

    for noise in (0.0, 1e-3):
        for distance in (0.0, 0.5, 30.0):
            slopes = jax.grad(total, argnums=(0, 1, 2))(6.0, distance, noise)
            assert all(np.isfinite(slope) for slope in slopes)


def test_scatter_is_the_published_one():
    shape = env.draw_shape(KEY, np.full(4000, 6.0), 40.0, site="soil")
    table = env.coefficients().loc["soil"]
    names = {"amplitude": "amplitude_m_s2", "rise": "rise_s", "duration": "duration_s",
             "decay": "decay_s", "power": "power"}  # fmt: skip
    middle = env.median_shape(6.0, 40.0, site="soil")
    for quantity, name in names.items():
        for place, wave in enumerate(("P", "S")):
            value = np.log10(np.asarray(getattr(shape, name)))[:, place]
            sd = table.loc[(wave, quantity), "sd"]
            assert value.std() == pytest.approx(sd, rel=0.05)
            centre = float(jnp.log10(getattr(middle, name)[place]))
            assert value.mean() == pytest.approx(centre, abs=5 * sd / np.sqrt(4000))
    same = env.draw_shape(KEY, 6.0, 40.0, amplitude_scatter=0, timing_scatter=0)
    for one, other in zip(
        jax.tree.leaves(same), jax.tree.leaves(env.median_shape(6.0, 40.0)), strict=True
    ):
        np.testing.assert_allclose(one, other)


@pytest.mark.slow
def test_waveforms_follow_their_envelope():
    """The largest value in each second is about the envelope; the key gives the same again."""
    distance = np.full(40, 50.0)
    shape, arrival = env.median_shape(6.0, distance), env.arrivals(distance)
    wave = np.asarray(env.waveforms(KEY, shape, arrival, 6.0, samples=6000))
    assert wave.shape == (40, 3, 6000)
    np.testing.assert_array_equal(wave, env.waveforms(KEY, shape, arrival, 6.0, samples=6000))
    other = env.waveforms(jax.random.key(1), shape, arrival, 6.0, samples=6000)
    assert not np.allclose(other, wave)
    assert not wave[:, :, :800].any()  # P comes after 8.3 s
    seconds = np.abs(wave).reshape(40, 3, 60, 100).max(axis=3)
    level = np.asarray(env.at_times(np.arange(60) + 0.5, spread(shape), arrival[:, None]))[:, None]
    ratio = seconds[:, :, 16:55] / level[:, :, 16:55]
    typical = np.sqrt(np.mean(ratio**2, axis=(0, 2)))
    np.testing.assert_allclose(typical, [1.0, 1.0, 2 / 3], rtol=0.07)
    assert abs(np.corrcoef(wave[:, 0].ravel(), wave[:, 1].ravel())[0, 1]) < 0.05


def test_larger_earthquakes_have_lower_frequencies():
    def centre(magnitude):
        shape, arrival = env.median_shape(magnitude, 20.0), env.arrivals(20.0)
        wave = env.waveforms(KEY, shape, arrival, magnitude, samples=4000)
        power = np.abs(np.fft.rfft(np.asarray(wave[0]))) ** 2
        return np.sum(np.fft.rfftfreq(4000, 0.01) * power) / power.sum()

    assert centre(3.0) > centre(7.0) + 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: env.median_shape(6.0, -1.0), "distance_km must be at least 0"),
        (lambda: env.median_shape(60.0, 10.0), "magnitude must lie in"),
        (lambda: env.envelope(1.0, 6.0, 10.0, site="sand"), "site must be 'rock' or 'soil'"),
        (lambda: env.envelope(1.0, 6.0, 10.0, noise_m_s2=-1.0), "noise_m_s2"),
        (lambda: env.arrivals(10.0, s_velocity_km_s=0.0), "s_velocity_km_s"),
        (lambda: env.draw_shape(KEY, 6.0, 10.0, timing_scatter=-1), "timing_scatter"),
        (lambda: env.draw_shape(0, 6.0, 10.0), "key must be a JAX random key"),
        (lambda: env.waveforms(KEY, env.median_shape(6.0, 9.0), [1.0, 2.0], 6.0, samples=1),
         "samples"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_ranges_are_named():
    assert env.MAGNITUDES == (2.0, 8.0) and env.DISTANCES_KM == (0.0, 200.0)
