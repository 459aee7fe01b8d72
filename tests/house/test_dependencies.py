"""Floors of dependencies against their known faults, the hashes of the lock file, the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from checkout import ROOT

ROW = re.compile(r"^\| ([\w-]+) \| ([\d.]+) \| ([\d.]+|none) \| (.+) \|$", re.MULTILINE)
"""Of docs/security.md: | package | our floor | fixed in | faults and their sources |."""


def floors() -> dict[str, Version]:
    """-> {package: the lowest version that pyproject.toml allows}."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    found = {}
    for line in lines:
        requirement = Requirement(line)
        lowest = [Version(one.version) for one in requirement.specifier if one.operator == ">="]
        if lowest:
            found[normalised(requirement.name)] = lowest[0]
    return found


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """-> {normalised name: version}."""
    return {normalised(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s\\]+)", text, re.MULTILINE)}


def test_no_floor_has_a_known_fault_that_is_fixed() -> None:
    rows = ROW.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(rows) >= 15
    for name, stated, fixed, sources in rows:
        assert floors()[name] == Version(stated), f"{name}: the table is behind pyproject.toml"
        assert fixed == "none" or Version(stated) >= Version(fixed), name
        assert re.search(r"(CVE|GHSA|PYSEC)-", sources) or fixed == "none", name


def test_the_lock_has_hashes_for_each_pin() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    exact = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert pins(text) == exact, "run `make lock`"
    hashed = re.findall(r"^([\w.-]+)==\S+(?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})+", text, re.MULTILINE)
    for name in exact:
        assert any(normalised(found) == name for found in hashed), f"{name}: no hash"


def test_pins_reach_the_floors() -> None:
    exact = {name: Version(version) for name, version in pins((ROOT / "constraints.txt").read_text()).items()}
    low = {name: floor for name, floor in floors().items() if name in exact and exact[name] < floor}
    assert low == {}


def test_the_bill_of_materials_names_every_pin(tmp_path: Path) -> None:
    path = tmp_path / "out" / "sbom.cdx.json"
    subprocess.run([sys.executable, str(ROOT / "tools" / "make_sbom.py"), str(path)], check=True, capture_output=True)
    bill = json.loads(path.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    names = {component["name"]: component["version"] for component in bill["components"]}
    exact = pins((ROOT / "constraints.txt").read_text())
    assert names == exact
    refs = {component["bom-ref"] for component in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {link["ref"] for link in bill["dependencies"]} == refs
    assert all(set(link["dependsOn"]) <= refs for link in bill["dependencies"])
    assert all(component["properties"] for component in bill["components"])
