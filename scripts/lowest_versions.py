"""Print the lowest versions that pyproject.toml admits, as constraints for pip."""

import re
import tomllib
from pathlib import Path

USED_BY_TESTS = ("plots", "seismology", "maps", "service")
PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def main() -> None:
    """Turn every `>=` of the dependencies and of the extras that users install into `==`."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    for name in USED_BY_TESTS:
        wanted += extras[name]
    for requirement in sorted(set(wanted)):
        print(re.sub(r"\[.*?\]", "", requirement).replace(">=", "=="))


if __name__ == "__main__":
    main()
