"""The gallery of examples: cards with thumbnails, run times, and notebooks to download.

`{gallery}` writes a card for each script of examples/, and `{figure-of} NAME NUMBER` shows a figure
of one on another page, which so has figures without running anything itself. Thumbnails and figures
are those of the executed pages, and are written when all pages are built.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from pathlib import Path
from typing import Any, ClassVar

import jupytext
from docutils import nodes
from docutils.parsers.rst import directives
from figures import executed
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
DOCS = Path(__file__).parents[1]
EXAMPLES = DOCS.parent / "examples"
COPIES = DOCS / "examples"
TUTORIALS = DOCS / "tutorials"
THUMBNAILS = "_static/thumbnails"
FIGURES = "_static/figures"
WIDTH = 480
# What stands in a card whose page was not executed, or drew nothing.
BLANK = "_static/blank.svg"
RUN_TIME = "<!-- run time of {} -->"


def scripts() -> list[Path]:
    """The examples in the order of their titles."""
    return sorted(EXAMPLES.glob("[!_]*.py"))


def title_and_text(script: Path) -> tuple[str, str]:
    """Title of a script and its first paragraph."""
    lines = script.read_text("utf-8").split("\n# %%", 1)[0].splitlines()[1:]
    title, _, text = "\n".join(line.removeprefix("#").strip() for line in lines).partition("\n\n")
    return title.removeprefix("#").strip(), re.sub(
        r"\[([^\]]+)\]\([^)]*\)", r"\1", text.split("\n\n")[0].replace("\n", " ")
    )


class Gallery(SphinxDirective):
    """Cards of all examples."""

    def run(self) -> list[nodes.Node]:
        """Render a grid of cards."""
        lines = ["::::{grid} 1 2 2 3", ":gutter: 3", ""]
        for script in scripts():
            title, text = title_and_text(script)
            short = text if len(text) <= 150 else text[:150].rsplit(" ", 1)[0] + " …"
            name = script.stem
            lines += [
                f":::{{grid-item-card}} {title}",
                f":link: examples/{name}",
                ":link-type: doc",
            ]
            lines += ["", "```{raw} html"]
            lines += [
                f'<img class="eqstat-thumbnail" src="{THUMBNAILS}/{name}.png" loading="lazy" '
                f'alt="First figure of the example: {title}">'
            ]
            lines += ["```", "", short, "", "```{raw} html", RUN_TIME.format(name), "```"]
            lines += [":::", ""]
        return self.parse_text_to_nodes("\n".join([*lines, "::::"]))


class FigureOf(SphinxDirective):
    """A figure of an executed example: its name, the number of the figure; caption as content."""

    required_arguments = 2
    has_content = True
    option_spec: ClassVar = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Render the figure with a link to the page that draws it."""
        name, number = self.arguments
        if not (EXAMPLES / f"{name}.py").exists():
            raise self.error(f"no example {name!r}")
        up = "../" * self.env.docname.count("/")
        wanted = self.env.metadata.setdefault(self.env.docname, {}).setdefault("figures", [])
        wanted.append((name, int(number)))
        alt = html.escape(self.options["alt"], quote=True)
        head = (
            f'<figure class="eqstat-figure"><a href="{up}examples/{name}.html">'
            f'<img src="{up}{FIGURES}/{name}-{number}.png" loading="lazy" alt="{alt}"></a>'
            "<figcaption>"
        )
        return [
            nodes.raw("", head, format="html"),
            *self.parse_content_to_nodes(),
            nodes.raw("", "</figcaption></figure>", format="html"),
        ]


def written(path: Path, text: str) -> None:
    """Write a file; one that is fresh stays untouched."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def notebook_text(path: Path, form: str) -> str:
    """A page or a script as a notebook without output."""
    notebook = jupytext.read(path, fmt=form)
    for number, one in enumerate(notebook.cells):
        one["id"] = f"cell-{number}"  # random ones would change with each build
    return jupytext.writes(notebook, fmt="ipynb")


def copy_examples(app: Sphinx) -> None:
    """Copy the scripts of examples/ below docs/, each with links to the script and a notebook."""
    COPIES.mkdir(exist_ok=True)
    names = {script.stem for script in scripts()}
    for copy in [*COPIES.glob("*.py"), *COPIES.glob("*.ipynb")]:
        if copy.stem not in names:
            copy.unlink()
    for script in scripts():
        links = (
            f"#\n# {{download}}`Notebook <{script.stem}.ipynb>` · "
            f"{{download}}`script <../../examples/{script.name}>`\n"
        )
        head, cell, rest = script.read_text("utf-8").partition("\n\n# %%")
        written(COPIES / script.name, f"{head}\n{links}{cell.lstrip()}{rest}" if cell else head)
        written(COPIES / f"{script.stem}.ipynb", notebook_text(script, "py:percent"))
    for page in TUTORIALS.glob("*.md"):
        written(page.with_suffix(".ipynb"), notebook_text(page, "md:myst"))


def figures(app: Sphinx, name: str) -> list[bytes] | None:
    """PNGs of the figures of an example, in their order; None where it was not run."""
    path = Path(app.outdir).parent / "jupyter_execute" / "examples" / f"{name}.ipynb"
    if not path.exists():
        return None
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if not executed(notebook):
        return None
    return [
        base64.b64decode(output["data"]["image/png"])
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def borrowed(app: Sphinx) -> None:
    """Write the figures that pages show of examples; a warning where one is not there."""
    folder = Path(app.outdir) / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    for page, about in app.env.metadata.items():
        for name, number in about.get("figures", []):
            drawn = figures(app, name)
            if drawn is None:
                continue
            if len(drawn) >= number:
                (folder / f"{name}-{number}.png").write_bytes(drawn[number - 1])
            else:
                LOGGER.warning("%s: the example %s draws no figure %d", page, name, number)


def thumbnail(png: bytes) -> bytes:
    """A figure at the width of a card."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((WIDTH, WIDTH))
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the thumbnails, and the run times into the page of the gallery."""
    if exception is not None or app.builder.format != "html":
        return
    from myst_nb.sphinx_ import NbMetadataCollector

    borrowed(app)
    folder = Path(app.outdir) / THUMBNAILS
    folder.mkdir(parents=True, exist_ok=True)
    page = Path(app.outdir) / "examples.html"
    text = page.read_text("utf-8") if page.exists() else ""
    for script in scripts():
        drawn = figures(app, script.stem)
        if drawn:
            (folder / f"{script.stem}.png").write_bytes(thumbnail(drawn[0]))
        else:
            text = text.replace(f"{THUMBNAILS}/{script.stem}.png", BLANK)
        data = NbMetadataCollector.get_exec_data(app.env, f"examples/{script.stem}")
        seconds = data["runtime"] if data else None
        told = f'<p class="measured-note">runs in {max(seconds, 1):.0f} s</p>' if seconds else ""
        text = text.replace(RUN_TIME.format(script.stem), told)
    if text:
        page.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Copy before Sphinx looks for files; finish when all pages are built."""
    app.add_directive("gallery", Gallery)
    app.add_directive("figure-of", FigureOf)
    app.connect("builder-inited", copy_examples)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}
