"""Repeat an experiment many times, here or on other processes and machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, as_completed
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_whole
from eqstat._core.errors import InputError

Experiment = Callable[[PRNGKeyArray, int], Mapping[str, Any]]


def replicate(
    key: PRNGKeyArray,
    experiment: Experiment,
    numbers: int | Iterable[int],
    *,
    executor: Executor | None = None,
    chunk: int = 1,
) -> pd.DataFrame:
    """Repeat an experiment, each time with a key of its own.

    Replication i is `experiment(fold_in(key, i), i)`: it does not depend on how many there are, on
    their order, or on how they are spread over threads, processes and machines. So a study may be
    divided, and its parts joined by `pandas.concat`.

    Parameters
    ----------
    key
        JAX random key of the study.
    experiment
        Function of a key and the number of the replication that returns named numbers or arrays,
        such as the rank of a true value (`eqstat.calibration.sbc_ranks`) or whether there was an
        alarm. For processes it must be a function of a module (or a `functools.partial` of one),
        as for any executor.
    numbers
        How many replications, or which of them: whole numbers from 0, each once.
    executor
        Where to run: a `concurrent.futures.ThreadPoolExecutor`, a `ProcessPoolExecutor` whose
        processes are spawned (`mp_context=multiprocessing.get_context("spawn")`; a copy of a
        process in which JAX runs may stand still), or Dask's `client.get_executor()`. One after
        the other in this process by default. It is not shut down.
    chunk
        Replications of one task of the executor: more of them where each takes milliseconds.

    Returns
    -------
    pandas.DataFrame
        One row per replication, in the order of `numbers`, which are the index `replication`.

    Raises
    ------
    eqstat.InputError
        When a number occurs twice, or an experiment returns no names, or others than the first.
    Exception
        Whatever an experiment raises, with a note of the number of its replication; tasks that
        have not begun are cancelled.

    Examples
    --------
    >>> def mean_of_ten(key, number):
    ...     return {"mean": float(jax.random.normal(key, 10).mean())}
    >>> study = replicate(jax.random.key(0), mean_of_ten, 20)
    >>> halves = (range(8), range(8, 20))
    >>> parts = [replicate(jax.random.key(0), mean_of_ten, half) for half in halves]
    >>> bool((pd.concat(parts)["mean"] == study["mean"]).all())
    True
    """
    check_key("replicate", key)
    check_whole("replicate", 1, chunk=chunk)
    if isinstance(numbers, int | np.integer):
        check_whole("replicate", 0, numbers=numbers)
        wanted = list(range(int(numbers)))
    else:
        wanted = [int(number) for number in numbers]
        check_whole("replicate", 0, 2**32 - 1, numbers=np.array(wanted, float))
    index = pd.Index(wanted, name="replication", dtype="int64")
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise InputError(f"replicate: replication {twice} is asked for twice")
    # Typed keys cannot be sent to other processes; their numbers can.
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    data = np.asarray(jax.random.key_data(key) if typed else key)
    task = partial(_several, experiment, data, str(jax.random.key_impl(key)) if typed else None)
    parts = [wanted[first : first + chunk] for first in range(0, len(wanted), chunk)]
    if executor is None:
        rows = [row for part in parts for row in task(part)]
    else:
        futures = [executor.submit(task, part) for part in parts]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        rows = [row for future in futures for row in future.result()]
    for number, row in zip(wanted, rows, strict=True):
        if not row or row.keys() != rows[0].keys():
            raise InputError(
                f"replicate: replication {number} gave {', '.join(row) or 'nothing'}, the first "
                f"{', '.join(rows[0]) or 'nothing'}"
            )
    return pd.DataFrame(rows, index=index)


def _several(
    experiment: Experiment, data: np.ndarray, kind: str | None, numbers: list[int]
) -> list[dict[str, Any]]:
    """Results of some replications; runs where the executor runs it."""
    bits = jnp.asarray(data)
    key = bits if kind is None else jax.random.wrap_key_data(bits, impl=kind)
    rows = []
    for number in numbers:
        try:
            rows.append(dict(experiment(jax.random.fold_in(key, number), number)))
        except Exception as error:
            error.add_note(f"in replication {number}")
            raise
    return rows
