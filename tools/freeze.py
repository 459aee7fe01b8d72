"""pyproject.toml + this environment -> constraints.txt on stdout: the exact version of all that our extras need."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

HEADER = """\
# The exact versions that the tests ran with (Python 3.11, Linux x86-64). The Makefile and CI install by them;
# pyproject.toml holds the honest ranges. Remade from the environment by `make constraints`.
"""
EXTRAS = ("train", "pretrained", "serve", "pacs", "pdf", "peers", "formats", "dev")


def reached(names: list[str]) -> dict[str, str]:
    """Requirement lines -> {normalised name: "Name==version"} of them and of everything that they need here."""
    todo = [Requirement(name) for name in names]
    lines: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    while todo:
        requirement = todo.pop()
        key = re.sub(r"[-_.]+", "-", requirement.name).lower()
        for extra in {"", *requirement.extras}:
            if (key, extra) in done:
                continue
            done.add((key, extra))
            try:
                found = distribution(requirement.name)
            except PackageNotFoundError:
                sys.exit(f"error: {requirement.name} is not installed here; run `make install` first")
            lines[key] = f"{found.metadata['Name']}=={found.version.split('+')[0]}"
            for text in found.requires or []:
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    todo.append(needed)
    return lines


def main() -> None:
    text = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    project = tables["project"]
    wanted = project["dependencies"] + tables["build-system"]["requires"]
    wanted += [name for extra in EXTRAS for name in project["optional-dependencies"][extra]]
    sys.stdout.write(HEADER + "".join(f"{line}\n" for _, line in sorted(reached(wanted).items())))


if __name__ == "__main__":
    main()
