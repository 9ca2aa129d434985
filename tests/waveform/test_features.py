"""Features: an independent oracle, stream against batch, the edge, gravity, gaps, causality."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat import edge
from eqstat.waveform import (
    FEATURES,
    Features,
    FeatureSettings,
    FeatureStream,
    Record,
    features,
    window_features,
)

from . import oracle

RATE = 25.0
STEP = jax.jit(FeatureStream.step)


def motion(seconds=16, rate=RATE, seed=0, gravity=True):
    """Noise, then a wave that grows and fades, on gravity that no axis points along."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    t = np.arange(n) / rate
    wave = np.sin(2 * np.pi * 3 * t) * np.exp(-(((t - 0.7 * seconds) / 1.5) ** 2))
    out = rng.normal(0, 0.004, (3, n)) + 0.5 * rng.normal(size=(3, 1)) * wave
    return out + (np.array([[3.0], [-4.0], [8.4]]) if gravity else 0.1)


def holes(n, seed=1):
    mask = np.random.default_rng(seed).random(n) > 0.06
    mask[: n // 4] = True
    return mask


def record(samples, mask=None, gravity="in", rate=RATE):
    return Record(
        acceleration_m_s2=samples, rate_hz=rate, start_time="2027-01-15T08:00Z", gravity=gravity,
        mask=mask, name="a", device="phone",
    )  # fmt: skip


def streamed(samples, mask, settings, dtype):
    """Features of a JAX stream from the first full window on, (windows,) each."""
    stream, rows = FeatureStream.init(settings, dtype=dtype), []
    for begin in range(0, samples.shape[1] - settings.step + 1, settings.step):
        part = slice(begin, begin + settings.step)
        stream, found = STEP(stream, samples[:, part].astype(dtype), mask[part])
        rows.append(found)
    rows = rows[-(-settings.window // settings.step) - 1 :]
    return Features(*(np.array(column) for column in zip(*rows, strict=True)))


def edged(samples, mask, sizes, **options):
    """Features of the edge in packets of these sizes, in turn."""
    stream, rows, at, turn = edge.FeatureStream(**options), [], 0, 0
    while at < samples.shape[1]:
        size = sizes[turn % len(sizes)]
        rows += stream.update(samples[:, at : at + size], mask[at : at + size])
        at, turn = at + size, turn + 1
    return Features(*(np.array(column) for column in zip(*rows, strict=True)))


def agree(found, expected, rtol, names=(*FEATURES, "status")):
    for name in names:
        np.testing.assert_allclose(
            np.asarray(getattr(found, name), float), np.asarray(getattr(expected, name), float),
            rtol=rtol, err_msg=name,
        )  # fmt: skip


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("gravity", [True, False])
def test_table_equals_an_independent_implementation(gaps, gravity):
    samples = motion(gravity=gravity)
    mask = holes(samples.shape[1]) if gaps else np.ones(samples.shape[1], bool)
    found = features(record(samples, mask, "in" if gravity else "out"))
    expected = pd.DataFrame(oracle.table(samples, mask.tolist(), RATE))
    assert len(found) == len(expected) == 15
    for name in FEATURES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, err_msg=name)
    assert found["hv_ratio"].notna().all() == gravity
    assert gaps or found["sta_lta"].notna().sum() == 8
    assert set(found["status"]) == ({0, 3} if gaps else {0})


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-6), (np.float32, 1e-5)])
def test_stream_batch_and_edge_agree(dtype, rtol):
    samples = motion(seed=3).astype(dtype)
    mask = holes(samples.shape[1], seed=4)
    settings = FeatureSettings(RATE, clip_m_s2=9.2)
    with jax.enable_x64(dtype == np.float64):
        stream = streamed(samples, mask, settings, dtype)
        rows = pd.DataFrame(stream._asdict())
    table = features(
        Record(acceleration_m_s2=samples, rate_hz=RATE, start_time=None, gravity="in", mask=mask,
               clip_m_s2=9.2)
    )  # fmt: skip
    assert stream.sta_lta.dtype == dtype
    agree(rows, table, rtol)
    small = edged(samples, mask, [7, 1, 40, 25], rate_hz=RATE, clip_m_s2=9.2, dtype=dtype)
    first = len(small.status) - len(rows)
    assert first == 1 and small.status[0] == edge.Status.TOO_FEW
    agree(Features(*(column[first:] for column in small)), rows, rtol)
    assert {0, 1, 3} == set(rows["status"])


@hypothesis.given(
    seed=st.integers(0, 10_000),
    scale=st.floats(-4, 1),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    lost=st.floats(0, 0.4),
)
def test_edge_equals_jax_whatever_comes(seed, scale, sizes, lost):
    rng = np.random.default_rng(seed)
    samples = (10**scale * rng.standard_t(3, (3, 200)) + [[0.0], [9.8], [0.0]]).astype(np.float32)
    samples[:, rng.random(200) < lost / 3] = np.nan
    mask = rng.random(200) >= lost
    settings = FeatureSettings(RATE, long_s=3.0)
    expected = streamed(samples, mask, settings, np.float32)
    found = edged(samples, mask, sizes, rate_hz=RATE, long_s=3.0, dtype=np.float32)
    # The motion is smaller than gravity's last digits at the lower end of the scale.
    agree(Features(*(column[1:] for column in found)), expected, 1e-4)


def test_odd_lengths_of_window_and_step():
    """A window that is no whole number of steps ends with a step, in a stream and in a batch."""
    samples = motion(rate=31.25)[:, :400]
    mask = np.ones(400, bool)
    settings = FeatureSettings(31.25, window_s=2.5, step_s=0.9)
    with jax.enable_x64(True):
        stream = streamed(samples, mask, settings, np.float64)
    table = features(record(samples, rate=31.25), window_s=2.5, step_s=0.9)
    agree(stream, table, 1e-6)
    assert table["time_s"].iloc[0] == pytest.approx(3 * 28 / 31.25)
    assert table["time"].iloc[0] == pd.Timestamp("2027-01-15T08:00Z") + pd.Timedelta("2.688s")


def test_nothing_looks_ahead():
    samples = motion()
    later = samples.copy()
    later[:, 201:] += 0.5
    first, second = (features(record(one)).query("time_s <= 8") for one in (samples, later))
    pd.testing.assert_frame_equal(first, second)


def test_orientation_does_not_matter():
    samples = motion(seed=5)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    first, second = (features(record(one)) for one in (samples, turn @ samples))
    free = [name for name in FEATURES if name != "zero_crossings"]
    pd.testing.assert_frame_equal(first[free], second[free], rtol=1e-9)


def test_offset_does_not_matter_in_single_precision():
    """Gravity takes no digits of a motion a thousandth as large."""
    noise = np.random.default_rng(0).integers(-40, 40, (3, 50)) / 2.0**14
    offset = np.array([[0.0], [0.0], [9.8125]])
    settings = FeatureSettings(RATE, vertical=(0.0, 0.0, 1.0))
    still, lifted = (
        window_features(one.astype(np.float32), settings) for one in (noise, noise + offset)
    )
    agree(lifted, still, 1e-6, [name for name in FEATURES if name != "sta_lta"])


@pytest.mark.parametrize("period_s", [0.1, 0.25, 1.0])
def test_sine(period_s):
    t = np.arange(200) / 100
    wave = np.array([[0.6], [0.0], [0.8]]) * np.sin(2 * np.pi * t / period_s + 0.1)
    found = window_features(wave, FeatureSettings(100.0))
    assert float(found.dominant_period_s) == pytest.approx(period_s, rel=2e-2)
    assert float(found.polarization) == pytest.approx(1.0, abs=1e-5)
    assert float(found.zero_crossings) == pytest.approx(2 * 2 / period_s, abs=1)
    assert float(found.cav_m_s) == pytest.approx(2 * 2 / np.pi, rel=2e-2)
    assert float(found.duration_s) == pytest.approx(1.8, abs=0.2)
    assert float(found.peak_m_s2) == pytest.approx(1.0, rel=3e-2)


def test_vertical_of_the_settings():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(3, 400)) * np.array([[4.0], [1.0], [4.0]])
    found = window_features(samples, FeatureSettings(100.0, vertical=(0.0, 2.0, 0.0)))
    assert float(found.hv_ratio) == pytest.approx(4.0, rel=0.1)
    assert np.isnan(window_features(samples, FeatureSettings(100.0)).hv_ratio)


def test_what_cannot_be_computed_has_a_status():
    settings = FeatureSettings(RATE)
    still = window_features(np.zeros((3, 50)), settings)
    assert int(still.status) == edge.Status.BAD_INPUT and float(still.peak_m_s2) == 0
    assert np.isnan(still.dominant_period_s) and np.isnan(still.polarization)
    few = window_features(motion()[:, :50], settings, mask=np.arange(50) < 30)
    assert int(few.status) == edge.Status.TOO_FEW and np.isnan(few.iqr_m_s2)
    none = window_features(np.full((3, 50), np.nan), settings)
    assert int(none.status) == edge.Status.TOO_FEW
    small = edge.FeatureStream(RATE)
    assert [one.status for one in small.update(np.zeros((3, 50)))] == [4, 2]
    assert small.update(np.full((3, 25), np.inf))[0].status == edge.Status.TOO_FEW


def test_many_sensors_are_one_state():
    settings = FeatureSettings(RATE)
    streams = jax.vmap(lambda _: FeatureStream.init(settings))(jnp.arange(3))
    parts = np.stack([motion(seed=seed)[:, :50] for seed in range(3)])
    step = jax.jit(jax.vmap(FeatureStream.step))
    for begin in (0, 25):
        streams, found = step(streams, parts[:, :, begin : begin + 25])
    agree(found, window_features(parts, settings), 1e-4, ["iqr_m_s2", "cav_m_s", "hv_ratio"])


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"rate_hz": 0.0}, "rate_hz"), ({"rate_hz": 3.0}, "8 samples"),
        ({"rate_hz": 100.0, "step_s": 3.0}, "at most window_s"),
        ({"rate_hz": 100.0, "long_s": 0.2}, "long_s"),
        ({"rate_hz": 100.0, "least_share": 1.5}, "least_share"),
        ({"rate_hz": 100.0, "vertical": (0.0, 0.0, 0.0)}, "vertical"),
        ({"rate_hz": 100.0, "clip_m_s2": 0.0}, "clip_m_s2"),
    ],
)  # fmt: skip
def test_settings_out_of_range(options, problem):
    with pytest.raises(eqstat.InputError, match=problem):
        FeatureSettings(**options)
    if "vertical" not in options and problem not in ("least_share", "clip_m_s2", "rate_hz"):
        with pytest.raises(ValueError, match="FeatureStream"):
            edge.FeatureStream(**options)


def test_table_refuses():
    with pytest.raises(eqstat.InputError, match="give a Record"):
        features([])
    with pytest.raises(eqstat.InputError, match="record 'a': too short"):
        features(record(motion()[:, :30]))
