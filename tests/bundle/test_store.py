"""The one model format: what is written loads, what was touched does not, and every refusal says the mend."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkout import SOURCE
from thyrosight.bundle import bundle_files
from thyrosight.bundle import store as bundle
from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import BundleInfo, Calibration, Score, TrainingSet
from thyrosight.bundle.seen_images import ImagePrint, SeenImages
from thyrosight.bundle.store import (
    Bundle,
    bundle_id,
    bundle_path,
    default_bundle_path,
    load_bundle,
    refuse_other_network,
    write_bundle,
)
from thyrosight.errors import BundleError, InputError
from thyrosight.files import whole_files as files
from tiny_bundle import make_tiny_bundle, tiny_onnx, tiny_weights

FILES = {"bundle.json", "model.onnx", "weights.safetensors", "MODEL_CARD.md"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same bundle as a folder and as a zip; not to be changed."""
    folder = tmp_path_factory.mktemp("bundles")
    return make_tiny_bundle(folder / "tiny"), make_tiny_bundle(folder / "tiny.zip")


@pytest.fixture
def tiny(written: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the folder, to be changed."""
    return Path(shutil.copytree(written[0], tmp_path / "tiny"))


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert ";" in message, "names no mend"
    return message


def edit_json(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change bundle.json as an author with the hashes right would: the content is judged, not the digest."""
    import hashlib

    table = json.loads((folder / "bundle.json").read_text())
    change(table)
    table["sha256"] = "0" * 64
    text = json.dumps(table, indent=2)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / "bundle.json").write_text(text.replace("0" * 64, digest))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Change a file and its hash alike."""
    import hashlib

    (folder / name).write_bytes(content)
    edit_json(folder, lambda table: table["files"].update({name: hashlib.sha256(content).hexdigest()}))


def contents_of(loaded: Bundle) -> tuple[BundleInfo, bytes, bytes, str]:
    return loaded.info, loaded.onnx_bytes, loaded.weights_bytes, loaded.card


# What is written loads.


def test_round_trip(written: tuple[Path, Path]) -> None:
    folder, archive = written
    assert {path.name for path in folder.iterdir()} == FILES
    loaded = load_bundle(folder)
    assert loaded.path == folder
    assert loaded.onnx_bytes == tiny_onnx()
    assert loaded.weights_bytes == tiny_weights()
    assert loaded.card.startswith("# tiny\n")
    assert loaded.info.preprocessing.size_hw == (128, 128)
    assert loaded.info.files.keys() == FILES - {"bundle.json"}
    assert contents_of(load_bundle(archive)) == contents_of(loaded)


def test_every_field_comes_back(tmp_path: Path) -> None:
    changes = {
        "name": "Größe ñ",
        "network_settings": {"encoder": "lite0", "widths": [1, 2], "dropout": 0.1, "nothing": None},
        "calibration": {"scale": 1.25, "offset": -0.1 + 0.3, "n": 288, "fitted_on": "out-of-fold"},
        "training_sets": ({"source": "ddti", "num_images": 288, "sha256": "ab" * 32, "split": "folds 1-4"},),
        "scores": ({"name": "Dice", "value": 0.743, "low": 0.70, "high": None, "n": 68, "split": "fold 0"},),
        "versions": {"torch": "2.13.0"},
        "seed": 7,
        "notes": "two\nlines",
    }
    info = load_bundle(make_tiny_bundle(tmp_path / "b", **changes)).info
    assert info.name == "Größe ñ"
    assert info.network_settings == changes["network_settings"]
    assert info.calibration == Calibration(scale=1.25, offset=-0.1 + 0.3, n=288, fitted_on="out-of-fold")
    assert info.training_sets == (TrainingSet(source="ddti", num_images=288, sha256="ab" * 32, split="folds 1-4"),)
    assert info.scores == (Score(name="Dice", value=0.743, low=0.70, high=None, n=68, split="fold 0"),)
    assert (info.seed, info.notes) == (7, "two\nlines")
    again = write_bundle(tmp_path / "c", info, tiny_onnx(), tiny_weights(), "# tiny\n\nA stand-in for tests.\n")
    assert load_bundle(again).info == info, "a bundle of loaded parts is the same bundle"


def test_id_is_of_the_contents_not_of_the_place(written: tuple[Path, Path], tmp_path: Path) -> None:
    ids = {bundle_id(load_bundle(path).info) for path in written}
    assert len(ids) == 1
    assert len(ids.pop()) == 16
    other = load_bundle(make_tiny_bundle(tmp_path / "b", mask_threshold=0.6)).info
    assert bundle_id(other) != bundle_id(load_bundle(written[0]).info), "another threshold predicts otherwise"
    with pytest.raises(ValueError, match="only a written bundle"):
        bundle_id(other.model_copy(update={"sha256": ""}))


def test_zip_of_a_folder_as_people_make_it(tiny: Path, tmp_path: Path) -> None:
    (tiny / ".DS_Store").write_bytes(b"finder")
    archive = shutil.make_archive(str(tmp_path / "shared"), "zip", tiny.parent, tiny.name)
    assert contents_of(load_bundle(Path(archive))) == contents_of(load_bundle(tiny))


def test_zip_is_the_same_file_each_time(written: tuple[Path, Path], tmp_path: Path) -> None:
    assert make_tiny_bundle(tmp_path / "again.zip").read_bytes() == written[1].read_bytes()


def test_weights_are_read_late_and_verified_again(tiny: Path) -> None:
    loaded = load_bundle(tiny)
    (tiny / "weights.safetensors").write_bytes(tiny_weights()[:-1] + b"\0")
    with pytest.raises(BundleError, match=r"weights\.safetensors is damaged or was changed"):
        _ = loaded.weights_bytes


# What was touched does not.


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_one_changed_byte_anywhere_in_a_folder_is_refused(
    written: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "tampered"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(written[0], folder)
    path = folder / data.draw(st.sampled_from(sorted(FILES)))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    refusal(folder)


def test_every_single_byte_of_the_json_counts(tiny: Path) -> None:
    path = tiny / "bundle.json"
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        refusal(tiny)
    path.write_bytes(content)
    load_bundle(tiny)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_zip_is_refused_or_gives_the_same(
    written: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(written[1].read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "tampered.zip"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        loaded = contents_of(load_bundle(path))
    except BundleError:
        return
    assert loaded == contents_of(load_bundle(written[0]))


def test_unknown_and_missing_files(tiny: Path) -> None:
    (tiny / "extra.py").write_text("")
    assert "unknown to this version: extra.py; move them away" in refusal(tiny)
    (tiny / "extra.py").unlink()
    (tiny / "MODEL_CARD.md").unlink()
    assert "lacks MODEL_CARD.md" in refusal(tiny)
    (tiny / "bundle.json").unlink()
    assert "no bundle.json, so this is no bundle" in refusal(tiny)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda t: t.update(format_version=2), "bundle format 2, this version reads 1; update thyrosight"),
        (lambda t: t.update(format_version=0), "bundle format 0, this version reads 1; get the bundle again"),
        (lambda t: t.update(format_version="1"), "'format_version'"),
        (lambda t: t.update(surprise=1), "unknown key 'surprise'"),
        (lambda t: t["preprocessing"].update(mean=0.5), "unknown key 'preprocessing.mean'"),
        (lambda t: t["operating_points"][0].update(x=1), "unknown key 'operating_points.0.x'"),
        (lambda t: t.pop("calibration"), "'calibration'"),
        (lambda t: t.update(mask_threshold=1.5), "'mask_threshold'"),
        (lambda t: t.update(mask_threshold="0.5"), "'mask_threshold'"),
        (lambda t: t["preprocessing"].update(size_hw=[0, 128]), "'preprocessing.size_hw.0'"),
        (lambda t: t["preprocessing"].update(size_hw=[128, 10**9]), "'preprocessing.size_hw.1'"),
        (lambda t: t["preprocessing"].update(crop="roi"), "'preprocessing.crop'"),
        (lambda t: t["calibration"].update(scale=float("nan")), "NaN is no number"),
        (lambda t: t["calibration"].update(scale=float("inf")), "Infinity is no number"),
        (lambda t: t["files"].pop("model.onnx"), "does not list the bundle's files"),
        (lambda t: t["files"].update({"../evil": "0" * 63}), "does not list the bundle's files"),
        (lambda t: t["files"].update({"model.onnx": "0" * 63 + "1"}), "model.onnx is damaged or was changed"),
    ],
)
def test_claims_that_are_not_understood(tiny: Path, change: Callable[[dict[str, Any]], None], fragment: str) -> None:
    edit_json(tiny, change)
    assert fragment in refusal(tiny)


def test_edits_by_hand_are_noticed(tiny: Path) -> None:
    path = tiny / "bundle.json"
    path.write_text(path.read_text().replace('"mask_threshold": 0.5', '"mask_threshold": 0.9'))
    assert "bundle.json was changed after it was written" in refusal(tiny)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":1,"a":2}'])
def test_json_that_is_no_table(tiny: Path, content: bytes) -> None:
    (tiny / "bundle.json").write_bytes(content)
    assert "bundle.json" in refusal(tiny)


def nan_weights() -> bytes:
    return tiny_weights()[:-4] + struct.pack("<f", float("nan"))


def nan_onnx() -> bytes:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(tiny_onnx())
    bad = onnx.numpy_helper.from_array(np.array([1, np.nan], np.float32), "bad")
    model.graph.initializer.append(bad)
    return bytes(model.SerializeToString())


def external_onnx() -> bytes:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(tiny_onnx())
    model.graph.initializer[0].external_data.add(key="location", value="/dev/zero")
    model.graph.initializer[0].data_location = 1
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("name", "make", "fragment"),
    [
        ("weights.safetensors", nan_weights, "weights.safetensors: tensor mask_edge holds values that are not finite"),
        ("weights.safetensors", tiny_onnx, "weights.safetensors: "),
        ("model.onnx", nan_onnx, "model.onnx: tensor bad holds values that are not finite"),
        ("model.onnx", external_onnx, "model.onnx: keeps weights in another file"),
        ("model.onnx", tiny_weights, "model.onnx: "),
    ],
)
def test_contents_that_are_unsafe_neither_load_nor_are_written(
    tiny: Path, tmp_path: Path, name: str, make: Callable[[], bytes], fragment: str
) -> None:
    content = make()
    info = load_bundle(tiny).info
    replace_file(tiny, name, content)
    assert fragment in refusal(tiny)
    parts = {"model.onnx": tiny_onnx(), "weights.safetensors": tiny_weights()} | {name: content}
    with pytest.raises(BundleError) as caught:
        write_bundle(tmp_path / "new", info, parts["model.onnx"], parts["weights.safetensors"], "")
    assert fragment in str(caught.value)
    assert not (tmp_path / "new").exists()


# Paths and archives with bad intentions.


def test_links_and_folders_inside_are_refused(tiny: Path, tmp_path: Path) -> None:
    card = tiny / "MODEL_CARD.md"
    shutil.move(card, tmp_path / "card")
    card.symlink_to(tmp_path / "card")
    assert "MODEL_CARD.md is a link or no regular file" in refusal(tiny)
    card.unlink()
    card.mkdir()
    assert "MODEL_CARD.md is a link or no regular file" in refusal(tiny)


def test_links_in_the_shipped_bundle_are_an_installers_business(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    for path in tiny.iterdir():
        (shipped / path.name).symlink_to(path)
    monkeypatch.setattr(bundle, "default_bundle_path", lambda: shipped)
    assert contents_of(load_bundle()) == contents_of(load_bundle(tiny))


def rezip(source: Path, target: Path, rename: Callable[[str], str] = str, **extra: bytes | zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(rename(name), old.read(name))
        for name, content in extra.items():
            new.writestr(name.replace("__", "/"), content if isinstance(content, bytes) else b"")
    return target


@pytest.mark.parametrize("name", ["../{}", "a/../{}", "/{}", "a/b/{}", "..\\{}", "C:{}", "./{}", "a//{}", "../a/{}"])
def test_names_that_climb_are_refused(written: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    archive = rezip(written[1], tmp_path / "b.zip", lambda old: name.format(old))
    assert "no place in a bundle" in refusal(archive)
    assert {path.name for path in tmp_path.iterdir()} == {"b.zip"}


def test_archives_of_other_things(written: tuple[Path, Path], tmp_path: Path) -> None:
    assert "unknown to this version: evil.py" in refusal(rezip(written[1], tmp_path / "b.zip", **{"evil.py": b""}))
    two = rezip(written[1], tmp_path / "two.zip", **{"other__bundle.json": b"{}"})
    assert "more than one bundle" in refusal(two)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = rezip(written[1], tmp_path / "twice.zip", **{"model.onnx": b""})
    assert "a file twice" in refusal(twice)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert "no bundle.json" in refusal(tmp_path / "empty.zip")
    (tmp_path / "text.zip").write_text("no zip")
    assert "not a bundle folder, nor a sound zip" in refusal(tmp_path / "text.zip")


def with_entry(source: Path, target: Path, name: str, change: Callable[[zipfile.ZipInfo], None]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == name:
                change(entry)
            new.writestr(entry, content)
    return target


def test_links_and_unusual_compression_in_a_zip(written: tuple[Path, Path], tmp_path: Path) -> None:
    def as_link(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = 0o120777 << 16

    def as_lzma(entry: zipfile.ZipInfo) -> None:
        entry.compress_type = zipfile.ZIP_LZMA

    for change, fragment in ((as_link, "is a link or encrypted"), (as_lzma, "unusual way")):
        assert fragment in refusal(with_entry(written[1], tmp_path / "b.zip", "model.onnx", change))


def test_a_zip_bomb_is_not_inflated(written: tuple[Path, Path], tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(written[1]) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in old.namelist():
            new.writestr(name, bytes(20 << 20) if name == "bundle.json" else old.read(name))
    assert bomb.stat().st_size < 100_000
    assert "bundle.json is larger than 1,048,576 bytes" in refusal(bomb)
    lying = bytearray(bomb.read_bytes())  # the directory claims little, the stream gives much
    claimed = struct.pack("<I", 20 << 20)
    while (at := lying.find(claimed)) >= 0:
        lying[at : at + 4] = struct.pack("<I", 1000)
    bomb.write_bytes(lying)
    refusal(bomb)


def test_files_over_their_limit(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = bundle.MAX_BYTES | {"model.onnx": len(tiny_onnx())}
    monkeypatch.setattr(bundle, "MAX_BYTES", limits)
    monkeypatch.setattr(bundle_files, "MAX_BYTES", limits)
    info = load_bundle(tiny).info
    limits["model.onnx"] -= 1
    assert "model.onnx is larger than" in refusal(tiny)
    with pytest.raises(BundleError, match=r"model\.onnx would have"):
        write_bundle(tmp_path / "new", info, tiny_onnx(), tiny_weights(), "")


def test_paths_that_are_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such bundle" in refusal(tmp_path / "gone")
    assert "no bundle.json" in refusal(tmp_path)
    (tmp_path / "model.onnx").write_bytes(tiny_onnx())
    assert "nor a sound zip" in refusal(tmp_path / "model.onnx")
    monkeypatch.setattr(bundle, "default_bundle_path", lambda: tmp_path / "none")
    with pytest.raises(BundleError, match="ships no model; pass --bundle PATH, or train one"):
        load_bundle()


def test_shipped_model_is_sound_where_there_is_one() -> None:
    path = default_bundle_path()
    assert path.parts[-3:] == ("thyrosight", "models", "default")
    if not path.exists():
        pytest.skip(f"no shipped model yet: {path}")
    loaded = load_bundle()
    assert sum(file.stat().st_size for file in path.iterdir()) < 25e6
    assert loaded.info.scores
    assert loaded.info.training_sets


# Writing over something.


def test_an_older_bundle_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("b", "b.zip"):
        make_tiny_bundle(tmp_path / name)
        make_tiny_bundle(tmp_path / name, name="newer")
        assert load_bundle(tmp_path / name).info.name == "newer"
    assert {path.name for path in tmp_path.iterdir()} == {"b", "b.zip"}


def test_what_is_no_bundle_is_never_replaced(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("years")
    (tmp_path / "file").write_text("x")
    (tmp_path / "note.zip").write_text("x")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.jpg", b"")
    (tmp_path / "link").symlink_to(tiny)
    for name in ("work", "file", "note.zip", "photos.zip", "link"):
        with pytest.raises(BundleError, match="exists and is not a bundle, so it is not replaced; choose another path"):
            make_tiny_bundle(tmp_path / name)
    assert (tmp_path / "work" / "thesis.tex").read_text() == "years"
    (tmp_path / "new").mkdir()
    make_tiny_bundle(tmp_path / "new")
    make_tiny_bundle(tmp_path / "deeper" / "still" / "b.zip")


def test_a_failed_write_keeps_the_older_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_bundle(tmp_path / "b")
    before = contents_of(load_bundle(tmp_path / "b"))
    write_new = files._write_new

    def fail(path: Path, content: bytes) -> None:
        if path.name == "MODEL_CARD.md":
            raise OSError(28, "No space left on device")
        write_new(path, content)

    monkeypatch.setattr(files, "_write_new", fail)
    with pytest.raises(InputError, match="No space left"):
        make_tiny_bundle(tmp_path / "b", name="newer")
    assert contents_of(load_bundle(tmp_path / "b")) == before
    assert os.listdir(tmp_path) == ["b"]


@pytest.mark.parametrize("settings_", [{"x": float("nan")}, {"x": object()}])
def test_settings_that_json_can_not_say(tmp_path: Path, settings_: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match=r"bundle\.json can't be written"):
        make_tiny_bundle(tmp_path / "b", network_settings=settings_)
    assert os.listdir(tmp_path) == []


def test_copies_are_validated_before_they_are_written(tmp_path: Path, written: tuple[Path, Path]) -> None:
    info = load_bundle(written[0]).info.model_copy(update={"mask_threshold": 7.0})
    with pytest.raises(BundleError, match="mask_threshold"):
        write_bundle(tmp_path / "b", info, tiny_onnx(), tiny_weights(), "")


def test_info_is_frozen_and_strict(written: tuple[Path, Path]) -> None:
    info = load_bundle(written[0]).info
    with pytest.raises(ValueError, match="frozen"):
        info.name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="finite"):
        Calibration(scale=float("nan"))


def test_loading_needs_no_training_library(written: tuple[Path, Path]) -> None:
    code = (
        "import sys; from pathlib import Path; from thyrosight.bundle.store import load_bundle\n"
        "load_bundle(Path(sys.argv[1]))\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'safetensors', 'PIL', 'cv2', 'jinja2'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code, written[0]], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_card_is_found_beside_the_bundle(written: tuple[Path, Path]) -> None:
    assert model_card(load_bundle(written[0]).info).startswith("# tiny\n")


def test_the_shipped_model_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text alone is the name: a folder of that name is reached by a path."""
    assert bundle_path("shipped") == bundle_path(None) == default_bundle_path()
    assert load_bundle("shipped").info == load_bundle().info
    monkeypatch.chdir(tmp_path)
    assert bundle_path(Path("shipped")) == Path("shipped")
    assert bundle_path("./shipped") == Path("shipped")
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle("./shipped")


def test_the_record_of_seen_images_comes_back_and_its_damage_is_told(tiny: Path, tmp_path: Path) -> None:
    made = load_bundle(tiny)
    sketch = np.arange(288, dtype=np.uint8)
    prints = [ImagePrint(bytes([k] * 8), bytes([k + 1] * 8), sketch + k) for k in (3, 1, 3)]
    seen = SeenImages.of(prints)
    for name in ("folder", "one.zip"):
        path = write_bundle(tmp_path / name, made.info, made.onnx_bytes, made.weights_bytes, made.card, seen)
        back = load_bundle(path)
        assert len(back.seen) == 2, "the same image counts once"
        assert back.seen.files == {b"\1" * 8, b"\3" * 8}
        assert back.seen.pixels == {b"\2" * 8, b"\4" * 8}
        assert (back.seen.sketches_NK == np.stack([sketch + 1, sketch + 3])).all()
    record = tmp_path / "folder" / "seen_images.bin"
    record.write_bytes(record.read_bytes()[:-1])
    assert "seen_images.bin is damaged" in refusal(tmp_path / "folder")
    record.unlink()
    assert "does not list the bundle's files" in refusal(tmp_path / "folder")
    assert len(load_bundle(tiny).seen) == 0
    with pytest.raises(ValueError, match="cut off"):
        SeenImages.from_bytes(seen.to_bytes()[:-1])


def test_another_network_is_not_replaced(tiny: Path, tmp_path: Path) -> None:
    made = load_bundle(tiny)
    path = write_bundle(tmp_path / "kept", made.info, made.onnx_bytes, made.weights_bytes, made.card)
    refuse_other_network(path, made.weights_bytes)
    refuse_other_network(tmp_path / "new", b"whatever")
    with pytest.raises(BundleError, match=r"kept: holds another network \(tiny\), so it is not replaced"):
        refuse_other_network(path, made.weights_bytes + b" ")
