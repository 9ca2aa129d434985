"""The families of the count of a window: each is defined in one file and registered here.

To add a family, write a `CountFamily` and add it to `FAMILIES`.
"""

from __future__ import annotations

from eqstat.counts._families._base import CountFamily, Marginal
from eqstat.counts._families._beta_binomial import BetaBinomial
from eqstat.counts._families._negative_binomial import NegativeBinomial
from eqstat.counts._families._poisson import Poisson

__all__ = ["FAMILIES", "SHAPE_PARAMETERS", "CountFamily", "Family", "Marginal"]

# The name of a family in `FAMILIES`.
Family = str

FAMILIES: dict[str, CountFamily] = {
    family.name: family for family in (Poisson(), NegativeBinomial(), BetaBinomial())
}

# Names of the parameters that some family has and another lacks.
SHAPE_PARAMETERS: tuple[str, ...] = tuple(
    dict.fromkeys(name for family in FAMILIES.values() for name in family.parameters)
)
