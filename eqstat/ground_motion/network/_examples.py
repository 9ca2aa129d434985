"""Training examples: features, log10 PGA and the event of each record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference import pad_rows


@dataclass(frozen=True)
class Examples(Explained):
    """Training examples of a network.

    Attributes
    ----------
    features
        An array (rows, features), or any pytree of arrays whose first axis is that of the rows.
    log10_pga
        Targets, log10 of m/s2, (rows, ...).
    event
        Name of each row's event, (rows,).
    weight
        Weight of each row, at least 0, (rows,); 1 by default.
    mask
        Which targets are present, in their shape; all by default. Masked targets may be anything.
    names
        Names of the features, for messages, where they are one array.
    optional
        Those of the names that may be missing (NaN).
    upper
        Which targets are upper bounds only, as of stations that report from some level on, in their
        shape; none by default.

    Raises
    ------
    eqstat.InputError
        When shapes disagree or a required number is missing; the message names the rows.

    Examples
    --------
    >>> event = np.array(["a", "a", "b"])
    >>> examples = Examples(np.zeros((3, 2)), np.array([-1.0, -0.5, 0.0]), event)
    >>> len(examples), len(examples.rows(examples.event == "a"))
    (3, 2)
    """

    features: Any
    log10_pga: np.ndarray
    event: np.ndarray
    weight: np.ndarray = field(default_factory=lambda: np.zeros(0))
    mask: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    names: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    upper: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        """Fill the defaults and check the arrays."""
        target = np.asarray(self.log10_pga)
        rows = len(target)
        given: dict[str, Any] = {
            "features": jax.tree.map(np.asarray, self.features),
            "log10_pga": target,
            "event": np.asarray(self.event, str),
            "weight": np.asarray(self.weight, float) if np.size(self.weight) else np.ones(rows),
            "mask": self.mask if np.size(self.mask) else np.ones(target.shape, bool),
            "upper": self.upper if np.size(self.upper) else np.zeros(target.shape, bool),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)
        if not rows:
            raise InputError("examples: there are no rows")
        for leaf in [*jax.tree.leaves(given["features"]), given["event"], given["weight"]]:
            if len(leaf) != rows:
                raise InputError(f"examples: {len(leaf)} rows beside {rows} of log10_pga")
        for name in ("mask", "upper"):
            if given[name].shape != target.shape:
                raise InputError(f"examples: {name} {given[name].shape} is not {target.shape}")
        weight = given["weight"]
        _refuse("weight", ~(np.isfinite(weight) & (weight >= 0)), "must be 0 or more")
        _refuse("log10_pga", ~np.isfinite(target) & given["mask"], "must be finite; leave it out")
        for leaf in jax.tree.leaves(given["features"]):
            if not np.issubdtype(leaf.dtype, np.floating):
                continue
            bad = ~np.isfinite(leaf)
            if self.names and leaf.ndim > 1 and leaf.shape[-1] == len(self.names):
                for number, name in enumerate(self.names):
                    wrong = bad[..., number]
                    if name in self.optional:
                        wrong = np.isinf(leaf[..., number])
                    advice = "must be finite; leave these rows out"
                    _refuse(f"feature {name!r}", wrong, advice)
            else:
                _refuse("a feature", bad, "must be finite; leave these rows out")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.log10_pga)

    def rows(self, which: np.ndarray) -> Examples:
        """Select rows by a mask or an index."""
        return Examples(
            jax.tree.map(lambda leaf: leaf[which], self.features),
            self.log10_pga[which],
            self.event[which],
            self.weight[which],
            self.mask[which],
            self.names,
            self.optional,
            self.upper[which],
        )

    def padded(self, size: int, dtype: Any) -> tuple[Any, Any, Any, Any]:
        """Pad features, targets, mask and bounds to `size` rows, floating-point arrays in a dtype.

        Padding repeats the first row: it has weight 0, but its density must be finite. Where no
        target is a bound, there are no bounds.
        """
        which = pad_rows(np.arange(len(self)), size)

        def pad(leaf: np.ndarray) -> Any:
            kind = dtype if np.issubdtype(leaf.dtype, np.floating) else leaf.dtype
            return jnp.asarray(leaf[which].astype(kind))

        target = np.where(self.mask, self.log10_pga, 0.0)
        upper = pad(self.upper) if self.upper.any() else None
        return jax.tree.map(pad, self.features), pad(target), pad(self.mask), upper


def _refuse(what: str, bad: np.ndarray, advice: str) -> None:
    """Raise an error that names the first unusable rows, if there are any."""
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    if len(rows):
        raise InputError(
            f"examples: {what}: {len(rows)} rows are not usable (first rows "
            f"{rows[:3].tolist()}); it {advice}"
        )


def joined(first: Examples, second: Examples) -> Examples:
    """Concatenate two sets of examples."""

    def both(name: str) -> Any:
        parts = getattr(first, name), getattr(second, name)
        return jax.tree.map(lambda a, b: np.concatenate([a, b]), *parts)

    return Examples(
        both("features"),
        both("log10_pga"),
        both("event"),
        both("weight"),
        both("mask"),
        first.names,
        first.optional,
        both("upper"),
    )


def refuse_shared(training: Examples, held_out: Examples) -> None:
    """Refuse a split with an event on both sides."""
    shared = sorted(set(training.event.tolist()) & set(held_out.event.tolist()))
    if shared:
        more = f" and {len(shared) - 3} more" if len(shared) > 3 else ""
        raise InputError(
            f"train: {len(shared)} events are in both halves of the split "
            f"({', '.join(map(repr, shared[:3]))}{more}); split by event, not by record: records "
            "of one event share its term"
        )


def split_by_event(
    key: PRNGKeyArray, examples: Examples, held_out: float = 0.2
) -> tuple[Examples, Examples]:
    """Split examples at random by event.

    Parameters
    ----------
    key
        JAX random key.
    examples
        Examples of at least two events.
    held_out
        Share of the events that is held out, in (0, 1); at least one event.

    Returns
    -------
    training, held_out : Examples

    Raises
    ------
    eqstat.InputError
        When there are fewer than two events or the share is not in (0, 1).

    Examples
    --------
    >>> examples = Examples(np.zeros((4, 1)), np.zeros(4), np.array(["a", "a", "b", "c"]))
    >>> training, held_out = split_by_event(jax.random.key(0), examples, held_out=0.3)
    >>> set(training.event) & set(held_out.event)
    set()
    """
    names = np.unique(examples.event)
    if len(names) < 2 or not 0 < held_out < 1:
        raise InputError("split_by_event: give two events or more, and a share in (0, 1)")
    count = min(max(1, round(held_out * len(names))), len(names) - 1)
    chosen = names[np.asarray(jax.random.permutation(key, len(names)))[:count]]
    out = np.isin(examples.event, chosen)
    return examples.rows(~out), examples.rows(out)


def event_weights(event: np.ndarray, correlation: float) -> np.ndarray:
    r"""Weights $1 / (1 + (n_e - 1) \rho)$ of records, for correlated records of an event.

    Parameters
    ----------
    event
        Event of each record, (records,).
    correlation
        Correlation of two records of one event, in [0, 1].

    Returns
    -------
    numpy.ndarray
        (records,); their sum is the effective number of records.

    References
    ----------
    Kish, L. (1965), Survey Sampling, Wiley (design effect of clusters).

    Examples
    --------
    >>> event_weights(np.array(["a", "a", "b"]), 0.5).round(3).tolist()
    [0.667, 0.667, 1.0]
    """
    _, number, count = np.unique(event, return_inverse=True, return_counts=True)
    return 1.0 / (1.0 + (count[number] - 1) * correlation)


def event_correlation(event: np.ndarray, residual: np.ndarray) -> float:
    """Within-event correlation of residuals, by the method of moments.

    It is the mean product of all pairs of an event, relative to the mean square.

    Parameters
    ----------
    event, residual
        Of each record, (records,).

    Returns
    -------
    float
        In [0, 0.95]; 0 if no event has two records.

    Examples
    --------
    >>> event = np.array(["a", "a", "b", "b"])
    >>> event_correlation(event, np.array([1.0, 1.0, -1.0, -1.0]))
    0.95
    """
    _, number, count = np.unique(event, return_inverse=True, return_counts=True)
    several = count > 1
    if not several.any():
        return 0.0
    total, square = np.bincount(number, residual), np.bincount(number, residual**2)
    # Means over the pairs and over the squares of each event, so that every event counts once.
    pairs = (total**2 - square)[several] / (count * (count - 1))[several]
    return float(np.clip(np.mean(pairs) / np.mean((square / count)[several]), 0.0, 0.95))
