"""What a command returns, for the driver to write, and the warnings that become its notes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import TableWarning

if TYPE_CHECKING:
    import xarray as xr

    from eqstat.cli._inputs import Inputs


@dataclass(frozen=True)
class Outcome:
    """Result of one command, not yet written anywhere.

    Attributes
    ----------
    summary
        Lines for a person, written to standard output.
    content
        What the JSON holds beside the keys that all commands share.
    result, result_text
        Code of the result, such as `CONVERGED`, and its sentence.
    inputs
        The files that were read.
    velocity
        The velocity model in plain values, None where there is none.
    notes
        What a reader of the result should know, written to standard error.
    posterior
        Dataset or DataTree for `--posterior`; None where this outcome has none.
    figure
        Draws the figure for `--figure` and returns it.
    files
        Further files by the name of their option: a function that writes to the given name.
    exit_code
        What the shell returns.
    """

    summary: tuple[str, ...]
    content: Mapping[str, Any]
    result: str
    result_text: str
    inputs: Inputs | None = None
    velocity: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    posterior: xr.Dataset | xr.DataTree | None = None
    figure: Callable[[], Any] | None = None
    files: Mapping[str, Callable[[str], None]] = field(default_factory=dict)
    exit_code: int = 0


@contextmanager
def warnings_as_notes() -> Iterator[list[str]]:
    """Collect the warnings about tables, which the shell writes as notes."""
    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", TableWarning)
        show = warnings.showwarning

        def collect(message: Any, category: type[Warning], *others: Any, **more: Any) -> None:
            if issubclass(category, TableWarning):
                notes.append(str(message))
            else:
                show(message, category, *others, **more)

        warnings.showwarning = collect
        yield notes
