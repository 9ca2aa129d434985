"""Training, recalibration and files of multistation networks."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.ground_motion import load, save
from eqstat.ground_motion.mixture import Mixture, crps, exceedance, sample
from eqstat.ground_motion.network import Examples, NegativeLogDensity, TrainingOptions
from eqstat.ground_motion.network.multistation import (
    Blinding,
    MultistationEnsemble,
    NegativeLogClasses,
    _fit,
    fit_multistation,
    init_multistation,
    sense,
)
from eqstat.ground_motion.network.multistation._fit import recalibrated
from eqstat.ground_motion.network.multistation._network import trainable

from .worlds import TIMES, examples

pytestmark = pytest.mark.slow

QUICK = TrainingOptions(epochs=4, batch=16, learning_rate=2e-3)
TINY = dict(width=20, layers=1, heads=2, feed_forward=20, readout=(16,), convolutions=())


@pytest.fixture(scope="module")
def fitted():
    data = examples(0, 24)
    stations = [f"s{k}" for k in range(8)]
    return fit_multistation(
        jax.random.key(0), data, sense(8, **TINY), members=2, options=QUICK, stations=stations
    )


def test_the_loss_of_an_upper_bound_is_that_of_the_distribution():
    rng = np.random.default_rng(0)
    weight, mean, scale = rng.dirichlet(np.ones(3), 5), rng.normal(size=(5, 3)), rng.uniform(0.2, 1)
    mixture = Mixture(*(jnp.asarray(x) for x in (np.log(weight), mean, scale + 0 * mean)))
    target, upper = rng.normal(size=5), np.array([True, False, True, False, True])
    for share in (0.0, 0.1):
        given = jnp.asarray(target), jnp.asarray(upper)
        loss = NegativeLogDensity(share)(lambda _: mixture, None, *given)
        below = (weight * stats.norm.cdf(target[:, None], mean, scale)).sum(axis=1)
        at = (weight * stats.norm.pdf(target[:, None], mean, scale)).sum(axis=1)
        oracle = -np.where(upper, np.log(share + (1 - share) * below), np.log(at))
        np.testing.assert_allclose(loss, oracle, rtol=2e-5)


def test_the_loss_of_classes_is_the_cross_entropy_of_what_is_known():
    classes = sense(8, head="classes", log10_thresholds=(-1.5, -1.0, -0.5), **TINY)
    network = init_multistation(jax.random.key(0), classes)
    data = examples(0, 3, floor=-1.0)
    views = jax.tree.map(jnp.asarray, data.features)
    given = jnp.asarray(data.log10_pga), jnp.asarray(data.upper)
    loss = np.asarray(NegativeLogClasses()(network, views, *given))
    chance = np.asarray(network(views), np.float64)
    assert data.upper.any() and not data.upper.all()
    for row, site in np.ndindex(*data.log10_pga.shape):
        each = [
            -np.log(p if data.log10_pga[row, site] > u else 1 - p)
            for u, p in zip(classes.log10_thresholds, chance[row, site], strict=True)
            if not data.upper[row, site] or u >= data.log10_pga[row, site]
        ]
        assert loss[row, site] == pytest.approx(np.mean(each), rel=1e-4)


def test_stages_move_their_own_parameters(fitted):
    history = fitted.history
    assert history["stage"].unique().tolist() == [1, 2, 3]
    best = history.groupby("stage")["held_out"].min()
    assert best[3] <= history["held_out"].iloc[0]
    members = fitted.network.members
    assert np.any(members.late) and fitted.network.card["parameters"] > 0
    one = jax.tree.map(lambda leaf: leaf[0], members)
    moved = {
        stage: {name for name in ("early", "late", "blend", "norm", "centre", "query")
                if jax.tree.leaves(getattr(trainable(one, stage), name))[0]}
        for stage in (1, 2, 3)
    }  # fmt: skip
    assert moved == {1: {"late", "norm"}, 2: {"early"}, 3: {"early", "late", "blend", "norm"}}
    without = fit_multistation(
        jax.random.key(0), examples(0, 24), sense(8, early=False, late=False, **TINY), members=1,
        options=QUICK,
    )  # fmt: skip
    assert without.history["stage"].unique().tolist() == [1, 3]
    for name in ("early", "late"):
        assert not np.any(getattr(without.network.members, name))


def test_exceedances_are_those_of_the_mixture(fitted):
    view = examples(1, 2).features
    wanted = [-1.5, -0.5]
    answer = np.asarray(fitted.network.exceedance(view, wanted))
    mixture = fitted.network(view)
    for k, u in enumerate(wanted):
        np.testing.assert_allclose(answer[..., k], exceedance(mixture, u), rtol=1e-6)
    assert answer.shape == (2 * len(TIMES), 8, 2)


def test_scales_are_recalibrated_by_time_and_by_whether_a_site_has_reported():
    data = examples(0, 300)
    members = jax.tree.map(
        lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf,
        init_multistation(jax.random.key(0), sense(8, components=1, **TINY)),
    )
    views = jax.tree.map(jnp.asarray, data.features)
    plain = MultistationEnsemble(members, jnp.zeros(4))(views)
    wanted = np.array([0.3, -0.6, 0.2, 0.1])
    truth = MultistationEnsemble(members, jnp.asarray(wanted, jnp.float32))(views)
    own = np.asarray(views.reporting, float)
    since = np.log1p(np.asarray(views.elapsed_s) / 5.0)[:, None]
    factor = np.exp(wanted[0] + wanted[1] * own + (wanted[2] + wanted[3] * own) * since)
    np.testing.assert_allclose(
        truth.scale[..., 0], np.asarray(plain.scale[..., 0]) * factor, rtol=1e-5
    )
    drawn = np.asarray(sample(jax.random.key(1), truth))
    again = Examples(data.features, drawn, data.event)
    late = eqx.tree_at(lambda v: v.elapsed_s, views, jnp.full(len(data), 60.0))
    later = eqx.tree_at(lambda v: v.elapsed_s, views, jnp.full(len(data), 600.0))
    known = MultistationEnsemble(members, jnp.asarray(wanted, jnp.float32))
    fixed = MultistationEnsemble(members, jnp.zeros(4))
    ratio = [np.asarray(known(v).scale / fixed(v).scale) for v in (late, later)]
    np.testing.assert_allclose(ratio[0], ratio[1], rtol=1e-5)
    fitted = recalibrated(members, again, np.ones((1, len(data)), bool), NegativeLogDensity())
    fit = MultistationEnsemble(members, jnp.asarray(fitted, jnp.float32))(views)
    np.testing.assert_allclose(fit.scale, truth.scale, rtol=0.08)


def test_a_network_of_classes_knows_its_own_thresholds_only():
    classes = sense(8, head="classes", log10_thresholds=(-1.0, -0.5), **TINY)
    fitted = fit_multistation(jax.random.key(0), examples(0, 24), classes, members=2, options=QUICK)
    view = examples(1, 2).features
    chance = np.asarray(fitted.network(view))
    assert np.all(np.diff(chance, axis=-1) <= 0) and fitted.network.card["temperature"] == [0.0] * 4
    np.testing.assert_array_equal(fitted.network.exceedance(view, [-0.5])[..., 0], chance[..., 1])
    with pytest.raises(InputError, match=r"\[0\.1, 0\.3162\]"):
        fitted.network.exceedance(view, [0.0])


def test_files_hold_a_network_without_loss(fitted, tmp_path):
    path = tmp_path / "network.eqx"
    save(fitted.network, path)
    again = load(path)
    assert again.stations == fitted.network.stations and again.settings == fitted.network.settings
    assert again.numbers(["s3", "new"]).tolist() == [3, -1]
    for a, b in zip(*map(jax.tree.leaves, (fitted.network, again)), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    head, body = path.read_bytes().split(b"\n", 1)
    wrong = json.loads(head)
    wrong["settings"]["width"] = 30
    for text in (head + b"\n" + body[:-9], json.dumps(wrong).encode() + b"\n" + body,
                 head + b"\n" + body + b"x"):  # fmt: skip
        path.write_bytes(text)
        with pytest.raises(InputError, match="damaged"):
            load(path)


def test_a_training_that_was_stopped_goes_on(tmp_path, monkeypatch):
    data, sizes = examples(0, 24), sense(8, **TINY)
    split = data.event.astype(int) >= 18
    given = dict(members=1, options=QUICK, held_out=split)
    full = fit_multistation(jax.random.key(3), data, sizes, **given)
    start = tmp_path / "state"
    interrupted = iter([False, False, True])
    original = _fit.run

    def run(*args, **options):
        if next(interrupted):
            raise KeyboardInterrupt
        return original(*args, **options)

    monkeypatch.setattr(_fit, "run", run)
    with pytest.raises(KeyboardInterrupt):
        fit_multistation(jax.random.key(3), data, sizes, **given, checkpoint=start)
    assert len(list(tmp_path.iterdir())) == 2
    # Stages that have ended are read, and their files are not written again.
    monkeypatch.setattr(_fit, "run", original)
    again = fit_multistation(jax.random.key(3), data, sizes, **given, checkpoint=start)
    seconds = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    fit_multistation(jax.random.key(3), data, sizes, **given, checkpoint=start)
    assert seconds == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    for a, b in zip(*(jax.tree.leaves(x.network.members) for x in (full, again)), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_blinding_hides_about_as_many_stations_as_it_says():
    data = examples(0, 200)
    views = jax.tree.map(jnp.asarray, data.features)
    blinded = Blinding(most=0.6, unseen=0.25)(jax.random.key(0), views)
    assert 1 - float(blinded.working.mean()) == pytest.approx(0.3, abs=0.03)
    assert float((blinded.station < 0).mean()) == pytest.approx(0.25, abs=0.03)


def test_what_does_not_fit_is_named():
    data = examples(0, 24)
    sizes = sense(8, **TINY)
    key = jax.random.key(0)
    half = np.arange(len(data)) % 2 == 0
    for change, words in (
        (dict(held_out=half), "both halves"),
        (dict(held_out=half[:5]), "held_out"),
        (dict(settings=sense(5, **TINY)), "number 7"),
        (dict(settings=sense(8, samples=20, **TINY)), "30 samples"),
        (dict(settings=sense(8, base=True, **TINY)), "base"),
        (dict(stations=["a"]), "1 names"),
        (dict(members=0), "members"),
        (dict(out_of_order=1.0), "out_of_order"),
    ):
        given = {"settings": sizes, "options": QUICK, **change}
        with pytest.raises(InputError, match=words):
            fit_multistation(key, data, given.pop("settings"), **given)
    with pytest.raises(InputError, match="9 events"):
        fit_multistation(key, examples(0, 9), sizes, options=QUICK)


@pytest.mark.long
def test_a_network_learns_and_its_intervals_hold_on_new_earthquakes():
    data, new = examples(0, 400), examples(0, 700).rows(np.arange(800, 1400))
    options = TrainingOptions(epochs=40, batch=32, learning_rate=3e-3, weight_decay=0.02)
    sizes = sense(8, width=20, layers=2, heads=2, feed_forward=40, readout=(20,))
    fitted = fit_multistation(jax.random.key(1), data, sizes, members=2, options=options)
    late = np.asarray(new.features.elapsed_s) == TIMES[1]
    mixture = fitted.network(jax.tree.map(jnp.asarray, new.features))
    score = np.asarray(crps(mixture, new.log10_pga)).mean(axis=1)
    level = data.log10_pga.ravel()[::7]
    within = np.abs(level[:, None] - level).mean() / 2
    plain = np.abs(new.log10_pga[..., None] - level).mean(axis=(1, 2)) - within
    gain = (plain - score)[late]
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))
    assert score[late].mean() < score[~late].mean()
    # Events are independent, records of one are not: the band is that of 300 events.
    pit = np.asarray(exceedance(mixture, new.log10_pga))
    inside = (np.abs(pit - 0.5) < 0.4).reshape(-1, len(TIMES) * 8).mean(axis=1)
    assert abs(inside.mean() - 0.8) < 4 * inside.std() / np.sqrt(len(inside)) + 0.02


@pytest.mark.long
def test_an_upper_bound_moves_the_density_down():
    free = examples(0, 40)
    floor = float(np.quantile(free.log10_pga, 0.4))
    bound = examples(0, 40, floor=floor)
    assert bound.upper.mean() == pytest.approx(0.4, abs=0.01)
    given = dict(members=1, options=TrainingOptions(epochs=12, batch=16, learning_rate=3e-3))
    sizes = sense(8, **TINY)
    with_bounds = fit_multistation(jax.random.key(2), bound, sizes, **given).network
    felt = Examples(bound.features, bound.log10_pga, bound.event, mask=~bound.upper)
    felt_only = fit_multistation(jax.random.key(2), felt, sizes, **given).network
    view = jax.tree.map(jnp.asarray, free.features)
    below = (free.log10_pga < floor).mean()
    shares = [
        1 - float(network.exceedance(view, [floor]).mean()) for network in (with_bounds, felt_only)
    ]
    assert abs(shares[0] - below) < abs(shares[1] - below)
