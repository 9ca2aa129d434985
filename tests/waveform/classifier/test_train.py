"""Trained classifiers: calibrated ratios, unfamiliar windows, evidence over time, edge and JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat import InputError, edge, realtime
from eqstat.edge import Status
from eqstat.waveform import classifier
from eqstat.waveform.classifier import prepare, train

from .feature_tables import FEATURES, table_of, true_log_ratio

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

SECONDS = 5


@pytest.fixture(scope="module")
def trained():
    """A logistic regression on 80 events of either class, second by second."""
    windows = prepare(table_of(0, 80, 80), FEATURES, group="event")
    return train(jax.random.key(0), windows, sequence=("event", "second"))


@pytest.fixture(scope="module")
def rare():
    """The same of twenty times as many events of other causes as of earthquakes."""
    windows = prepare(table_of(10, 40, 800), FEATURES, group="event")
    return train(jax.random.key(0), windows)


def score_of(log_ratio, labels):
    """Mean logarithmic score at even odds, either class counted half."""
    each = np.logaddexp(0, np.where(labels, -log_ratio, log_ratio))
    return 0.5 * (each[labels].mean() + each[~labels].mean())


def test_the_balance_of_classes_does_not_leak(trained, rare):
    new = table_of(11, 300, 300)
    truth = true_log_ratio(new)
    for one in (trained, rare):
        ratio = one.log_ratio(new)["log_ratio"].to_numpy()
        middle = np.abs(truth) < 3
        # The balance of 1:20 is 3.0 in log odds.
        assert abs(np.mean(ratio[middle] - truth[middle])) < 0.5
        assert np.mean(np.abs(ratio[middle] - truth[middle])) < 0.7
        best = score_of(truth, new["is_earthquake"].to_numpy())
        assert score_of(ratio, new["is_earthquake"].to_numpy()) < best + 0.03


def test_windows_of_a_group_are_not_counted_as_independent(trained):
    assert trained.card["exponent"] < 0.7
    assert trained.card["groups_of_earthquakes"] == 80


def test_unfamiliar_windows_fall_back_to_a_ratio_of_one(trained):
    at_home = table_of(12, 50, 50)
    share = np.mean(trained.log_ratio(at_home)["status"] == Status.UNFAMILIAR)
    assert share < 0.05
    far = at_home.iloc[[0, 0, 0]].copy()
    far[list(FEATURES)] = np.exp(np.array([[3.0, 3.0, 3.0], [6.0, 6.0, -6.0], [60.0, 60.0, 60.0]]))
    result = trained.log_ratio(far)
    assert result["status"].tolist()[1:] == [Status.UNFAMILIAR] * 2
    assert result["log_ratio"].tolist()[1:] == [0.0, 0.0]


def test_bad_rows_have_a_status_and_no_number(trained):
    rows = np.array([[1.0, 1.0, 1.0], [np.nan, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, np.inf]])
    answer = jax.jit(classifier.score)(classifier.scorer(trained), jnp.asarray(rows))
    assert answer.status.tolist() == [Status.OK, *[Status.BAD_INPUT] * 3]
    assert np.isnan(answer.probability).tolist() == [False, True, True, True]


def test_the_posterior_is_that_of_bayes_at_any_prior_odds(trained):
    rows = jnp.asarray(table_of(13, 5, 5)[list(FEATURES)].to_numpy())
    even = classifier.score(classifier.scorer(trained), rows)
    for odds in (0.01, 30.0):
        answer = classifier.score(classifier.scorer(trained, prior_odds=odds), rows)
        assert np.allclose(answer.log_ratio, even.log_ratio, atol=1e-5)
        wanted = np.log(odds) + np.log(even.probability / (1 - even.probability))
        assert np.allclose(np.log(answer.probability / (1 - answer.probability)), wanted, atol=1e-3)


def slow_log_ratio(one, row):
    """The ratio of a window by loops over draws, as the formulas are written."""

    def sigma(x):
        return 1 / (1 + np.exp(-x))

    scaling, own, mode = one.scaling, one.calibration, one.posterior.members
    z = [
        (np.log(max(x, f)) - c) / s if logged else (x - c) / s
        for x, f, c, s, logged in zip(
            row, scaling.floor, scaling.centre, scaling.scale, scaling.logged, strict=True
        )
    ]
    level, weight = float(mode.level[0]), np.asarray(mode.weight[0])
    chances = [sigma(level + a + np.dot(weight + w, z)) for a, *w in one.posterior.tangent]
    odds = np.mean(chances) / (1 - np.mean(chances))
    quake, other = [], []
    for low, high, shift, lapse in zip(own.low, own.high, own.shift, own.lapse, strict=True):
        line = shift + high * np.log(1 + odds) - low * np.log(1 + 1 / odds)
        quake.append(lapse / 2 + (1 - lapse) * sigma(line))
        other.append(lapse / 2 + (1 - lapse) * sigma(-line))
    ratio = np.log(np.mean(quake) / np.mean(other))
    places = zip(one.familiarity.home, one.familiarity.root, strict=True)
    far = min(np.linalg.norm(root @ (np.array(z) - home)) for home, root in places)
    return ratio * min(max(2 - far / one.familiarity.level, 0), 1)


def test_scores_are_those_of_the_formulas(trained):
    table = table_of(14, 10, 10)
    got = trained.log_ratio(table)["log_ratio"]
    wanted = [slow_log_ratio(trained, row) for row in table[list(FEATURES)].to_numpy()]
    assert np.allclose(got, wanted, atol=1e-9)


def test_edge_and_jax_read_the_same_file_and_agree(trained):
    content = realtime.to_bytes(realtime.WaveformScorer.init(trained, prior_odds=0.02))
    small, large = edge.load(content), realtime.load(content)
    assert small.features == list(FEATURES) and large.features == FEATURES
    rows = table_of(15, 6, 6)[list(FEATURES)].to_numpy().reshape(-1, SECONDS, 3)
    state, own = small.start(len(rows)), classifier.init(len(rows))
    scorer = classifier.scorer(trained, prior_odds=0.02)
    step = jax.jit(classifier.step)
    for second in range(SECONDS):
        state, answer = small.step(state, rows[:, second])
        own, wanted = step(scorer, own, jnp.asarray(rows[:, second]))
        assert np.allclose(answer.earthquake_probability, wanted.probability, atol=1e-5)
        assert np.allclose(answer.margin, wanted.log_ratio, atol=1e-3)
        single = classifier.score(scorer, jnp.asarray(rows[:, second]))
        assert np.allclose(
            small.score(rows[:, second]).earthquake_probability, single.probability, atol=1e-5
        )


def accumulated(one, table):
    """Log ratios since the start by `step`, and the sums of single ones, (records, seconds)."""
    rows = table[list(FEATURES)].to_numpy().reshape(-1, SECONDS, 3)
    state, scorer, out = classifier.init(len(rows)), classifier.scorer(one), []
    step = jax.jit(classifier.step)
    for second in range(SECONDS):
        state, answer = step(scorer, state, jnp.asarray(rows[:, second]))
        out.append(np.asarray(answer.log_ratio))
    singles = one.log_ratio(table)["log_ratio"].to_numpy().reshape(-1, SECONDS)
    return np.array(out).T, np.cumsum(singles, axis=1)


def test_evidence_over_time_is_calibrated_where_products_are_over_sure(trained):
    table = table_of(16, 1500, 1500)
    labels = table["is_earthquake"].to_numpy().reshape(-1, SECONDS)[:, 0]
    total, product = accumulated(trained, table)
    for second in range(1, SECONDS):
        sure = [np.abs(one[:, second]) > 2.5 for one in (total, product)]
        # Of those who are sure, the share of errors that they state and the one that they make.
        stated, made = zip(
            *(
                (
                    np.mean(1 / (1 + np.exp(np.abs(one[rows, second])))),
                    np.mean((one[rows, second] > 0) != labels[rows]),
                )
                for one, rows in zip((total, product), sure, strict=True)
            ),
            strict=True,
        )
        assert made[0] < 2 * stated[0] + 0.01
        if second == SECONDS - 1:
            assert made[1] > 2.5 * stated[1]
        scores = [score_of(one[:, second], labels) for one in (total, product)]
        assert scores[0] < scores[1] + 0.01
    whole = trained.over_time(table, ("event", "second"))["log_ratio"].to_numpy()
    assert np.allclose(whole.reshape(-1, SECONDS), total, atol=1e-3)
    # A second adds to what the one before has said.
    firsts = score_of(total[:, 0], labels)
    assert score_of(total[:, -1], labels) < firsts


def test_a_second_that_cannot_be_used_adds_nothing(trained):
    scorer = classifier.scorer(trained)
    good, bad = jnp.ones((1, 3)) * 3.0, jnp.full((1, 3), jnp.nan)
    state, before = classifier.step(scorer, classifier.init(1), good)
    state, answer = classifier.step(scorer, state, bad)
    assert answer.status[0] == Status.BAD_INPUT
    assert float(answer.log_ratio[0]) == pytest.approx(float(before.log_ratio[0]), abs=0.5)
    assert state[0].tolist()[0] == -2.0 and state[0].tolist()[2] == 2.0


def test_what_cannot_be_trained_is_named(rare):
    one_event = prepare(table_of(17, 1, 5), FEATURES, group="event")
    with pytest.raises(InputError, match="one group only"):
        train(jax.random.key(0), one_event)
    windows = prepare(table_of(17, 5, 5), FEATURES, group="event")
    with pytest.raises(InputError, match="'third', which is missing"):
        train(jax.random.key(0), windows, sequence=("event", "third"))
    with pytest.raises(InputError, match="without `sequence`"):
        rare.over_time(table_of(17, 2, 2), ("event", "second"))
    with pytest.raises(InputError, match="without `sequence`"):
        classifier.step(classifier.scorer(rare), classifier.init(1), jnp.ones((1, 3)))
