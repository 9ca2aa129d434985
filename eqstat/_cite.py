"""How to cite the package."""

from __future__ import annotations

ENTRIES = """\
@software{{eqstat,
  author = {{{{The eqstat developers}}}},
  title = {{{{eqstat}}: probabilistic statistics for crowdsourced and low-cost-sensor earthquake early warning}},
  version = {{{version}}},
  license = {{BSD-3-Clause}},
}}
@article{{massoda2023,
  author = {{Massoda Tchoussi, Frank Yannick and Finazzi, Francesco}},
  title = {{A statistical methodology for classifying earthquake detections and for earthquake parameter estimation in smartphone-based earthquake early warning systems}},
  journal = {{Frontiers in Applied Mathematics and Statistics}},
  volume = {{9}}, pages = {{1107243}}, year = {{2023}},
  doi = {{10.3389/fams.2023.1107243}},
}}
"""  # noqa: E501


def cite() -> str:
    """Return BibTeX entries of this version of the package, and of the paper that it began with.

    The papers of the models that you use stand in the docstrings of their functions.

    Examples
    --------
    >>> print(cite().splitlines()[0])
    @software{eqstat,
    """
    from eqstat import __version__

    return ENTRIES.format(version=__version__)
