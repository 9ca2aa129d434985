"""The bibliography by author and year, as the text cites."""

from __future__ import annotations

from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


class AuthorYearLabels(BaseLabelStyle):
    """Labels such as "Finazzi 2016", with letters where two are alike."""

    def format_labels(self, sorted_entries):
        """Yield the label of each entry."""
        plain = [self.label(entry) for entry in sorted_entries]
        for number, label in enumerate(plain):
            alike = plain.count(label) > 1
            letter = chr(ord("a") + plain[:number].count(label)) if alike else ""
            yield label + letter

    @staticmethod
    def label(entry) -> str:
        """Last names of one or two authors, of more the first's, and the year."""
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [" ".join([*one.prelast_names, *one.last_names]) for one in people]
        names = [str(Text.from_latex(name)) for name in names]
        who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        return f"{who or entry.fields.get('key', entry.key)} {entry.fields.get('year', '')}".strip()


class Style(Unsorted):
    """Entries by author and year."""

    default_sorting_style = "author_year_title"
    default_label_style = AuthorYearLabels


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the style known to pybtex."""
    register_plugin("pybtex.style.formatting", "author_year_style", Style)
    return {"parallel_read_safe": True}
