"""Files of fitted models and networks: a header of one line of JSON, then the arrays."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.checks import check_path
from eqstat._core.errors import InputError
from eqstat.ground_motion._parameters import GroundMotion
from eqstat.ground_motion._predict import MotionPosterior
from eqstat.ground_motion.network._features import Feature, Scaling
from eqstat.ground_motion.network._network import Network, init_member
from eqstat.ground_motion.network._trend import trend_prior
from eqstat.ground_motion.network.multistation._ensemble import MultistationEnsemble
from eqstat.ground_motion.network.multistation._network import init_multistation
from eqstat.ground_motion.network.multistation._settings import Convolution, MultistationSettings

NETWORK, POSTERIOR = "eqstat mixture density network", "eqstat ground-motion posterior"
MULTISTATION = "eqstat multistation network"
VERSIONS = {NETWORK: 2, POSTERIOR: 4, MULTISTATION: 1}
LONGEST_HEADER = 1_000_000


def save(model: Network | MotionPosterior | MultistationEnsemble | Any, path: str | Path) -> None:
    """Write a posterior of the ground-motion model, or a network with its scaling and card.

    Parameters
    ----------
    model
        A posterior (`MotionFit.posterior`, `posterior_from`) or a network (`network` of an
        `eqstat.ground_motion.network.FittedNetwork` or of a
        `eqstat.ground_motion.network.multistation.FittedMultistation`).
    path
        File to write; an existing file is replaced.

    Raises
    ------
    eqstat.InputError
        When the model is neither of these.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat.ground_motion import Design, GroundMotion, fit, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(fit(motions).posterior(jax.random.key(1), 32), f"{folder}/region.eqx")
    ...     load(f"{folder}/region.eqx").draws
    32
    """
    if not isinstance(model, Network | MotionPosterior | MultistationEnsemble):
        raise InputError(
            f"save: cannot write {type(model).__name__}; give the `posterior()` of a fit, or the "
            "`network` of a `FittedNetwork`"
        )
    if isinstance(model, MultistationEnsemble):
        header, arrays = _multistation_header(model), (model.members, model.temperature)
    elif isinstance(model, Network):
        header, arrays = _network_header(model), (model.members, model.temperature)
    else:
        header, arrays = _posterior_header(model), _arrays(model)
    with Path(path).open("wb") as file:
        file.write(json.dumps({**header, "version": VERSIONS[header["format"]]}).encode() + b"\n")
        eqx.tree_serialise_leaves(file, arrays)


def load(path: str | Path) -> Network | MotionPosterior | MultistationEnsemble:
    """Read a model that `save` wrote, without loss of precision.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Network, MotionPosterior or MultistationEnsemble
        The first two have a method `predictor`.

    Raises
    ------
    eqstat.InputError
        When the file does not exist, holds no such model, is of another version, or is damaged.

    Examples
    --------
    See `save`.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat.ground_motion import Design, GroundMotion, fit, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> posterior = fit(motions).posterior(jax.random.key(1), 32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(posterior, f"{folder}/region.eqx")
    ...     again = load(f"{folder}/region.eqx")
    >>> again.draws
    32
    """
    check_path("load", path=path)
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    with path.open("rb") as file:
        header = _header(file.readline(LONGEST_HEADER), path)
        read = READERS[header["format"]]
        try:
            model = read(header, file)
            excess = file.read(1)
        except (KeyError, TypeError, ValueError, RuntimeError, EOFError) as error:
            raise InputError(f"{path}: the model in it is damaged: {error}") from error
        if excess:
            raise InputError(f"{path}: the model in it is damaged: there is data after its end")
    return model


def _header(line: bytes, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(line)
        what, version = header["format"], header["version"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a ground-motion model that eqstat saved") from error
    if what not in VERSIONS:
        known = " or ".join(map(repr, VERSIONS))
        raise InputError(f"{path}: a file of {what!r}, not of {known}")
    if version != VERSIONS[what]:
        raise InputError(
            f"{path}: its version is {version}, but this eqstat reads version {VERSIONS[what]}: "
            "use the eqstat that wrote it or a later one"
        )
    return header


def _network_header(network: Network) -> dict[str, Any]:
    members = network.members
    return {
        "format": NETWORK,
        "dtype": str(network.temperature.dtype),
        "members": len(members.spread),
        "components": members.components,
        "hidden": [members.perceptron.width_size, members.perceptron.depth],
        "features": [vars(feature) for feature in network.features],
        "card": network.card,
    }


def _network(header: dict[str, Any], file: Any) -> Network:
    with jax.enable_x64(header["dtype"] == "float64"):
        members, temperature = eqx.tree_deserialise_leaves(file, _members(header))
    return Network(members, temperature, json.dumps(header["card"]))


def _members(header: dict[str, Any]) -> tuple[Any, Any]:
    """Template of the arrays in the file of a network."""
    dtype, count = jnp.dtype(header["dtype"]), header["members"]
    features = tuple(Feature(**feature) for feature in header["features"])
    empty = jnp.zeros(len(features), dtype)
    scaling = Scaling(empty, empty, empty, empty, features)
    one = init_member(
        jax.random.key(0),
        scaling,
        np.zeros(len(trend_prior(features)[0])),
        1.0,
        components=header["components"],
        hidden=tuple(header["hidden"]),
    )
    return _stacked(one, count), jnp.zeros((), dtype)


def _multistation_header(network: MultistationEnsemble) -> dict[str, Any]:
    return {
        "format": MULTISTATION,
        "dtype": str(network.temperature.dtype),
        "members": len(network.members.spread),
        "settings": dataclasses.asdict(network.settings),
        "stations": list(network.stations),
        "card": network.card,
    }


def _multistation(header: dict[str, Any], file: Any) -> MultistationEnsemble:
    given: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in header["settings"].items()
    }
    given["convolutions"] = tuple(Convolution(*each) for each in given["convolutions"])
    settings = MultistationSettings(**given)
    with jax.enable_x64(header["dtype"] == "float64"):
        one = init_multistation(jax.random.key(0), settings)
        template = _stacked(one, header["members"]), jnp.zeros(4, jnp.dtype(header["dtype"]))
        members, temperature = eqx.tree_deserialise_leaves(file, template)
    return MultistationEnsemble(
        members, temperature, tuple(header["stations"]), json.dumps(header["card"])
    )


def _stacked(one: Any, count: int) -> Any:
    """Template of as many members."""
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * count) if eqx.is_array(leaf) else leaf, one)


_TERMS = ("station_mean", "station_sd", "station_vs30_m_s", "station_distance")


def _arrays(posterior: MotionPosterior) -> dict[str, dict[str, np.ndarray]]:
    """Arrays of a posterior by name, in double precision."""
    motion = posterior.motion
    parts = {
        "motion": {each.name: getattr(motion, each.name) for each in dataclasses.fields(motion)},
        "terms": {name: getattr(posterior, name) for name in _TERMS},
    }
    return jax.tree.map(lambda value: np.asarray(value, np.float64), parts)


def _posterior_header(posterior: MotionPosterior) -> dict[str, Any]:
    return {
        "format": POSTERIOR,
        "shapes": jax.tree.map(lambda value: list(value.shape), _arrays(posterior)),
        "stations": posterior.stations,
        "regions": posterior.regions,
        "ranges": posterior.ranges,
    }


def _posterior(header: dict[str, Any], file: Any) -> MotionPosterior:
    like = jax.tree.map(np.zeros, header["shapes"], is_leaf=lambda each: isinstance(each, list))
    arrays = eqx.tree_deserialise_leaves(file, like)
    values, terms = arrays["motion"], arrays["terms"]
    # Replaced in an existing object: the constructor would convert them to JAX's default precision.
    motion = eqx.tree_at(
        lambda m: [getattr(m, name) for name in values], GroundMotion(), [*values.values()]
    )
    ranges = tuple((name, float(low), float(high)) for name, low, high in header["ranges"])
    stations, regions = tuple(header["stations"]), tuple(header["regions"])
    mean, sd, vs30, distance = (terms[name] for name in _TERMS)
    return MotionPosterior(motion, mean, sd, vs30, distance, stations, regions, ranges)


READERS = {NETWORK: _network, POSTERIOR: _posterior, MULTISTATION: _multistation}
