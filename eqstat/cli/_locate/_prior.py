"""The prior of `eqstat locate`: a file of TOML, and options for what is changed most often."""

from __future__ import annotations

import argparse
import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import number

if TYPE_CHECKING:
    from eqstat.geodesy import LocalFrame
    from eqstat.traveltime import Prior

SEISMICITY = "seismicity"


def add_prior(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--prior",
        metavar="FILE.toml",
        help="priors by their names in traveltime.Prior: numbers, distributions of NumPyro such as "
        "depth = { Uniform = { low = 0.0, high = 40.0 } }, and seismicity, a NetCDF of a density "
        "of past earthquakes",
    )
    parser.add_argument(
        "--delay-s",
        type=mean_and_sd,
        metavar="MEAN,SD",
        help="delay of a trigger after its phase, s: mean and standard deviation of its prior, for "
        "the mixture (default 2,1)",
    )


def mean_and_sd(text: str) -> tuple[float, float]:
    """Read MEAN,SD.

    >>> mean_and_sd("1.2,0.3")
    (1.2, 0.3)
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not MEAN,SD, such as 2,1")
    return number(0.0, 60.0, closed=True)(parts[0]), number(0.0, 60.0)(parts[1])


def refuse_without_prior(options: argparse.Namespace) -> None:
    """Refuse options of a prior where the method or the likelihood has none of them."""
    if options.delay_s and (options.likelihood == "gaussian" or options.wave):
        raise InputError("--delay-s: one wave has no delay; it is part of --likelihood mixture")
    named = {"--depth-km": options.depth_km, "--prior": options.prior, "--delay-s": options.delay_s}
    given = [name for name, value in named.items() if value]
    if given and options.method == "bfgs" and options.likelihood != "mixture":
        raise InputError(f"{', '.join(given)}: maximum likelihood has no prior; use --method grid")


def reader_of_prior(options: argparse.Namespace, inputs: Inputs) -> Callable[[LocalFrame], Prior]:
    """Prior of the options for the local frame of an event."""
    from eqstat.traveltime import Prior

    given: dict[str, Any] = {}
    density = None
    if options.prior:
        path = inputs.file(options.prior, "prior")
        given, density = values_of(path)
    if options.region_km is not None:
        given["region_km"] = options.region_km
    if options.depth_km is not None or options.delay_s is not None:
        import numpyro.distributions as dist

        if options.depth_km is not None:
            given["depth"] = dist.Uniform(*options.depth_km)
        if options.delay_s is not None:
            given["delay_s"] = dist.TruncatedNormal(*options.delay_s, low=0.0)
    prior = Prior(**given)

    def of(frame: LocalFrame) -> Prior:
        return prior if density is None else prior.with_seismicity(density, frame)

    return of


def values_of(path: Path) -> tuple[dict[str, Any], Any]:
    """Arguments of `Prior` in a file, and the density of past seismicity, None without one."""
    from eqstat.traveltime import Prior

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--prior: {path.name} is no TOML: {error}") from None
    kinds = {each.name: each.type for each in dataclasses.fields(Prior) if each.name != "epicentre"}
    named = content.pop(SEISMICITY, None)
    if unknown := sorted(set(content) - set(kinds)):
        known = ", ".join([*kinds, SEISMICITY])
        raise InputError(f"--prior: no {unknown[0]!r} (there are: {known})")
    values = {}
    for name, value in content.items():
        plain = kinds[name] != "dist.Distribution"
        if plain and isinstance(value, bool | str | Mapping | list):
            raise InputError(f"--prior: {name} must be a number, not {value!r}")
        values[name] = float(value) if plain else distribution(name, value)
    if named is None:
        return values, None
    import xarray as xr

    file = path.parent / str(named)
    if not file.is_file():
        raise InputError(f"--prior: {SEISMICITY}: there is no file {str(file)!r}")
    try:
        return values, xr.load_dataarray(file, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError(f"--prior: {SEISMICITY}: cannot read {file.name!r}: {error}") from None


def distribution(name: str, given: Any) -> Any:
    """Distribution of NumPyro from its name and parameters.

    >>> distribution("depth", {"Uniform": {"low": 0.0, "high": 40.0}}).high
    40.0
    """
    import numpyro.distributions as dist

    example = f"{name} = {{ Uniform = {{ low = 0.0, high = 40.0 }} }}"
    if not isinstance(given, Mapping) or len(given) != 1:
        raise InputError(f"--prior: {name} needs one distribution, such as {example}")
    [(kind, parameters)] = given.items()
    make = getattr(dist, kind, None)
    if not (isinstance(make, type) and issubclass(make, dist.Distribution)):
        raise InputError(f"--prior: {name}: NumPyro has no distribution {kind!r}")
    if not isinstance(parameters, Mapping):
        raise InputError(f"--prior: {name}: {kind} needs its parameters, such as {example}")
    import numpy as np

    values = {
        key: np.asarray(value, float) if isinstance(value, list) else value
        for key, value in parameters.items()
    }
    try:
        return make(**values, validate_args=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"--prior: {name}: {kind}: {error}") from None
