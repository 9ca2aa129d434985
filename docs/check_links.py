"""Check the links of the built pages and of the Markdown files: targets and anchors must exist.

Run: python docs/check_links.py docs/_build/html. Addresses of other sites are not asked for.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        """Collect `href`, `src`, `id` and `name`."""
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
            elif value and name in ("id", "name"):
                self.anchors.add(value)


def broken_of_pages(folder: Path) -> list[str]:
    """Links of HTML pages that lead nowhere."""
    # Pages of source code (_modules) and of the theme (_static) are not ours.
    files = [
        path
        for path in folder.rglob("*.html")
        if path.relative_to(folder).parts[0][0] != "_"
    ]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in files}
    broken = []
    for path, page in pages.items():
        for link in sorted(set(page.links)):
            parts = urlsplit(link)
            if (
                parts.scheme
                or parts.netloc
                or link.startswith(("#top", "data:"))
            ):
                continue
            target = (
                (path.parent / unquote(parts.path)).resolve()
                if parts.path
                else path
            )
            anchor = unquote(parts.fragment)
            lost = target in pages and anchor not in (
                "",
                *pages[target].anchors,
            )
            if lost or not target.exists():
                broken.append(f"{path.relative_to(folder)}: {link}")
    return broken


def broken_of_markdown() -> list[str]:
    """Relative links of the Markdown files at the root that lead to no file."""
    broken = []
    for path in sorted(ROOT.glob("*.md")):
        for link in re.findall(
            r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")
        ):
            target = link.split("#")[0]
            if (
                target
                and "://" not in target
                and not (path.parent / target).exists()
            ):
                broken.append(f"{path.name}: {link}")
    return broken


def main() -> int:
    """Print what is broken; 1 if anything is."""
    folder = Path(
        sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs/_build/html"
    )
    if not folder.is_dir():
        sys.exit(f"{folder} does not exist: build the pages first, `make docs`")
    broken = broken_of_pages(folder.resolve()) + broken_of_markdown()
    print("\n".join(broken) or "all links lead somewhere")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
