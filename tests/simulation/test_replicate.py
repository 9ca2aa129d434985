"""An experiment gives the same numbers however its replications are spread."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import jax
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.simulation import replicate

KEY = jax.random.key(3)


def experiment(key, number):
    """Something random, and something of the number."""
    return {"normal": float(jax.random.normal(key)), "square": number**2}


def test_each_replication_has_a_key_of_its_own():
    study = replicate(KEY, experiment, 50)
    expected = [float(jax.random.normal(jax.random.fold_in(KEY, i))) for i in range(50)]
    assert study["normal"].tolist() == expected
    assert study["square"].tolist() == [i**2 for i in range(50)]
    assert study.index.name == "replication"


@pytest.mark.parametrize("chunk", [1, 7])
def test_threads_give_the_same_numbers(chunk):
    with ThreadPoolExecutor(3) as pool:
        spread = replicate(KEY, experiment, 20, executor=pool, chunk=chunk)
    pd.testing.assert_frame_equal(spread, replicate(KEY, experiment, 20))


@pytest.mark.long
def test_processes_give_the_same_numbers():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        spread = replicate(KEY, experiment, 20, executor=pool, chunk=5)
    pd.testing.assert_frame_equal(spread, replicate(KEY, experiment, 20))


def test_parts_of_a_study_are_joined():
    parts = [replicate(KEY, experiment, part) for part in (range(10, 20), range(10))]
    joined = pd.concat(parts).sort_index()
    pd.testing.assert_frame_equal(joined, replicate(KEY, experiment, 20))


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg", "raw"])
def test_keys_of_all_kinds_are_taken(kind):
    key = jax.random.PRNGKey(5) if kind == "raw" else jax.random.key(5, impl=kind)
    found = replicate(key, experiment, [4])
    assert found["normal"].item() == float(jax.random.normal(jax.random.fold_in(key, 4)))


def test_no_replication_is_an_empty_table():
    assert len(replicate(KEY, experiment, 0)) == 0


def broken(key, number):
    if number == 3:
        raise ZeroDivisionError("nothing to divide by")
    return experiment(key, number)


def test_an_error_names_its_replication_and_ends_the_study():
    begun = []

    def counted(key, number):
        begun.append(number)
        return broken(key, number)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError) as caught:
        replicate(KEY, counted, 5000, executor=pool)
    assert caught.value.__notes__ == ["in replication 3"]
    assert len(begun) < 5000


@pytest.mark.parametrize(
    ("numbers", "given", "text"),
    [
        ([1, 2, 1], experiment, "replication 1 is asked for twice"),
        ([-1], experiment, "numbers"),
        (2, lambda _key, number: {"a": 1} if number else {"b": 1}, "replication 1 gave a, .* b"),
        (1, lambda *_: {}, "gave nothing"),
    ],
)
def test_what_cannot_be_joined_is_refused(numbers, given, text):
    with pytest.raises(InputError, match=text):
        replicate(KEY, given, numbers)
