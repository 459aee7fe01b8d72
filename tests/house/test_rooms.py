"""The rooms: who may import whom, no circles, what inference may not reach. The picture is in docs/architecture.md."""

from __future__ import annotations

import ast

import pytest

from checkout import PACKAGE, ROOT
from source_tree import (
    DOORS,
    FILES,
    circles_in,
    everything_behind,
    floors_in_the_picture,
    imports_of,
    inner_imports_of,
    room_of,
    tree_of,
)

LIGHT_ROOMS = ("inference", "examination", "results", "web", "pacs")
NOT_BEHIND_LIGHT_ROOMS = {"training", "export", "evaluation", "networks", "datasets", "phantom"}
FRAMEWORKS = {"torch", "lightning", "pytorch_lightning", "tensorflow", "scipy", "tensorboard", "torchmetrics"}
MAY_IMPORT_FRAMEWORKS = ("training", "export", "networks")
MAY_IMPORT_MATPLOTLIB = ("training.callbacks",)
MAY_SPEAK_TO_AN_ARCHIVE = {
    f"pacs.{name}" for name in ("listener", "received_file", "sender", "bounded_server", "dicomweb_client")
}
ACROSS_ROOMS = ("house", "flows", "faults")
"""Tests of the tree itself, of a datum's way through many rooms, and of what goes wrong on purpose."""
MODULES = [name for name in FILES if name not in ("", "__main__")]


def test_the_picture_holds_every_room_and_no_other() -> None:
    pictured, real = set(floors_in_the_picture()), {room_of(name) for name in MODULES}
    assert not real - pictured, f"give {sorted(real - pictured)} a floor in docs/architecture.md"
    assert not pictured - real, f"docs/architecture.md shows {sorted(pictured - real)}, which do not exist"


@pytest.mark.parametrize("room", sorted({room_of(name) for name in MODULES}))
def test_rooms_import_downwards(room: str) -> None:
    floors = floors_in_the_picture()
    wrong = [
        f"{name} -> {other}"
        for name in MODULES
        if room_of(name) == room
        for other in sorted(inner_imports_of(name, for_types=True) - {""})
        if room_of(other) != room and floors[room_of(other)] >= floors[room]
    ]
    assert not wrong, f"{room} is on floor {floors[room]} and imports a neighbour or upwards"


def test_no_circle_of_files() -> None:
    assert circles_in({name: inner_imports_of(name, for_types=True) for name in MODULES}) == []


def test_no_circle_of_packages() -> None:
    """Rooms among each other, and the parts of one room: its modules, and each of its subfolders as a whole."""
    rooms: dict[str, set[str]] = {}
    parts: dict[str, set[str]] = {}
    for name in MODULES:
        others = inner_imports_of(name, for_types=True) - {""}
        rooms.setdefault(room_of(name), set()).update(map(room_of, others))
        parts.setdefault(part_of(name), set()).update(map(part_of, others))
    for graph in (rooms, parts):
        assert circles_in({name: others - {name} for name, others in graph.items()}) == []


def part_of(name: str) -> str:
    """Module -> its part of a room: `results.dicom.seg` -> `results.dicom`, `results.report` -> itself."""
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_inference_is_light(room: str) -> None:
    reached = {other for name in MODULES if room_of(name) == room for other in everything_behind(name)}
    wrong = sorted(name for name in reached if room_of(name) in NOT_BEHIND_LIGHT_ROOMS)
    assert not wrong, f"{room} reaches {wrong}"
    frameworks = {
        name: found
        for name in sorted(reached)
        if (found := {full.split(".")[0] for full in imports_of(FILES[name])} & FRAMEWORKS)
    }
    assert not frameworks


def test_only_training_imports_a_framework() -> None:
    wrong = []
    for name, path in FILES.items():
        roots = {full.split(".")[0] for full in imports_of(path)}
        if roots & FRAMEWORKS and room_of(name) not in MAY_IMPORT_FRAMEWORKS:
            wrong.append((name, sorted(roots & FRAMEWORKS)))
        if "matplotlib" in roots and name not in MAY_IMPORT_MATPLOTLIB:
            wrong.append((name, ["matplotlib"]))
    assert not wrong


def test_only_the_archive_room_speaks_to_others() -> None:
    speakers = {"pynetdicom", "dicomweb_client"}
    found = {name for name, path in FILES.items() if speakers & {full.split(".")[0] for full in imports_of(path)}}
    assert found <= MAY_SPEAK_TO_AN_ARCHIVE


def test_the_doors_hold_nothing_but_lazy_imports() -> None:
    for door in DOORS:
        path = FILES[door]
        at_the_top = [node for node in ast.iter_child_nodes(tree_of(path)) if isinstance(node, ast.ImportFrom)]
        ours = [node.module for node in at_the_top if (node.module or "").startswith("thyrosight")]
        assert ours in ([], ["thyrosight.cli"]), f"{path.relative_to(ROOT)} imports {ours} at once"


def test_tests_mirror_the_source() -> None:
    """tests/ROOM/test_MODULE.py or test_MODULE_ASPECT.py; test_ROOM.py for a whole room; ACROSS_ROOMS for the rest."""
    tests = ROOT / "tests"
    homeless = []
    for path in sorted(tests.rglob("test_*.py")):
        place = path.relative_to(tests)
        if place.parts[0] in ACROSS_ROOMS:
            continue
        folder, subject = PACKAGE / place.parent, path.stem.removeprefix("test_")
        subjects = {folder.name, *(module.stem for module in folder.glob("*.py"))}
        if not any(subject == name or subject.startswith(f"{name}_") for name in subjects):
            homeless.append(place.as_posix())
    assert not homeless, "these name no module of the source; rename them or move them to tests/flows/"
    rooms = {room_of(name) for name in MODULES if (PACKAGE / room_of(name)).is_dir()}
    assert not {room for room in rooms if not list((tests / room).rglob("test_*.py"))}, "rooms without a test"
