"""Write figures so that they can be published, and traced to what they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

# Text stays text: fonts that journals take (TrueType), letters that can be searched and edited.
TEXT: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
# Under which keys a kind of file keeps the version, the input and the command.
KEYS = {
    ".png": ("Comment", "Source", "Description"),
    ".pdf": ("Keywords", "Title", "Subject"),
    ".svg": ("Publisher", "Source", "Description"),
}


def save_figure(
    figure: Figure,
    path: str | Path,
    *,
    dpi: float | int = 150,
    version: str = "",
    source: str = "",
    command: str = "",
) -> None:
    """Write a figure to a file and close it.

    Parameters
    ----------
    figure
        What a function of `eqstat.plots` drew.
    path
        Its ending says the kind; letters of PDF, PS and SVG stay text.
    dpi
        Dots per inch, above 0: of all in PNG, of shaded cells in PDF and SVG.
    version, source, command
        What the file says of its origin: the software, the names of the input, the command.
        Kept in PNG, PDF and SVG.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "map.png"
    >>> save_figure(plt.figure(), path, source="triggers.csv")
    >>> b"triggers.csv" in path.read_bytes()
    True
    """
    from matplotlib import pyplot

    keys = KEYS.get(Path(path).suffix.lower(), ())
    about = {key: text for key, text in zip(keys, (version, source, command), strict=False) if text}
    with rc_context(TEXT):
        figure.savefig(path, dpi=dpi, metadata=about or None)
    pyplot.close(figure)
