"""How the pages are built: `make docs`."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

import eqstat

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
EXAMPLES = HERE.parent / "examples"

project = "eqstat"
author = "The eqstat developers"
copyright = "The eqstat developers"
version = release = eqstat.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "api_pages",
    "author_year",
    "figures",
    "gallery",
    "maths",
    "shell_pages",
    "validation_tables",
]
exclude_patterns = [
    "_build",
    "*.py",
    "_ext",
    "**/*.ipynb",
    "**/.ipynb_checkpoints",
]
templates_path = ["_templates"]
# In docstrings, names stand in single backticks.
default_role = "code"

# Pages with code, and the scripts of examples/, run while the pages are built.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_in_temp = True
# EQSTAT_DOCS_RUN="start,examples/locate_phones" runs these pages only: the others have no output.
_only = set(filter(None, os.environ.get("EQSTAT_DOCS_RUN", "").split(",")))
if _only:
    _pages = [
        *HERE.rglob("*.md"),
        *(HERE / "examples" / each.name for each in EXAMPLES.glob("*.py")),
    ]
    _pages = [page.relative_to(HERE) for page in _pages]
    nb_execution_excludepatterns = [
        str(page) for page in _pages if str(page.with_suffix("")) not in _only
    ]
nb_execution_raise_on_error = True
nb_execution_timeout = (
    600  # seconds a cell; builders may share their processors
)
nb_merge_streams = True
nb_output_stderr = "remove"
# Copied code is what one types, without prompts or output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "colon_fence",
    "deflist",
    "dollarmath",
    "substitution",
]
myst_heading_anchors = 3

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
bibtex_default_style = "author_year_style"

autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_custom_sections = [("Fields", "params_style")]
napoleon_use_rtype = False
napoleon_attr_annotations = False
napoleon_preprocess_types = False

html_theme = "pydata_sphinx_theme"
html_title = f"eqstat {release}"
html_static_path = ["_static"]
html_css_files = ["eqstat.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "eqstat"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}
# Pages that stand alone have nothing to list at their side.
html_sidebars = {
    name: []
    for name in ("index", "start", "comparison", "changelog", "contributing")
}

# Constants of the code that the text states, so that the text cannot differ from the code.
SETTINGS = {
    "starts": ("eqstat.traveltime._profile", "STARTS"),
    "minimum_triggers": ("eqstat.traveltime._data", "MINIMUM_TRIGGERS"),
    "minimum_places": ("eqstat.traveltime._data", "MINIMUM_PLACES"),
    "delta_s": ("eqstat.traveltime._classify", "DELTA_S"),
    "r_hat": ("eqstat.inference._diagnostics", "R_HAT_LIMIT"),
    "ess_per_chain": ("eqstat.inference._diagnostics", "MIN_ESS_PER_CHAIN"),
}


def _setting(module: str, name: str) -> str:
    return f"{getattr(import_module(module), name):g}"


myst_substitutions = {key: _setting(*where) for key, where in SETTINGS.items()}


def without_code(app: Sphinx, config: Config) -> None:
    """Where a page is not executed, no kernel says what colours its code."""
    if config.nb_execution_mode == "off" or _only:
        config.suppress_warnings = [*config.suppress_warnings, "myst-nb.lexer"]


def docstrings(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    lines: list[str],
) -> None:
    """Turn dollars into reStructuredText, and attributes into a plain list of fields."""
    text = "\n".join(lines)
    text = re.sub(
        r"^Attributes\n-+$", "Fields\n------", text, flags=re.MULTILINE
    )
    text = re.sub(
        r"\n?\$\$(.+?)\$\$",
        lambda match: "\n.. math::\n\n    " + " ".join(match[1].split()) + "\n",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(r"\$([^$\n]+(?:\n[^$\n]+)?)\$", r":math:`\1`", text)
    lines[:] = text.split("\n")


def signatures(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    given: str,
    returned: str,
) -> tuple[str, str] | None:
    """Shorten defaults that come from a factory; the fields below state them."""
    return (given.replace("<factory>", "..."), returned) if given else None


def setup(app: Sphinx) -> None:
    """Connect the functions above; pages run on the CPU, with figures and few messages."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    # Figures of pages appear by this backend alone, whatever the environment chooses for windows.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    app.connect("config-inited", without_code)
    app.connect("autodoc-process-signature", signatures)
    app.connect("autodoc-process-docstring", docstrings, priority=400)
