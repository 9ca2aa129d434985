"""Programs of scorers for services that run JAX, but not eqstat."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import equinox as eqx
import jax
import jax.export

from eqstat._core.checks import check_kind, check_whole
from eqstat._core.errors import InputError
from eqstat.realtime._protocol import Scorer


def export_program(scorer: Scorer, size: int) -> bytes:
    """Serialise the program of one bucket, parameters included, with `jax.export`.

    JAX promises that such a program runs on versions of JAX up to six months later, and on those up
    to thirty days older than the one that wrote it, no more: it is for services that export anew
    whenever they are deployed. Files to keep are artefacts.

    Parameters
    ----------
    scorer
        From `CountScorer.init` or another scorer.
    size
        Number of rows, to which the service pads; `scorer.shapes(size)` are its inputs.

    Returns
    -------
    bytes
        For `jax.export.deserialize(...).call(inputs)`, which returns the fields of the `Answer`
        that the scorer has, by name. In double precision (`scorer.is_double`) it must be called
        within `jax.enable_x64(True)`.

    Raises
    ------
    eqstat.InputError
        When the scorer is none, the size out of range, or `flatbuffers` (of the extra `service`)
        is not installed.

    References
    ----------
    https://docs.jax.dev/en/latest/export/export.html#compatibility-guarantees

    Examples
    --------
    >>> import jax.export
    >>> from eqstat.counts.coincidence import Sensors
    >>> from eqstat.realtime import CoincidenceScorer
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> program = jax.export.deserialize(
    ...     export_program(CoincidenceScorer.init(sensors, frame_s=2.0), 8))
    >>> on = jax.numpy.ones((8, 3))
    >>> program.call({"pre_warned": on, "listening": on})["margin"].shape
    (8,)
    """
    check_kind("export_program", Scorer, "see `CountScorer.init`", scorer=scorer)
    check_whole("export_program", 1, 65_536, size=size)

    if find_spec("flatbuffers") is None:
        raise InputError("export_program needs flatbuffers: pip install 'eqstat[service]'")

    def score(inputs: dict[str, Any]) -> dict[str, Any]:
        answer = scorer.score(inputs)
        return {name: value for name, value in answer._asdict().items() if eqx.is_array(value)}

    with jax.enable_x64(scorer.is_double):
        return bytes(jax.export.export(jax.jit(score))(scorer.shapes(size)).serialize())
