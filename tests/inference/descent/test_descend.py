"""Descent of members: what is learned, what is held out, and going on where it was stopped."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat import InputError
from eqstat.inference import descent
from eqstat.inference.descent import (
    TrainingError,
    TrainingOptions,
    TrainingStatus,
    descend,
    stacked,
)

ROWS, MEMBERS = 64, 3
OPTIONS = TrainingOptions(epochs=12, batch=16, learning_rate=0.1, weight_decay=0.0)


class Line(eqx.Module):
    slope: jax.Array


def squares(module, rows, key):
    """Squared error; in training with noise, so that keys matter."""
    x, y = rows
    noise = 0.0 if key is None else 0.1 * jax.random.normal(key, x.shape)
    return (y - module.slope * (x + noise)) ** 2


def data_of(slope=2.0):
    x = np.random.default_rng(0).normal(size=ROWS).astype(np.float32)
    return x, np.asarray(slope * x, np.float32)


def weights():
    held = np.stack([np.arange(ROWS) % MEMBERS == member for member in range(MEMBERS)]) * 1.0
    return 1.0 - held, held


def run(data=None, key=0, options=OPTIONS, **more):
    start = stacked([Line(jnp.zeros(())) for _ in range(MEMBERS)])
    data = data_of() if data is None else data
    return descend(jax.random.key(key), start, data, *weights(), squares, options=options, **more)


def test_every_member_learns_and_history_says_so():
    done = run()
    assert done.result.ok
    np.testing.assert_allclose(done.module.slope, 2.0, atol=0.1)
    first, last = (done.history.query("epoch == @n")["held_out"] for n in (1, 12))
    assert list(done.history.columns) == ["member", "epoch", "training", "held_out"]
    assert (last.to_numpy() < first.to_numpy()).all()


def test_same_key_same_result_and_another_key_another():
    one, again, other = run(), run(), run(key=1)
    np.testing.assert_array_equal(one.module.slope, again.module.slope)
    assert not np.array_equal(one.module.slope, other.module.slope)


def test_rows_of_no_weight_are_not_learned():
    """What a member's held-out rows say is not fitted: they pull the other way."""
    x, y = data_of()
    held = weights()[1][0] > 0
    done = run((x, np.where(held, -5 * x, y).astype(np.float32)))
    assert done.best_epoch[0] == 0, "the first member stays where it began"
    np.testing.assert_array_equal(done.module.slope[0], 0.0)


def test_a_stopped_training_goes_on_to_the_same_result(tmp_path, monkeypatch):
    whole = run()
    path = tmp_path / "state.npz"
    module = __import__("eqstat.inference.descent._descend", fromlist=["save"])
    kept, calls = module.save, []

    def stopping(*given):
        kept(*given)
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=path)
    resumed = run(checkpoint=path)
    assert len(calls) == 12, "five epochs before, seven after"
    np.testing.assert_array_equal(resumed.module.slope, whole.module.slope)
    assert resumed.history.equals(whole.history)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    run(checkpoint=path)
    with pytest.raises(InputError, match=r"state\.npz: it is of another training"):
        run(data_of(3.0), checkpoint=path)
    with pytest.raises(InputError, match="another training"):
        run(key=1, checkpoint=path)
    path.write_text("nothing")
    with pytest.raises(InputError, match="no state of a training"):
        run(checkpoint=path)


def test_early_stopping_ends_and_a_broken_loss_is_named():
    quick = TrainingOptions(epochs=300, batch=16, learning_rate=0.1, patience=2, weight_decay=0.0)
    done = run(options=quick)
    assert done.result is TrainingStatus.STOPPED_EARLY
    assert done.history["epoch"].max() < 300
    x, y = data_of()
    broken = (x * np.float32(np.nan), y)
    with pytest.raises(TrainingError, match="not finite"):
        run(broken)
    assert run(broken, throw=False).result is TrainingStatus.NOT_FINITE


def test_bad_input_is_named():
    start = stacked([Line(jnp.zeros(()))])
    none = np.zeros((1, ROWS))
    with pytest.raises(InputError, match="none held out"):
        descend(jax.random.key(0), start, data_of(), none + 1, none, squares)
    with pytest.raises(InputError, match="are padded to 64"):
        short = tuple(each[:50] for each in data_of())
        descend(jax.random.key(0), start, short, none + 1, none + 1, squares)
    with pytest.raises(InputError, match="schedule must be"):
        TrainingOptions(schedule="steps")
    assert descent.TrainingOptions is TrainingOptions
