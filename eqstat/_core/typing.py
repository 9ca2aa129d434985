"""Types of arguments that take many forms.

A type checker reads the narrow form. At run time the wide one leaves it to the checks of values
to say in one line what is wrong with an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    ArrayLike = npt.ArrayLike | Sequence[Any]
    """A number, a sequence of numbers, an array or a column of a table."""
else:
    ArrayLike = Any
