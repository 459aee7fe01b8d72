"""requirements.lock and this environment -> a CycloneDX 1.6 bill of materials (JSON) at the path given.

One component per package of the lock, with version, licence, SHA-256 of the files that may be installed, and the
packages that it needs. Source: CycloneDX 1.6, JSON reference (ECMA-424); package URLs of type pypi.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([\w.-]+)==(\S+)((?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, tuple[str, list[str]]]:
    """requirements.lock -> {normalised name: (version, SHA-256 of its files)}."""
    return {
        normalised(name): (version, re.findall(r"sha256:([0-9a-f]{64})", hashes))
        for name, version, hashes in PIN.findall(text)
    }


def found(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def licences(package: Distribution | None) -> list[dict[str, Any]]:
    """-> the licence that the package states: an SPDX expression, else another name, else nothing."""
    if package is None:
        return []
    if expression := package.metadata.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = [line for line in package.metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    names = [line.rpartition(" :: ")[2] for line in classifiers] or [package.metadata.get("License") or ""]
    return [{"license": {"name": name.splitlines()[0][:200]}} for name in names if name.strip()]


def needs(lines: list[str], known: set[str]) -> list[str]:
    """Requirement lines -> normalised names of those that are in the lock."""
    return sorted({name for line in lines if (name := normalised(Requirement(line).name)) in known})


def bill(lock: dict[str, tuple[str, list[str]]], project: dict[str, Any]) -> dict[str, Any]:
    """-> the CycloneDX document."""
    refs = {name: f"pkg:pypi/{name}@{version}" for name, (version, _) in lock.items()}
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    components = [
        {
            "type": "library",
            "bom-ref": refs[name],
            "name": name,
            "version": version,
            "purl": refs[name],
            "licenses": licences(found(name)),
            "properties": [{"name": "thyrosight:sha256", "value": digest} for digest in sorted(hashes)],
        }
        for name, (version, hashes) in sorted(lock.items())
    ]
    known = set(lock)
    links = {own: needs(project["dependencies"] + extras, known)}
    for name in sorted(lock):
        package = found(name)
        links[refs[name]] = needs(list(package.requires or []), known) if package is not None else []
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"expression": project["license"]}],
            },
        },
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": [refs[name] for name in names]} for ref, names in links.items()],
    }


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: make_sbom.py PATH")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = locked((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bill(lock, project), indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
