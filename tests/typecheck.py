"""Checks of annotations as PEP 484 has them, and as pyright reads them: an int is a float, too."""

from beartype import BeartypeConf, beartype

typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))
