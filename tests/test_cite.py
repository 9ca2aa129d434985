"""What the package says of itself is what its citation file says."""

from pathlib import Path

import eqstat


def test_the_citation_is_that_of_the_file():
    file = (Path(__file__).parents[1] / "CITATION.cff").read_text("utf-8")
    said = eqstat.cite()
    assert f"version = {{{eqstat.__version__}}}" in said and eqstat.__version__ in file
    for word in ("10.3389/fams.2023.1107243", "Massoda Tchoussi", "BSD-3-Clause"):
        assert word in said and word in file
    assert said.count("{") == said.count("}")
