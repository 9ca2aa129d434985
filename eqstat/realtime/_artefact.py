"""Artefacts: a scorer as one file, checked byte by byte, with test vectors and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

import eqstat
from eqstat import edge
from eqstat._core.checks import check_kind
from eqstat._core.errors import InputError
from eqstat._core.json import to_plain
from eqstat.edge import Answer, Artefact, ArtefactError, Calibration
from eqstat.inference import bucket_size
from eqstat.realtime._classification import ClassificationScorer
from eqstat.realtime._coincidence import CoincidenceScorer
from eqstat.realtime._compile import compile
from eqstat.realtime._container import packed, replace_file
from eqstat.realtime._counts import CountScorer
from eqstat.realtime._detectability import DetectabilityScorer
from eqstat.realtime._exceedance import ExceedanceScorer
from eqstat.realtime._protocol import Scorer
from eqstat.realtime._waveform import WaveformScorer

KINDS: dict[str, type[Scorer]] = {
    each.kind: each
    for each in (
        CountScorer,
        CoincidenceScorer,
        DetectabilityScorer,
        ExceedanceScorer,
        ClassificationScorer,
        WaveformScorer,
    )
}


def export(
    scorer: Scorer, path: str | Path, *, title: str = "", card: Mapping[str, Any] | None = None
) -> str:
    """Write a scorer to one file, which `load` and `eqstat.edge.load` read.

    Parameters
    ----------
    scorer
        From `CountScorer.init` or another scorer.
    path
        The file; it is replaced at once, so that a reader never sees half of it.
    title
        What the scorer is for.
    card
        Further content of the model card, such as how it was validated: numbers, texts, lists.

    Returns
    -------
    str
        SHA-256 of the file, for services that pin what they run.

    Raises
    ------
    eqstat.InputError
        When the scorer is none, or holds something that an artefact cannot.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat.counts.coincidence import Sensors
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> path = Path(tempfile.mkdtemp()) / "street.eqstat"
    >>> digest = export(CoincidenceScorer.init(sensors, frame_s=2.0), path, title="three sensors")
    >>> load(path, sha256=digest).kind
    'coincidence'
    """
    content = to_bytes(scorer, title=title, card=card)
    replace_file(path, content)
    return edge.read(content).sha256


def to_bytes(scorer: Scorer, *, title: str = "", card: Mapping[str, Any] | None = None) -> bytes:
    """Return the bytes of the file that `export` writes.

    Examples
    --------
    >>> from eqstat.counts.coincidence import Sensors
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> from eqstat import edge
    >>> edge.read(to_bytes(CoincidenceScorer.init(sensors, frame_s=2.0))).kind
    'coincidence'
    """
    check_kind("export", Scorer, "see `CountScorer.init` and its siblings", scorer=scorer)
    arrays, settings = scorer.content()
    cases, members = [], dict(arrays)
    for number, (inputs, answer) in enumerate(_answers(scorer)):
        parts = {"inputs": inputs, "expected": answer._asdict()}
        for part, values in parts.items():
            members |= {f"case.{number}.{part}.{n}": np.asarray(v) for n, v in values.items()}
        names = {part: {n: f"case.{number}.{part}.{n}" for n in v} for part, v in parts.items()}
        cases.append(names)
    about = to_plain(dict(card or {})) | _card(scorer, title)
    return packed(scorer.kind, to_plain(settings), members, cases, about)


def _card(scorer: Scorer, title: str) -> dict[str, Any]:
    calibration = scorer.calibration
    return {
        "title": title,
        "calibration": None if calibration is None else to_plain(calibration._asdict()),
        "units": scorer.units,
        "versions": {
            "eqstat": eqstat.__version__,
            "jax": jax.__version__,
            "numpy": np.__version__,
        },
    }


def _answers(scorer: Scorer) -> list[tuple[dict[str, np.ndarray], Answer]]:
    """Test vectors and their answers by the compiled scorer."""
    cases = scorer.cases()
    sizes = [scorer.prepare(**case).size for case in cases]
    compiled = compile(scorer, [bucket_size(max(max(sizes), 1), smallest=8)], progress=False)
    return [(case, compiled.score(**case)) for case in cases]


def load(path: str | Path | bytes, *, sha256: str | None = None) -> Scorer:
    """Read a scorer from an artefact, after checking the file and scoring its test vectors.

    Parameters
    ----------
    path
        The file, or its bytes.
    sha256
        The digest that the file must have.

    Returns
    -------
    Scorer
        With the calibration that travelled with it.

    Raises
    ------
    eqstat.InputError
        When the file is truncated, changed, of another format or of a newer schema, or when an
        answer differs from the expected one.

    Examples
    --------
    See `export`.
    """
    name = "artefact" if isinstance(path, bytes) else Path(path).name
    try:
        artefact = edge.read(path)
        scorer = _scorer_of(artefact)
        for number, (case, answer) in enumerate(_answers_to(scorer, artefact)):
            difference = edge.disagreement(answer, case)
            if difference:
                raise ArtefactError(f"{name}: test vector {number}: {difference}")
    except ArtefactError as error:
        raise InputError(str(error)) from None
    except Exception as error:  # noqa: BLE001 whatever is wrong with a file is one line
        raise InputError(f"{name}: cannot be scored ({type(error).__name__}: {error})") from None
    if sha256 is not None and artefact.sha256 != sha256:
        raise InputError(f"{name}: its SHA-256 is {artefact.sha256}, not {sha256}")
    return scorer


def _scorer_of(artefact: Artefact) -> Scorer:
    if artefact.kind not in KINDS:
        raise ArtefactError(f"no scorer of kind {artefact.kind!r:.40} here; update eqstat")
    return KINDS[artefact.kind].from_content(
        artefact.arrays, artefact.settings, calibration_of(artefact)
    )


def _answers_to(scorer: Scorer, artefact: Artefact) -> list[tuple[Answer, Answer]]:
    sizes = [scorer.prepare(**inputs).size for inputs, _ in artefact.cases]
    compiled = compile(scorer, [bucket_size(max([*sizes, 1]), smallest=8)], progress=False)
    return [(expected, compiled.score(**inputs)) for inputs, expected in artefact.cases]


def calibration_of(artefact: Artefact) -> Calibration | None:
    """Return the measured error rates of an artefact's card, or None.

    Examples
    --------
    >>> from eqstat.counts.coincidence import Sensors
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> scorer = CoincidenceScorer.init(sensors, frame_s=2.0)
    >>> calibration_of(edge.read(to_bytes(scorer))) is None
    True
    """
    about = artefact.card.get("calibration")
    if not about:
        return None
    pairs = ("false_alarms_per_year", "miss_probability")
    numbers = {n: tuple(np.nan if x is None else float(x) for x in about[n]) for n in pairs}
    return Calibration(**(about | numbers))
