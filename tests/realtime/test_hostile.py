"""Whatever arrives, scorers answer with a status; they never raise, compile or warn."""

import jax
import numpy as np
import pytest
import realtime_inputs as inputs

from eqstat import edge, realtime
from eqstat.realtime import Status
from eqstat.realtime._detectability import NETWORK_AXES

KINDS = list(inputs.MAKERS)


@pytest.fixture(scope="module")
def pairs():
    made = {}
    for kind, make in inputs.MAKERS.items():
        scorer = make()
        compiled = realtime.compile(scorer, (8, 128), progress=False)
        made[kind] = compiled, edge.load(realtime.to_bytes(scorer))
    return made


@pytest.fixture
def compilations(monkeypatch):
    """Names of the programs that JAX compiles."""
    seen = []
    with jax.log_compiles():
        import logging

        handler = logging.Handler()
        handler.emit = lambda record: seen.append(record.getMessage())
        logger = logging.getLogger("jax")
        logger.addHandler(handler)
        propagate, logger.propagate = logger.propagate, False
        yield seen
        logger.removeHandler(handler)
        logger.propagate = propagate


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_raises(pairs, kind):
    compiled, small = pairs[kind]
    rng = np.random.default_rng(11)
    seen = set()
    for _ in range(200 if kind == "classification" else 600):
        columns = inputs.hostile(kind, rng, 16)
        answer, other = compiled.score(**columns), small.score(**columns)
        status = np.atleast_1d(answer.status)
        assert np.isin(status, list(Status)).all()
        np.testing.assert_array_equal(answer.status, other.status)
        bad = np.isin(status, (Status.BAD_INPUT, Status.TOO_FEW, Status.TOO_MANY))
        margin = np.atleast_1d(answer.margin)
        bad = bad if compiled.scorer.by_row else np.full(margin.shape, bad[0])
        assert np.isnan(margin[bad]).all()
        assert not edge.disagreement(other, answer)
        seen |= set(status.tolist())
    assert {Status.OK} < seen


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_compiles_after_warm_up(pairs, kind, compilations):
    compiled = pairs[kind][0]
    rng = np.random.default_rng(12)
    for _ in range(30):
        compiled.score(**inputs.sound(kind, rng, 200))
    assert compilations == []


def test_statuses_of_counts(pairs):
    score = pairs["counts"][0].score
    assert score(5, 100, 3.0).status == Status.OK
    assert score(5, 100, 24.0).status == Status.BAD_INPUT
    assert score(5, 100, 3.0, region=2).status == Status.BAD_INPUT
    assert score(5, 1e6, 3.0).status == Status.BEYOND
    assert score("five", 100, 3.0).status == Status.BAD_INPUT
    assert np.isnan(score(6, 5, 3.0).margin)
    assert score([], [], []).margin.shape == (0,)


def test_statuses_of_sources(pairs):
    for scorer in pairs["exceedance"]:
        good = {"latitude": -12.0, "longitude": -77.0, "depth_km": 9.0, "magnitude": 6.0}
        assert scorer.score(**good).status == Status.OK
        two = good | {"magnitude": [6.0, np.nan]}
        assert scorer.score(**two).status == Status.PARTIAL
        np.testing.assert_allclose(
            scorer.score(**two).exceedance_probability, scorer.score(**good).exceedance_probability
        )
        assert scorer.score(**good | {"magnitude": None}).status == Status.TOO_FEW
        assert scorer.score(**good | {"magnitude": np.full(5000, 6.0)}).status == Status.TOO_MANY
        assert np.isnan(scorer.score(**good | {"magnitude": None}).margin).all()


def test_duplicates_and_broken_clocks_are_left_out(pairs):
    clean = inputs.detection(np.random.default_rng(13), 12)
    for scorer in pairs["classification"]:
        expected = scorer.score(**clean)
        twice = {name: np.tile(values, 2)[::-1] for name, values in clean.items()}
        answer = scorer.score(**twice)
        assert answer.status == Status.PARTIAL
        assert answer.margin == pytest.approx(expected.margin, abs=1e-6)
        late = {name: np.append(values, values[0]) for name, values in clean.items()}
        late["time_s"][-1] += 86400.0
        assert scorer.score(**late).margin == pytest.approx(expected.margin, abs=1e-6)
        few = {name: values[:4] for name, values in clean.items()}
        assert scorer.score(**few).status == Status.TOO_FEW


def test_a_network_answers_whatever_arrives():
    nodes = [np.linspace(low, low + 2, 3) for low in (-13.0, -78.0, 4.0)] + [np.array([0.0, 24.0])]
    table = np.random.default_rng(0).normal(size=(3, 3, 3, 2))
    scorer = realtime.DetectabilityScorer._tabulated(NETWORK_AXES, nodes, table, 1.0, 0.5, None)
    small, odd = edge.load(realtime.to_bytes(scorer)), [np.nan, np.inf, -np.inf, 1e300, None, "x"]
    for name in NETWORK_AXES:
        columns = dict(zip(NETWORK_AXES, (-12.0, -77.0, 5.0, 3.0), strict=True))
        assert small.score(**columns).status == Status.OK
        answer = small.score(**columns | {name: odd})
        assert set(answer.status.tolist()) == {Status.BAD_INPUT}
    assert small.score(latitude=-12.0).status == Status.BAD_INPUT
