"""Options that several commands share, and the readers of their values."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from eqstat._core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from eqstat.traveltime import Prior
    from eqstat.velocity import VelocityModel

VP_VS = 1.73
# Presets of `eqstat.schema`, which is not imported before it is needed.
PRESETS = ("seisbench", "gamma", "pyocto", "phasenet", "obspy", "geonet", "openquake")
MAX_SEED = 2**31 - 1
ROWS = "Rows of a CSV are counted in messages as in the file: the header is row 1."


class Formatter(argparse.HelpFormatter):
    """Help whose paragraphs stay apart; those that are indented are written as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(
            part if part.startswith("  ") else fill(part, width, indent)
            for part in text.split("\n\n")
        ).replace("\n\n  ", "\n  ")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, **options})

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def add_columns(parser: argparse.ArgumentParser, example: str, *, network: bool = False) -> None:
    """Add `--columns` and, for `network`, `--network-columns`."""
    common: Any = {"nargs": "+", "type": pair, "action": "extend", "default": []}
    metavar = "NAME=COLUMN|PRESET"
    parser.add_argument(
        "--columns",
        metavar=metavar,
        help=f"columns that have other names in the files, such as {example}; or the tool that "
        f"wrote them: {', '.join(PRESETS)}",
        **common,
    )
    if network:
        parser.add_argument(
            "--network-columns", metavar=metavar, help="the same for the network alone", **common
        )


def add_triggers(parser: argparse.ArgumentParser, *, network: bool = False) -> None:
    """Add a table of triggers and its window; for `network`, the columns of such a table."""
    parser.add_argument(
        "triggers",
        metavar="TRIGGERS",
        help="table of triggers, or picks in QuakeML or another format of ObsPy; - reads CSV",
    )
    parser.add_argument(
        "--stations",
        metavar="FILE",
        help="StationXML or table of the stations, where triggers name their station (NET.STA) "
        "but not its place",
    )
    add_columns(parser, "time=triggerTime latitude=lat longitude=lon", network=network)
    parser.add_argument("--start", metavar="TIME", help="start of the observed window (UTC)")
    parser.add_argument("--now", metavar="TIME", help="end of the observed window (UTC)")


VELOCITIES = ("constant", "ak135", "iasp91")


def add_velocity(
    parser: argparse.ArgumentParser, *, region: bool = False, several: bool = False
) -> None:
    """Add the velocity model; for `region`, the prior's box; for `several`, a list of models."""
    group = parser.add_argument_group("earth")
    listed = "; of several, such as constant,iasp91, the one with most evidence is taken"
    choice: dict[str, Any] = {"type": names_of_velocities} if several else {"choices": VELOCITIES}
    group.add_argument(
        "--velocity",
        **choice,
        default="constant",
        metavar="NAME[,NAME...]" if several else "NAME",
        help=f"velocity model: {', '.join(VELOCITIES)} (default: constant, with the two "
        f"velocities below){listed if several else ''}",
    )
    speed = number(0.1, 20.0)
    group.add_argument(
        "--p-velocity-km-s",
        type=speed,
        metavar="V",
        help="constant velocity of P, km/s (default 7.8)",
    )
    group.add_argument(
        "--s-velocity-km-s",
        type=speed,
        metavar="V",
        help="constant velocity of S, km/s (default 4.5; P/1.73 where only P is given)",
    )
    if region:
        group.add_argument(
            "--region-km",
            type=number(0.0, 5000.0),
            metavar="KM",
            help="half-width of the box about the triggers to which the epicentre is confined, km",
        )
        group.add_argument(
            "--depth-km",
            type=interval(0.0, 700.0),
            metavar="LOW,HIGH",
            help="depths that are equally likely, km; by default shallow ones are likelier",
        )


def names_of_velocities(text: str) -> str:
    """Check a list of names of velocity models."""
    names = text.split(",")
    for name in names:
        if name not in VELOCITIES:
            known = ", ".join(VELOCITIES)
            raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {known})")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"a model comes twice: {text}")
    return text


def add_probability(parser: Any, name: str = "--probability") -> None:
    """Add the probability of intervals and regions."""
    parser.add_argument(
        name,
        type=number(0.0, 1.0),
        default=0.9,
        metavar="P",
        help="probability of intervals and regions (default 0.9)",
    )


def add_seed(parser: Any, of: str) -> None:
    """Add `--seed`."""
    parser.add_argument(
        "--seed",
        type=whole(0, MAX_SEED),
        default=0,
        metavar="N",
        help=f"seed of {of} (default 0)",
    )


def add_outputs(
    parser: argparse.ArgumentParser,
    inputs: tuple[str, ...],
    **more: tuple[str, str],
) -> None:
    """Add the files that the driver writes.

    Parameters
    ----------
    parser
        The command's.
    inputs
        Names of the options and arguments that are files to read.
    more
        Files beside JSON and figure: metavar and help by the option's name.
    """
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the result as JSON; - or no name: to standard output, in place of the summary",
    )
    group.add_argument("--figure", metavar="FILE", help="draw it; the name ends in png, pdf or svg")
    group.add_argument(
        "--dpi", type=number(10.0, 2400.0), default=150.0, metavar="N",
        help="dots per inch of the figure (%(default)g)",
    )  # fmt: skip
    for name, (metavar, text) in more.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=text)
    group.add_argument(
        "--force", action="store_true", help="overwrite files that eqstat did not write"
    )
    group.add_argument("--quiet", action="store_true", help="no summary, notes or progress bar")
    parser.set_defaults(outputs=("json", "figure", *more), inputs=inputs)


def velocity_of(
    options: argparse.Namespace, name: str | None = None
) -> tuple[VelocityModel, dict[str, Any]]:
    """Velocity model of the options, or that of a name, and its description for the JSON."""
    from eqstat.velocity import ConstantVelocity, load_velocity

    p, s = options.p_velocity_km_s, options.s_velocity_km_s
    if (p is not None or s is not None) and "constant" not in options.velocity.split(","):
        raise InputError(
            f"--p-velocity-km-s, --s-velocity-km-s: not with --velocity {options.velocity}"
        )
    name = name or str(options.velocity)
    if name != "constant":
        return load_velocity(name), {"name": name, "p_velocity_km_s": None, "s_velocity_km_s": None}
    if p is None and s is not None:
        raise InputError("--s-velocity-km-s: needs --p-velocity-km-s beside it")
    model = ConstantVelocity()
    if p is not None:
        model = ConstantVelocity(p, p / VP_VS if s is None else s)
    return model, {
        "name": name,
        "p_velocity_km_s": float(model.p_velocity_km_s),
        "s_velocity_km_s": float(model.s_velocity_km_s),
    }


def prior_of(options: argparse.Namespace) -> Prior | None:
    """Prior of the options; None where none of them is given."""
    from eqstat.traveltime import Prior

    given: dict[str, Any] = {}
    if options.region_km is not None:
        given["region_km"] = options.region_km
    if options.depth_km is not None:
        import numpyro.distributions as dist

        given["depth"] = dist.Uniform(*options.depth_km)
    return Prior(**given) if given else None


def add_numbers(
    parser: Any, numbers: Mapping[str, tuple[str, tuple[float, float, str], float, str]]
) -> None:
    """Add options that are numbers.

    Parameters
    ----------
    parser
        Parser or group.
    numbers
        By the option's name: metavar; the range as (low, high, "()" or "[]"); default; help.
    """
    for name, (metavar, (low, high, ends), default, text) in numbers.items():
        parser.add_argument(
            name,
            type=number(low, high, closed=ends == "[]"),
            default=default,
            metavar=metavar,
            help=f"{text} (default {default:g})",
        )


class Choices:
    """Choices that are looked up only where a value or the help needs them.

    Parameters
    ----------
    names
        Gives the names.
    """

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self.names = names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())


def number(low: float, high: float, *, closed: bool = False) -> Callable[[str], float]:
    """Reader of a number in (low, high), or [low, high]."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not (low <= value <= high if closed else low < value < high):
            ends = "" if closed else ", both excluded"
            raise argparse.ArgumentTypeError(f"{text} must lie between {low:g} and {high:g}{ends}")
        return value

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """Reader of a whole number in [low, high]."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} must lie between {low} and {high}")
        return value

    return read


def pair(text: str) -> tuple[str, str]:
    """Read NAME=COLUMN; a preset gives ("", preset)."""
    if text in PRESETS:
        return "", text
    name, sign, column = text.partition("=")
    if not (name and sign and column):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=COLUMN, such as time=triggerTime, and not one of "
            f"{', '.join(PRESETS)} (put files before --columns)"
        )
    return name, column


def interval(low: float, high: float) -> Callable[[str], tuple[float, float]]:
    """Reader of LOW,HIGH in [low, high]."""
    read = numbers(number(low, high, closed=True))

    def read_pair(text: str) -> tuple[float, float]:
        ends = read(text)
        if len(ends) != 2 or ends[0] > ends[1]:
            raise argparse.ArgumentTypeError(f"{text!r} is not LOW,HIGH, such as 0,100")
        return ends[0], ends[1]

    return read_pair


def box(text: str) -> tuple[float, float, float, float]:
    """Read S,N,W,E."""
    values = [number(-360.0, 540.0, closed=True)(part) for part in text.split(",")]
    if len(values) != 4 or not (-90 <= values[0] < values[1] <= 90 and values[2] < values[3]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not SOUTH,NORTH,WEST,EAST in increasing order, such as -13,-11,-78,-76"
        )
    return values[0], values[1], values[2], values[3]


def axes_of_box(
    area: tuple[float, float, float, float], step_deg: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of a map of a box, at most so many places."""
    import numpy as np

    south, north, west, east = area
    axes = tuple(
        low + step_deg * np.arange(int(np.floor((high - low) / step_deg + 1e-9)) + 1)
        for low, high in ((south, north), (west, east))
    )
    count = len(axes[0]) * len(axes[1])
    if count > most:
        raise InputError(
            f"--area, --step-deg: {count} places, more than {most}; use a wider spacing"
        )
    return axes[0], axes[1]


def numbers(read: Callable[[str], float]) -> Callable[[str], list[float]]:
    """Reader of numbers separated by commas."""

    def read_all(text: str) -> list[float]:
        values = [read(part) for part in text.split(",")]
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"{text} names a number twice")
        return values

    return read_all
