"""Compile scorers ahead of time, for all sizes that may come."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.experimental import serialize_executable
from tqdm.auto import tqdm

from eqstat._core.checks import check_kind, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained
from eqstat.edge import Answer, Status, first_of
from eqstat.realtime._container import replace_file
from eqstat.realtime._protocol import BUCKETS, Inputs, Scorer, pad

Program = Callable[[Any, Inputs], dict[str, Any]]
REPEATS = 5


@explained
class Expected(NamedTuple):
    """What a call of one size costs on this machine.

    Attributes
    ----------
    size
        Rows of the bucket.
    seconds
        Time of a call.
    memory_bytes
        Arguments, outputs and temporary arrays of a call, and the program.
    compile_seconds
        Time to compile, or to read from the cache.

    Examples
    --------
    See `compile`.
    """

    size: int
    seconds: float
    memory_bytes: int
    compile_seconds: float


@dataclass(frozen=True)
class Compiled(Explained):
    """A scorer with a program for each bucket of sizes; it never compiles again.

    Nothing in it changes, so that threads may share it.

    Attributes
    ----------
    scorer
        What was compiled.
    expected
        Time and memory of each bucket.
    parameters
        Arrays of the scorer, the first argument of every program.

    Examples
    --------
    See `compile`.
    """

    scorer: Scorer
    expected: tuple[Expected, ...]
    parameters: list[jax.Array]
    _programs: dict[int, Program]
    _shapes: dict[int, dict[str, jax.ShapeDtypeStruct]]

    def score(self, *args: Any, **columns: Any) -> Answer:
        """Score whatever arrives; the arguments are those of the scorer's `prepare`.

        Rows beyond the largest bucket are scored in several calls; a data set that is larger gets
        the status TOO_MANY.

        Returns
        -------
        Answer
            Of plain numbers for one row that was given as such, otherwise of NumPy arrays.
        """
        # By the class: methods of Equinox modules are made anew whenever they are looked up.
        kind = type(self.scorer)
        prepared = kind.prepare(self.scorer, *args, **columns)
        if not kind.by_row:
            if not prepared.inputs:
                return kind.blank(self.scorer, prepared.status)
            if prepared.size > max(self._programs):
                return kind.blank(self.scorer, Status.TOO_MANY)
            status = np.asarray(prepared.status, np.int32)
            return self._call(prepared.inputs | {"status": status}, prepared.size)
        largest = max(self._programs)
        parts = [
            self._rows({name: value[i : i + largest] for name, value in prepared.inputs.items()})
            for i in range(0, max(prepared.size, 1), largest)
        ]
        if len(parts) == 1:
            return first_of(parts[0]) if prepared.single else parts[0]
        return Answer(*(_joined(values) for values in zip(*parts, strict=True)))

    def program(self, size: int) -> Program:
        """Return the program of a bucket.

        Raises
        ------
        eqstat.InputError
            When there is none of this size.
        """
        if size not in self._programs:
            sizes = ", ".join(map(str, sorted(self._programs)))
            raise InputError(
                f"no program for {size} rows was compiled; there are those for {sizes}"
            )
        return self._programs[size]

    def _rows(self, inputs: Inputs) -> Answer:
        size = len(next(iter(inputs.values())))
        answer = self._call(inputs, size)
        return Answer(*(value[:size] if np.ndim(value) else value for value in answer))

    def _call(self, inputs: Inputs, size: int) -> Answer:
        bucket = min(b for b in self._programs if b >= size)
        padded = pad(inputs, self._shapes[bucket])
        kind = type(self.scorer)
        if not kind.is_double:
            answer = self._programs[bucket](self.parameters, padded)
        else:
            with jax.enable_x64(True):
                answer = self._programs[bucket](self.parameters, padded)
        values = Answer(**{name: np.asarray(value) for name, value in answer.items()})
        return values if kind.by_row else _plain(values)

    def __str__(self) -> str:
        sizes = ", ".join(str(each.size) for each in self.expected)
        memory = max(each.memory_bytes for each in self.expected) / 2**20
        lines = [
            f"{self.scorer.kind}: compiled for {sizes} rows; at most {memory:.1f} MiB a call",
            *([str(self.scorer.calibration)] if self.scorer.calibration else []),
        ]
        return "\n".join(lines)


def compile(
    scorer: Scorer,
    buckets: Sequence[int] = BUCKETS,
    *,
    progress: bool | None = None,
    cache: str | Path | None = None,
) -> Compiled:
    """Compile a scorer for all sizes that may come.

    Parameters
    ----------
    scorer
        From `CountScorer.init` or another scorer.
    buckets
        Numbers of rows; inputs are padded to the next one.
    progress
        Show a progress bar; by default on a terminal only.
    cache
        Folder where programs are kept for the next start. Files there are trusted as programs are,
        so it must be one that only this user can write to. Nothing is kept without it. Where the
        process uses JAX's own compilation cache, that one keeps them.

    Returns
    -------
    Compiled

    Raises
    ------
    eqstat.InputError
        When the scorer is none, or a bucket is no size from 1 to 65,536.

    Examples
    --------
    >>> from eqstat.counts.coincidence import Sensors
    >>> from eqstat.realtime import CoincidenceScorer
    >>> sensors = Sensors.alike(4, rate_per_h=0.5, prior_hours=1000.0)
    >>> compiled = compile(CoincidenceScorer.init(sensors, frame_s=2.0), buckets=(8, 16))
    >>> [each.size for each in compiled.expected]
    [8, 16]
    >>> compiled.score([[1, 1, 1, 1], [1, 0, 0, 0]]).margin.tolist()
    [1.0, -2.0]
    """
    check_kind("compile", Scorer, "see `CountScorer.init` and its siblings", scorer=scorer)
    sizes = sorted(set(buckets))
    if not sizes:
        raise InputError("compile: buckets must hold at least one size")
    check_whole("compile", 1, 65_536, buckets=sizes)
    programs, expected = {}, []
    shapes = {size: scorer.shapes(size) for size in sizes}
    with jax.enable_x64(scorer.is_double):
        arrays, rest = eqx.partition(scorer, _is_array)
        leaves, tree = jax.tree.flatten(arrays)
        parameters = [jax.numpy.asarray(leaf) for leaf in leaves]

        def score(own: list[Any], inputs: dict[str, Any]) -> dict[str, Any]:
            answer = eqx.combine(jax.tree.unflatten(tree, own), rest).score(inputs)
            return {name: value for name, value in answer._asdict().items() if eqx.is_array(value)}

        hidden = None if progress is None else not progress
        for size in tqdm(sizes, desc=f"compile {scorer.kind}", disable=hidden, leave=False):
            case = _full(scorer, shapes[size], size)
            programs[size], cost = _program(score, parameters, case, size, cache)
            expected.append(cost)
    return Compiled(scorer, tuple(expected), parameters, programs, shapes)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _full(scorer: Scorer, shapes: dict[str, jax.ShapeDtypeStruct], size: int) -> Inputs:
    """Rows of a test vector, repeated until the bucket is full."""
    inputs = scorer.prepare(**scorer.cases()[0]).inputs
    rows = {name: np.resize(value, (size, *value.shape[1:])) for name, value in inputs.items()}
    return pad(rows | {"status": np.zeros((), np.int32)}, shapes)


def _program(
    score: Callable[..., Any],
    parameters: list[jax.Array],
    case: Inputs,
    size: int,
    cache: str | Path | None,
) -> tuple[Program, Expected]:
    begin = time.perf_counter()
    lowered = jax.jit(score).lower(parameters, case)
    program = (
        lowered.compile() if cache is None else _cached(lowered, Path(cache), parameters, case)
    )
    compiled_s = time.perf_counter() - begin
    analysis: Any = program.memory_analysis()
    memory = 0
    if analysis is not None:
        names = ("argument", "output", "temp", "generated_code")
        memory = sum(int(getattr(analysis, f"{name}_size_in_bytes")) for name in names)
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        jax.block_until_ready(program(parameters, case))
        times.append(time.perf_counter() - begin)
    return program, Expected(size, float(np.median(times)), memory, compiled_s)


def _cached(lowered: Any, folder: Path, parameters: list[jax.Array], case: Inputs) -> Any:
    """Read a program from the cache, or compile it and keep it there."""
    if jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        return lowered.compile()  # JAX keeps it, and what it read from its cache is not complete
    device = jax.devices()[0]
    about = (jax.__version__, device.platform, device.device_kind, lowered.as_text())
    path = folder / f"{hashlib.sha256(repr(about).encode()).hexdigest()}.program"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() == content[:32]:
            program = serialize_executable.deserialize_and_load(*pickle.loads(content[32:]))
            jax.block_until_ready(program(parameters, case))
            return program
    except Exception:  # noqa: BLE001 whatever is wrong with the file, it is made anew
        pass
    program = lowered.compile()
    content = pickle.dumps(serialize_executable.serialize(program))
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(path, hashlib.sha256(content).digest() + content)
    return program


def _joined(values: Sequence[Any]) -> Any:
    return np.concatenate(values) if np.ndim(values[0]) else values[0]


def _plain(answer: Answer) -> Answer:
    """Numbers instead of arrays without axes."""
    return Answer(*(value if np.ndim(value) else np.asarray(value).item() for value in answer))
