"""The recurrent classifier: sizes, masks, training by groups, calibrated answers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.edge import Status
from eqstat.inference.descent import TrainingOptions
from eqstat.waveform import Record
from eqstat.waveform.recurrent import (
    RecurrentSettings,
    crowdquake,
    init_network,
    parameter_count,
    predict_held_out,
    prepare,
    score,
    scorer,
    train,
)
from eqstat.waveform.recurrent._network import turned

pytestmark = pytest.mark.slow

RATE = 16.0
SMALL = RecurrentSettings(
    rate_hz=RATE, window_s=1.0, channels=(8,), recurrent=8, dense=8, dropout=0.1
)
OPTIONS = TrainingOptions(epochs=12, batch=32, learning_rate=0.02, weight_decay=0.0, patience=12)


def records_of(seed, quakes, others):
    """Motion of about the same strength, slow in earthquakes and fast in the others."""
    rng = np.random.default_rng(seed)
    records, rows = [], []
    for number in range(quakes + others):
        quake = number < quakes
        t = np.arange(80) / RATE
        period = rng.uniform(0.6, 1.2) if quake else rng.uniform(0.2, 0.5)
        axis = rng.normal(size=(3, 1))
        size = np.exp(rng.normal(-1.5, 0.4))
        wave = size * axis * np.sin(2 * np.pi * t / period + rng.uniform(0, 6))
        wave = wave + 0.4 * size * rng.normal(size=(3, 80)) + np.array([[0.0], [0.0], [9.8]])
        records.append(
            Record(
                acceleration_m_s2=wave, rate_hz=RATE, start_time=None, gravity="in",
                name=f"{seed}-{number}", device=f"d{number % 4}",
            )
        )  # fmt: skip
        rows.append({"event": f"e{seed}-{number}", "is_earthquake": quake})
    return records, pd.DataFrame(rows)


def waves_of(seed, quakes, others, settings=SMALL):
    records, labels = records_of(seed, quakes, others)
    return prepare(records, settings, labels=labels)


def trained_on(waves, key=0, **more):
    given = {"options": OPTIONS, "folds": 3, "group": "event"} | more
    return train(jax.random.key(key), waves, **given)


@pytest.fixture(scope="module")
def waves():
    return waves_of(0, 24, 24)


@pytest.fixture(scope="module")
def trained(waves):
    return trained_on(waves)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "count"), [(25.0, 97_293), (50.0, 180_493), (100.0, 340_493)])
def test_crowdquakes_network_has_its_parameters(rate, count):
    """Counted by hand: convolutions 640 and 12,352, state, dense 10,100 and 101."""
    network = init_network(jax.random.key(0), crowdquake(rate))
    flat = 64 * ((int(rate) - 4) // 2)
    assert parameter_count(network) == 640 + 12_352 + (flat + 101) * 100 + 10_100 + 101 == count
    assert network.settings.parts == 2


@pytest.mark.slow
def test_network_equals_a_plain_one_written_out():
    """Convolution, pooling and a simple state, window by window in NumPy."""
    settings = RecurrentSettings(
        rate_hz=8.0, window_s=2.0, part_s=1.0, channels=(4, 5), cell="simple", recurrent=6,
        dense=7, scaled=False,
    )  # fmt: skip
    network = init_network(jax.random.key(1), settings)
    samples = np.random.default_rng(0).normal(size=(2, 3, 16)).astype(np.float32)
    got = network(jnp.asarray(samples), jnp.ones((2, 16), bool))
    for window, answer in zip(samples, got, strict=True):
        moved = (window - window.mean(axis=1, keepdims=True)).T / 9.80665
        state = np.zeros(6)
        for part in moved.reshape(2, 8, 3):
            x = part
            for kernel, bias in zip(network.kernels, network.biases, strict=True):
                seen = [x[t : t + 3] for t in range(len(x) - 2)]
                x = np.maximum([np.einsum("ki,kio->o", one, kernel) + bias for one in seen], 0)
            pooled = np.array([np.max(x[2 * t : 2 * t + 2], axis=0) for t in range(2)])
            given = pooled.ravel() @ np.asarray(network.cell_input)
            state = np.tanh(given + network.cell_bias + state @ np.asarray(network.cell_state))
        hidden = np.maximum(state @ np.asarray(network.dense) + network.dense_bias, 0)
        wanted = (hidden @ np.asarray(network.last))[0] + network.last_bias[0]
        assert float(answer) == pytest.approx(float(wanted), abs=1e-5)


@pytest.mark.slow
def test_what_is_masked_is_not_seen():
    network = init_network(jax.random.key(0), SMALL)
    samples = np.random.default_rng(0).normal(size=(3, 3, SMALL.samples)).astype(np.float32)
    mask = np.ones((3, SMALL.samples), bool)
    mask[:, 5:7] = False
    other = samples.copy()
    other[..., 5:7] = np.array([1e3, np.nan])
    first, second = (network(jnp.asarray(x), jnp.asarray(mask)) for x in (samples, other))
    np.testing.assert_array_equal(first, second)
    missing = np.where(mask[:, None], samples, np.nan)
    np.testing.assert_array_equal(first, network(jnp.asarray(missing), jnp.ones_like(mask)))


@pytest.mark.slow
def test_turning_keeps_lengths_and_angles():
    samples = np.random.default_rng(0).normal(size=(4, 3, 10)).astype(np.float32)
    new = turned(jax.random.key(0), jnp.asarray(samples))
    gram, again = (np.einsum("nit,nis->nts", x, x) for x in (samples, np.asarray(new)))
    np.testing.assert_allclose(gram, again, atol=1e-4)
    assert np.abs(np.asarray(new) - samples).max() > 0.1


@pytest.mark.slow
def test_a_toy_problem_is_learned(trained, waves):
    new = waves_of(1, 20, 20)
    answer = score(scorer(trained), new.samples, new.mask)
    labels = new.table["is_earthquake"].to_numpy()
    ratio = np.asarray(answer.log_ratio)
    assert np.mean((ratio > 0) == labels) > 0.9
    score_now = np.logaddexp(0, np.where(labels, -ratio, ratio)).mean()
    assert score_now < 0.35
    assert len(trained.held_out) == len(waves)
    assert np.mean(np.asarray(answer.status) == Status.OK) > 0.8


@pytest.mark.long
def test_the_balance_of_classes_does_not_leak(trained):
    """Ten times as many others: log 10 = 2.3 would show in the mean."""
    many = trained_on(waves_of(2, 12, 120))
    new = waves_of(1, 20, 20)
    means = [np.mean(np.asarray(score(scorer(one), new.samples).log_ratio)) for one in
             (trained, many)]  # fmt: skip
    assert abs(means[1] - means[0]) < 1.0


def test_prior_odds_shift_the_posterior_only(trained, waves):
    even, rare = (
        jax.jit(score)(scorer(trained, prior_odds=odds), waves.samples[:8]) for odds in (1.0, 0.01)
    )
    np.testing.assert_array_equal(even.log_ratio, rare.log_ratio)
    p, q = np.asarray(even.probability), np.asarray(rare.probability)
    np.testing.assert_allclose(q / (1 - q), 0.01 * p / (1 - p), rtol=1e-3)


@pytest.mark.slow
def test_statuses_of_what_cannot_be_scored_or_is_unfamiliar(trained, waves):
    samples = np.array(waves.samples[:4])
    mask = np.array(waves.mask[:4])
    mask[0, :8] = False
    samples[1] = 9.8
    samples[2] = samples[2] * 1e4
    answer = score(scorer(trained), samples, mask)
    wanted = [Status.TOO_FEW, Status.BAD_INPUT, Status.UNFAMILIAR]
    assert np.asarray(answer.status)[:3].tolist() == wanted
    assert np.isnan(answer.log_ratio[:2]).all()
    assert float(answer.log_ratio[2]) == 0.0
    assert np.isfinite(answer.log_ratio[3])


@pytest.mark.long
def test_same_key_same_result_also_when_stopped(waves, tmp_path, monkeypatch):
    short = replace(OPTIONS, epochs=3)
    whole = trained_on(waves, options=short)
    module = __import__("eqstat.inference.descent._descend", fromlist=["save"])
    kept = module.save

    def stopping(*given):
        kept(*given)
        raise KeyboardInterrupt

    path = tmp_path / "state.npz"
    with monkeypatch.context() as patch:
        patch.setattr(module, "save", stopping)
        with pytest.raises(KeyboardInterrupt):
            trained_on(waves, options=short, checkpoint=path)
    resumed = trained_on(waves, options=short, checkpoint=path)
    for one, other in zip(*(jax.tree.leaves(x.members) for x in (whole, resumed)), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(whole.calibration.shift, resumed.calibration.shift)


def test_windows_are_those_of_the_records():
    records, labels = records_of(3, 1, 1)
    waves = prepare(records, SMALL, labels=labels, step_s=0.5)
    assert waves.samples.shape == (18, 3, 16)
    np.testing.assert_allclose(
        waves.samples[1], records[0].acceleration_m_s2[:, 8:24], rtol=1e-6
    )  # fmt: skip
    assert waves.table["time_s"].tolist()[:2] == [1.0, 1.5]
    assert waves.table["is_earthquake"].tolist() == [True] * 9 + [False] * 9
    assert len(waves.rows(waves.table["is_earthquake"])) == 9


def test_bad_input_is_named(waves):
    records, labels = records_of(4, 1, 1)
    with pytest.raises(InputError, match="rate_hz is 16, that of the network 25"):
        prepare(records, RecurrentSettings(rate_hz=25.0))
    with pytest.raises(InputError, match="labels have 1 rows for 2 records"):
        prepare(records, SMALL, labels=labels[:1])
    with pytest.raises(InputError, match="part_s must have 6 samples or more, not 4"):
        RecurrentSettings(rate_hz=8.0)
    with pytest.raises(InputError, match="there are no other windows"):
        trained_on(waves.rows(waves.table["is_earthquake"]))
    with pytest.raises(InputError, match="'trial' is missing"):
        trained_on(waves, group="trial")
    few = waves.rows(waves.table["event"].isin(["e0-0", "e0-1", "e0-40", "e0-41"]))
    with pytest.raises(InputError, match="two groups only; three are needed"):
        trained_on(few)
    with pytest.raises(InputError, match="device splits a group"):
        predict_held_out(
            jax.random.key(0),
            replace(waves, table=waves.table.assign(device=np.arange(len(waves)) % 2)),
            group="event", folds="device",
        )  # fmt: skip


def test_wrong_shapes_are_named(trained, waves):
    compiled = scorer(trained)
    with pytest.raises(InputError, match=r"shape \(windows, 3, 16\), not \(4, 16, 3\)"):
        score(compiled, np.moveaxis(waves.samples[:4], 1, 2))
    with pytest.raises(InputError, match="mask must have the shape"):
        score(compiled, waves.samples[:4], waves.mask[:3])
