"""`--peaks`: the magnitude of a located earthquake from peaks of stations."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import number

if TYPE_CHECKING:
    from eqstat.traveltime import Location

# What gives a location its magnitude, and notes.
AddMagnitude = Callable[["Location"], "tuple[Location, list[str]]"]

# Fewer effective draws leave the interval too narrow.
FEW_DRAWS = 20
# Options that are of no use without peaks.
NEEDS_PEAKS = (
    "model",
    "least_m_s2",
    "clip_m_s2",
    "triggered_only",
    "least_magnitude",
    "b_value",
)


def add_peaks(parser: argparse.ArgumentParser) -> None:
    """Add the options of a magnitude."""
    group = parser.add_argument_group("magnitude")
    group.add_argument(
        "--peaks",
        metavar="FILE",
        help="table of peaks, one for each station: latitude, longitude, pga_m_s2 (empty where "
        "there was none), perhaps station and vs30_m_s; gives the magnitude, and the posterior "
        "of place and magnitude together",
    )
    group.add_argument(
        "--model",
        metavar="FILE.eqx",
        help="ground-motion model written by eqstat.ground_motion.save (default: a generic one)",
    )
    above = number(0.0, 100.0)
    group.add_argument(
        "--least-m-s2",
        type=above,
        metavar="A",
        help="level below which a station shows no peak, m/s2; needed where some have none",
    )
    group.add_argument(
        "--clip-m-s2", type=above, metavar="A", help="acceleration at which devices clip, m/s2"
    )
    group.add_argument(
        "--triggered-only",
        action="store_true",
        help="stations are in the table only because they exceeded --least-m-s2",
    )
    group.add_argument(
        "--least-magnitude",
        type=number(-2.0, 8.0, closed=True),
        metavar="M",
        help="least magnitude of the Gutenberg-Richter prior (default 3)",
    )
    group.add_argument(
        "--b-value",
        type=number(0.0, 5.0, closed=True),
        metavar="B",
        help="its b value (default 1)",
    )


def reader_of_peaks(options: argparse.Namespace, inputs: Inputs) -> AddMagnitude:
    """What gives a location its magnitude, and notes; without `--peaks` it changes nothing."""
    if not options.peaks:
        unset = (None, False)
        given = [
            name for name in NEEDS_PEAKS if not any(getattr(options, name) is v for v in unset)
        ]
        if given:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise InputError(f"{named}: only with --peaks")
        return lambda location: (location, [])
    from eqstat import ground_motion
    from eqstat.ground_motion import event, magnitude

    table = inputs.table(options.peaks, "peaks")
    motion = None
    if options.model:
        motion = ground_motion.load(inputs.file(options.model, "model"))
        if not isinstance(motion, ground_motion.MotionPosterior):
            raise InputError("--model: a network gives no magnitude; give a fitted model")
    law: dict[str, Any] = {
        name: value
        for name in ("least_magnitude", "b_value")
        if (value := getattr(options, name)) is not None
    }
    clip = {} if options.clip_m_s2 is None else {"clip_m_s2": options.clip_m_s2}

    def add_magnitude(location: Location) -> tuple[Location, list[str]]:
        if location.hypocentre is None:
            raise InputError("--peaks: the hypocentre has no uncertainty; use --method grid")
        joint = magnitude.from_peaks(
            location.hypocentre,
            table,
            motion,
            prior=magnitude.GutenbergRichter(**law),
            device=event.Device(**clip),
            least_m_s2=options.least_m_s2,
            triggered_only=options.triggered_only,
        )
        notes = notes_of(joint.attrs, generic=motion is None)
        return replace(location, hypocentre=joint), notes

    return add_magnitude


def notes_of(attrs: Any, *, generic: bool) -> list[str]:
    """What a reader should know of a magnitude."""
    said = "magnitude by a generic ground-motion model; --model takes one of the region"
    notes = [said] if generic else []
    parts = {"peaks": "", "peaks_clipped": " clipped", "peaks_below_level": " below their level"}
    counted = [f"{attrs[name]}{word}" for name, word in parts.items() if attrs[name]]
    notes.append(
        f"magnitude from {', '.join(counted)} peaks; the hypocentre above is by times alone, the "
        "posterior by times and peaks"
    )
    if attrs["effective_draws"] < FEW_DRAWS:
        notes.append(
            f"the peaks leave {attrs['effective_draws']:.0f} effective draws of place and model: "
            "the interval of the magnitude is too narrow; do times and peaks contradict each other?"
        )
    return notes
