"""The trainer: known densities, early stopping, splits by event, learning from a table."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.ground_motion.mixture import Mixture
from eqstat.ground_motion.mixture import _mixture as mx
from eqstat.ground_motion.network import (
    FEATURES,
    Examples,
    Feature,
    TrainingError,
    TrainingOptions,
    TrainingStatus,
    event_correlation,
    event_weights,
    fit_network,
    fit_temperature,
    out_of_bag_predictions,
    split_by_event,
    train,
    train_ensemble,
)
from eqstat.ground_motion.network._trend import fit_trend, trend_prior

pytestmark = pytest.mark.slow

QUICK = TrainingOptions(epochs=4, batch=64)
SHARED = TrainingOptions(epochs=30, batch=128)


class Line(eqx.Module):
    """A module that is no `Member`: one Gaussian about a line."""

    slope: jax.Array
    level: jax.Array
    raw: jax.Array

    def __call__(self, features):
        mean = (self.slope * features["x"] + self.level)[..., None]
        return mx.from_logits(jnp.zeros_like(mean), mean, jnp.broadcast_to(self.raw, mean.shape))


def line(slope=0.0, level=0.0, raw=0.0):
    return Line(*(jnp.asarray(value, jnp.float32) for value in (slope, level, raw)))


def lines(events=200, records=10, seed=0, tau=0.0):
    """Records about y = 1 + 2 x with a scatter of 0.3, and perhaps event terms."""
    rng = np.random.default_rng(seed)
    event = np.repeat([f"e{n}" for n in range(events)], records)
    x = rng.normal(size=len(event))
    term = np.repeat(rng.normal(size=events), records)
    y = 1.0 + 2.0 * x + 0.3 * rng.normal(size=len(event)) + tau * term
    return Examples({"x": x}, y, event)


def motions(events=40, records=25, seed=0, tau=0.25, phi=0.25, known=0.7):
    """Ground motions with a scatter that falls with magnitude, which no trend can tell."""
    rng = np.random.default_rng(seed)
    magnitude = rng.uniform(4.0, 7.0, events)
    depth = rng.uniform(2.0, 12.0, events)
    distance = np.exp(rng.uniform(np.log(15), np.log(150), (events, records)))
    vs30 = 10 ** rng.normal(2.6, 0.15, (events, records))
    mean = true_mean(magnitude[:, None], distance, vs30)
    wide = width(magnitude)[:, None]
    y = mean + wide * (tau * rng.normal(size=(events, 1)) + phi * rng.normal(size=mean.shape))
    vs30 = np.where(rng.random(vs30.shape) < known, vs30, np.nan)
    return pd.DataFrame(
        {
            "event": np.repeat([f"e{n}" for n in range(events)], records),
            "magnitude": np.repeat(magnitude, records),
            "depth_km": np.repeat(depth, records),
            "distance_km": distance.ravel(),
            "vs30_m_s": vs30.ravel(),
            "pga_m_s2": 10 ** y.ravel(),
        }
    )


def true_mean(magnitude, distance, vs30):
    away = np.log10(np.hypot(distance, 6.0 * 10 ** (0.235 * (magnitude - 5))) / 10)
    return -0.3 + 0.6 * (magnitude - 5) - 1.5 * away - 0.6 * np.log10(vs30 / 400)


def width(magnitude):
    return np.where(magnitude < 5.5, 1.4, 0.7)


def test_a_line_and_its_scatter_are_recovered_within_their_errors():
    both = lines()
    training, held = split_by_event(jax.random.key(0), both, 0.2)
    options = TrainingOptions(epochs=60, batch=128, learning_rate=0.05, weight_decay=0.0)
    done = train(jax.random.key(1), line(), training, held, options=options)
    assert done.result.ok
    error = 0.3 / np.sqrt(len(training))
    assert abs(float(done.module.slope) - 2.0) < 4 * error
    assert abs(float(done.module.level) - 1.0) < 4 * error
    scale = 0.01 + float(jax.nn.softplus(done.module.raw))
    assert abs(scale - 0.3) < 4 * 0.3 / np.sqrt(2 * len(training))
    best = done.history["held_out"].min()
    expected = 0.5 * np.log(2 * np.pi * np.e) + np.log(0.3)
    assert abs(best - expected) < 4 * np.sqrt(0.5 / len(held))


@pytest.mark.slow
def test_it_stops_early_and_keeps_the_best():
    both = lines(events=20, records=3)
    training, held = split_by_event(jax.random.key(0), both, 0.3)
    options = TrainingOptions(epochs=400, batch=32, learning_rate=0.1, patience=6)
    done = train(jax.random.key(1), line(), training, held, options=options)
    epochs = done.history["epoch"].max()
    assert done.result is TrainingStatus.STOPPED_EARLY
    assert epochs == done.best_epoch[0] + 6 < 400
    features = {"x": jnp.asarray(held.features["x"], jnp.float32)}
    score = -np.mean(mx.log_density(done.module(features), held.log10_pga))
    held_out = done.history["held_out"]
    np.testing.assert_allclose(score, held_out.min(), rtol=1e-4)
    assert held_out.idxmin() + 1 == done.best_epoch[0]


def test_all_epochs_are_run_where_it_still_gets_better():
    training, held = split_by_event(jax.random.key(0), lines(), 0.2)
    options = TrainingOptions(epochs=3, batch=64, learning_rate=1e-3)
    done = train(jax.random.key(1), line(), training, held, options=options)
    assert done.result is TrainingStatus.ALL_EPOCHS
    assert done.history["epoch"].tolist() == [1, 2, 3]


def test_an_event_in_both_halves_is_refused():
    both = lines(events=6)
    half = np.arange(len(both)) % 2 == 0
    with pytest.raises(InputError, match=r"6 events are in both halves.*'e0', 'e1', 'e2' and 3"):
        train(jax.random.key(0), line(), both.rows(half), both.rows(~half))


def test_a_split_is_by_event():
    training, held = split_by_event(jax.random.key(0), lines(events=50), 0.2)
    assert not set(training.event) & set(held.event)
    assert len(np.unique(held.event)) == 10
    assert len(training) + len(held) == 500
    with pytest.raises(InputError, match="two events"):
        split_by_event(jax.random.key(0), lines(events=1), 0.2)


def test_a_loss_that_is_not_finite():
    training, held = split_by_event(jax.random.key(0), lines(events=10), 0.3)
    broken = line(level=np.nan)
    with pytest.raises(TrainingError, match="not finite"):
        train(jax.random.key(0), broken, training, held, options=QUICK)
    done = train(jax.random.key(0), broken, training, held, options=QUICK, throw=False)
    assert done.result is TrainingStatus.NOT_FINITE
    assert not done.result.ok


def test_rows_without_weight_are_not_learned_from():
    both = lines(events=40)
    spoilt = np.arange(len(both)) % 3 == 0
    y = np.where(spoilt, 50.0, both.log10_pga)
    bad = Examples(both.features, y, both.event, weight=(~spoilt).astype(float))
    training, held = split_by_event(jax.random.key(0), bad, 0.2)
    options = TrainingOptions(epochs=40, batch=64, learning_rate=0.05, weight_decay=0.0)
    done = train(jax.random.key(1), line(), training, held, options=options)
    assert abs(float(done.module.level) - 1.0) < 0.1


def test_several_targets_of_a_row_with_a_mask():
    """Rows of five sites, as a network of many stations has them; some have no record."""
    both = lines(events=100, records=5)
    x, y = (np.reshape(part, (100, 5)) for part in (both.features["x"], both.log10_pga))
    mask = np.random.default_rng(1).random(y.shape) < 0.7
    grouped = Examples({"x": x}, np.where(mask, y, np.nan), np.arange(100), mask=mask)
    training, held = split_by_event(jax.random.key(0), grouped, 0.2)
    options = TrainingOptions(epochs=60, batch=16, learning_rate=0.05, weight_decay=0.0)
    done = train(jax.random.key(1), line(), training, held, options=options)
    assert abs(float(done.module.slope) - 2.0) < 0.08


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": np.array([[1.0], [np.nan], [2.0]])}, r"rows \[1\]"),
        ({"features": np.array([[1.0], [np.inf], [np.inf]]), "optional": ("x",)}, r"\[1, 2\]"),
        ({"log10_pga": np.array([0.0, 1.0, -np.inf])}, r"log10_pga: 1 rows.*\[2\]"),
        ({"weight": np.array([1.0, -1.0, 1.0])}, r"weight.*\[1\]"),
        ({"event": np.array(["a", "b"])}, "2 rows beside 3"),
        ({"mask": np.ones((3, 2), bool)}, "mask"),
    ],
)
def test_examples_that_cannot_be_learned_from(change, words):
    given = {
        "features": np.ones((3, 1)),
        "log10_pga": np.zeros(3),
        "event": np.array(["a", "a", "b"]),
        "names": ("x",),
    }
    Examples(**given)
    with pytest.raises(InputError, match=words):
        Examples(**{**given, **change})


@pytest.mark.slow
def test_a_member_does_not_depend_on_the_others():
    both = lines(events=20, records=4, tau=0.3)
    make = lambda key, weight: line(level=float(jax.random.normal(key)))  # noqa: E731
    few, more = (
        train_ensemble(jax.random.key(3), make, both, members=m, options=QUICK) for m in (2, 3)
    )
    for a, b in zip(jax.tree.leaves(few.module), jax.tree.leaves(more.module), strict=True):
        np.testing.assert_allclose(a, b[:2], rtol=1e-5)
    assert len(few.history) == 2 * 4


def test_each_member_holds_whole_events_out():
    both = lines(events=30, records=4)
    done = train_ensemble(
        jax.random.key(3), lambda key, weight: line(), both, members=6, options=QUICK
    )
    table = pd.DataFrame(done.out_of_bag.T).groupby(both.event).mean()
    assert set(np.unique(table)) == {0.0, 1.0}
    assert 0.2 < table.to_numpy().mean() < 0.55
    with pytest.raises(InputError, match="too few"):
        train_ensemble(jax.random.key(3), lambda key, weight: line(), lines(events=9))


def test_correlation_and_weights_of_events():
    rng = np.random.default_rng(0)
    event = np.repeat(np.arange(3000), 8)
    residual = np.repeat(rng.normal(size=3000), 8) * 0.6 + 0.8 * rng.normal(size=24_000)
    # Each event's estimate has a variance of about 0.6 at a correlation of 0.36.
    assert abs(event_correlation(event, residual) - 0.36) < 0.05
    weight = event_weights(np.array(["a", "b", "b", "b"]), 0.5)
    np.testing.assert_allclose(weight, [1.0, 0.5, 0.5, 0.5])
    assert event_correlation(np.arange(5), np.ones(5)) == 0.0


def test_a_trend_weighs_records_against_its_prior():
    rng = np.random.default_rng(0)
    columns = np.column_stack([np.ones(5000), rng.normal(size=(5000, 2))])
    y = columns @ [1.0, 0.5, -0.4] + 0.2 * rng.normal(size=5000)
    wide = np.zeros(3), np.full(3, 10.0)
    found, spread = fit_trend(columns, y, np.ones(5000), wide)
    np.testing.assert_allclose(found, [1.0, 0.5, -0.4], atol=4 * 0.2 / np.sqrt(5000))
    np.testing.assert_allclose(spread, 0.2, rtol=0.05)
    # With one record to speak of, a prior as wide as its error is met half way.
    half, _ = fit_trend(
        np.ones((2, 1)), np.ones(2), np.array([1.0, 1e-9]), (np.zeros(1), np.full(1, 0.5))
    )
    assert 0.45 < half[0] < 1.0
    tight, _ = fit_trend(columns, y, np.ones(5000), (np.zeros(3), np.full(3, 1e-6)))
    np.testing.assert_allclose(tight, 0.0, atol=1e-4)


def test_a_trend_of_other_features_is_linear_in_them():
    names = ("peak_m", "frequency_hz")
    features = tuple(Feature(name, log=True) for name in names)
    mean, sd = trend_prior(features)
    assert mean.shape == sd.shape == (3,)
    assert sd[0] == 5.0
    assert trend_prior(FEATURES)[0].shape == (8,)


def test_temperature_mends_scales_that_are_wrong():
    rng = np.random.default_rng(0)
    y = 0.3 * rng.normal(size=4000)
    for scale in (0.2, 0.3, 0.45):
        plain = Mixture(
            jnp.zeros((4000, 1)), jnp.zeros((4000, 1)), jnp.full((4000, 1), scale, jnp.float32)
        )
        found = fit_temperature(plain, y, np.ones(4000))
        np.testing.assert_allclose(found * scale, 0.3, rtol=4 / np.sqrt(2 * 4000))


@pytest.fixture(scope="module")
def learned():
    return fit_network(
        jax.random.key(5),
        motions(),
        members=3,
        options=SHARED,
        progress=False,
        about={"licence": "CC0", "what": "simulated"},
    )


def test_the_card_tells_where_a_network_is_from(learned):
    card = learned.network.card
    assert card["licence"] == "CC0"
    assert card["what"] == "simulated"
    assert card["trained_on"]["events"] == 40
    assert card["trained_on"]["records"] == 1000
    assert card["trained_on"]["records_with_vs30"] == learned.examples.features[:, 3].size - int(
        np.isnan(learned.examples.features[:, 3]).sum()
    )
    assert card["out_of_bag"]["events"] <= 40
    assert set(card["versions"]) == {"eqstat", "jax", "equinox", "optax", "numpy"}
    assert any("vs30_m_s is not known" in note for note in card["notes"])
    assert learned.trained.result.ok


def test_out_of_bag_predictions_are_of_members_that_never_saw_the_event(learned):
    judged, mixture = out_of_bag_predictions(learned.trained, learned.examples)
    share = np.exp(np.asarray(mixture.log_weight)).reshape(len(judged), 3, -1).sum(axis=-1)
    assert np.all((share > 0) == learned.trained.out_of_bag[:, judged].T)


def test_the_scatter_is_the_total_one_and_its_intervals_are_true(learned):
    """Forty events: the sd of an event-mean coverage is about 0.3 / sqrt(40) at the most."""
    done = learned
    test = motions(events=300, records=5, seed=9)
    mixture = done.predictor()(*(test[f.name].to_numpy() for f in done.network.features))
    y = np.log10(test["pga_m_s2"].to_numpy())
    pit = np.asarray(mx.exceedance(mixture, y))
    assert abs(np.mean(np.abs(pit - 0.5) < 0.45) - 0.9) < 0.06
    assert abs(np.mean(pit) - 0.5) < 0.1
    score = -np.mean(np.asarray(mx.log_density(mixture, y)))
    assert abs(done.network.card["out_of_bag"]["log_score_log10"] - score) < 0.25


def test_the_same_key_gives_the_same_network(learned):
    again = fit_network(jax.random.key(5), motions(), members=3, options=SHARED)
    both = jax.tree.leaves(learned.network), jax.tree.leaves(again.network)
    for a, b in zip(*both, strict=True):
        if eqx.is_array(a):
            np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_tables_that_cannot_be_learned_from():
    table = motions(events=12, records=4)
    with pytest.raises(InputError, match="too few"):
        fit_network(jax.random.key(0), table[table["event"].isin(["e1", "e2"])], options=QUICK)
    wrong = table.assign(pga_m_s2=table["pga_m_s2"] / 0.0980665)
    with pytest.raises(InputError, match="%g"):
        fit_network(jax.random.key(0), wrong, options=QUICK)
    with pytest.raises(InputError, match="plain values"):
        fit_network(jax.random.key(0), table, members=1, options=QUICK, about={"x": np.ones(2)})
    with pytest.raises(InputError, match="smoothness"):
        fit_network(jax.random.key(0), table, smoothness=-1.0)
    for bad in ({"epochs": 0}, {"learning_rate": -1.0}, {"weight_decay": -1.0}):
        with pytest.raises(InputError, match=next(iter(bad))):
            TrainingOptions(**bad)


@pytest.mark.long
def test_a_feature_that_no_row_has_is_left_out_and_noted():
    table = motions(events=12, records=6).drop(columns="vs30_m_s")
    done = fit_network(jax.random.key(1), table, members=2, options=QUICK)
    assert [f.name for f in done.network.features] == ["magnitude", "distance_km", "depth_km"]
    assert any("no row has vs30_m_s" in note for note in done.notes)
    mixture = done.predictor()(5.0, 30.0, 8.0, jnp.array([300.0, 900.0]))
    np.testing.assert_array_equal(mixture.mean[0], mixture.mean[1])


@pytest.mark.long
def test_a_known_conditional_density_is_recovered():
    """Many events: median, scatter that changes with magnitude, and both with Vs30 hidden."""
    table = motions(events=1500, records=6, seed=2)
    done = fit_network(jax.random.key(7), table, members=4, options=TrainingOptions(epochs=60))
    predictor = done.predictor()
    magnitude, distance = (
        part.ravel() for part in np.meshgrid([4.6, 5.0, 6.2, 6.6], [20.0, 50, 120])
    )
    total = np.hypot(0.25, 0.25) * width(magnitude)
    for vs30 in (400.0, 700.0, np.nan):
        mean, sd = mx.mean_and_sd(predictor(magnitude, distance, 7.0, np.float64(vs30)))
        site = 10**2.6 if np.isnan(vs30) else vs30
        spread = total if not np.isnan(vs30) else np.hypot(total, 0.6 * 0.15)
        # A cell of a third of the magnitudes has 500 events: errors of 0.35 / sqrt(500).
        np.testing.assert_allclose(mean, true_mean(magnitude, distance, site), atol=0.08)
        np.testing.assert_allclose(sd, spread, rtol=0.15)
