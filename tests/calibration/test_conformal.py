"""The guarantee on the miss probability holds, on average and with confidence."""

import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.calibration import conformal_threshold

from . import cases


def misses(rng, number, earthquakes, rounded=False, **options):
    """True miss probabilities of thresholds of many histories."""
    found = []
    for _ in range(number):
        score = rng.normal(size=earthquakes)
        limit = conformal_threshold(
            np.round(score) if rounded else score, larger="earthquake", **options
        ).threshold["all"]
        found.append(stats.norm.cdf(np.ceil(limit) - 0.5 if rounded else limit))
    return np.array(found)


@pytest.mark.parametrize("earthquakes", [15, 99, 250])
def test_the_miss_probability_is_kept_on_average(earthquakes):
    found = misses(np.random.default_rng(0), 1000, earthquakes, miss_probability=0.1)
    exact = np.floor((earthquakes + 1) * 0.1 + 1e-9) / (earthquakes + 1)
    assert found.mean() == pytest.approx(exact, abs=4 * found.std() / np.sqrt(1000))
    tied = misses(np.random.default_rng(1), 300, earthquakes, True, miss_probability=0.1)
    assert tied.mean() < 0.1


@pytest.mark.parametrize("earthquakes", [40, 300])
def test_the_confidence_is_kept(earthquakes):
    number = 600
    found = misses(
        np.random.default_rng(2), number, earthquakes, miss_probability=0.1, confidence=0.9
    )
    assert cases.within(np.sum(found <= 0.1), number, 0.9)
    # And no more than is needed: one rank further would break it.
    rank = round(np.mean(found) * (earthquakes + 1))
    assert stats.beta(rank, earthquakes + 1 - rank).cdf(0.1) >= 0.9
    assert stats.beta(rank + 1, earthquakes - rank).cdf(0.1) < 0.9


@pytest.mark.parametrize(("number", "options"), [(98, {}), (298, {"confidence": 0.95})])
def test_too_few_earthquakes_accept_everything(number, options):
    score = np.arange(float(number))
    few = conformal_threshold(score, miss_probability=0.01, larger="earthquake", **options)
    assert few.threshold == {"all": -np.inf}
    assert few.accepts([-1e9]).tolist() == [True]
    score = np.arange(number + 1.0)
    enough = conformal_threshold(score, miss_probability=0.01, larger="earthquake", **options)
    assert enough.threshold == {"all": 0.0}
    turned = conformal_threshold(-score, miss_probability=0.01, larger="noise", **options)
    assert turned.threshold == {"all": 0.0}
    assert turned.accepts([0.0, 0.1]).tolist() == [True, False]


def test_groups_have_guarantees_of_their_own():
    rng = np.random.default_rng(3)
    group = rng.choice(["day", "night"], 600, p=[0.3, 0.7])
    score = rng.normal(size=600) + 2.0 * (group == "night")
    found = conformal_threshold(score, miss_probability=0.1, larger="earthquake", group=group)
    for name in ("day", "night"):
        alone = conformal_threshold(score[group == name], miss_probability=0.1, larger="earthquake")
        assert found.threshold[name] == alone.threshold["all"]
        assert found.earthquakes[name] == np.sum(group == name)
    accepted = found.accepts([0.0, 0.0, -9.0], ["day", "night", "dusk"])
    assert accepted.tolist() == [True, False, True]
    with pytest.raises(InputError, match="give the group"):
        found.accepts([0.0])


def test_clusters_of_one_are_as_none():
    score = np.random.default_rng(4).normal(size=80)
    plain = conformal_threshold(score, miss_probability=0.1, larger="earthquake")
    each = conformal_threshold(
        score, miss_probability=0.1, larger="earthquake", cluster=np.arange(80)
    )
    assert plain == each


def test_the_guarantee_holds_for_a_new_cluster():
    rng, number = np.random.default_rng(5), 500
    kept, plain = np.zeros(number), np.zeros(number)
    for i in range(number):
        # Half of the clusters are single good detections, the others many poor ones.
        cluster = np.repeat(np.arange(20), np.where(np.arange(20) % 2, 12, 1))
        own = rng.normal(size=20) - 1.0 * (np.arange(20) % 2)
        score = own[cluster] + 0.3 * rng.normal(size=cluster.size)
        for out, groups in ((kept, cluster), (plain, None)):
            limit = conformal_threshold(
                score, miss_probability=0.2, larger="earthquake", cluster=groups
            ).threshold["all"]
            spread = np.hypot(1.0, 0.3)
            out[i] = 0.5 * (stats.norm.cdf(limit / spread) + stats.norm.cdf((limit + 1.0) / spread))
    assert kept.mean() <= 0.2 + 4 * kept.std() / np.sqrt(number)
    assert kept.mean() > 0.1
    # Without clusters the many poor ones rule, here to the safe side; single scores do not.
    assert abs(plain.mean() - kept.mean()) > 0.02


@pytest.mark.parametrize(
    ("score", "options", "message"),
    [([1.0, np.nan], {}, "not finite"), ([1.0, 2.0], {"miss_probability": 0.0}, "miss_probability"),
     ([1.0, 2.0], {"confidence": 1.0}, "confidence"), ([1.0, 2.0], {"group": ["a"]}, "2 labels"),
     ([1.0, 2.0], {"confidence": 0.9, "cluster": ["a", "b"]}, "not available with clusters"),
     ([], {}, "one row"), (["a", "b"], {}, "must be numbers")],
)  # fmt: skip
def test_bad_input_is_refused(score, options, message):
    with pytest.raises(InputError, match=message):
        conformal_threshold(score, **({"miss_probability": 0.1, "larger": "noise"} | options))
