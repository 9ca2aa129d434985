"""Print the lowest versions that pyproject.toml admits, as constraints for pip."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def main() -> None:
    """Turn every `>=` of the dependencies and the test extra into `==`."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"]]
    for name in re.findall(r"[a-z]+", " ".join(w for w in wanted if w.startswith("eqstat["))[7:]):
        wanted += extras.get(name, [])
    for requirement in sorted(set(wanted)):
        if not requirement.startswith("eqstat"):
            print(re.sub(r"\[.*?\]", "", requirement).replace(">=", "=="))


if __name__ == "__main__":
    main()
