"""Rows of some images -> one shard: images/part-00000.parquet and nodules/part-00000.parquet, whole or absent.

The file in images/ is written last: a shard is done when this file is there. The manifest states the run; a second run
into the same place must have the same settings and images, and makes the shards that are missing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from thyrosight.archive.schema import (
    FAILED,
    FORMAT_VERSION,
    IMAGE_COLUMNS,
    NODULE_COLUMNS,
    Row,
    arrow_schema,
    pyarrow,
)
from thyrosight.archive.sources import ListedImage
from thyrosight.archive.store import TableStore
from thyrosight.errors import InputError
from thyrosight.inference.onnx_runtime import CPU

MANIFEST_NAME, KIND = "manifest.json", "thyrosight archive"
IMAGES, NODULES = "images", "nodules"
DEFAULT_SHARD_ROWS = 1000
SAME = ("format_version", "kind", "model", "settings", "shard_rows", "num_images", "images_sha256")
"""Fields of the manifest that all runs into one place must share."""


@dataclass(frozen=True)
class ShardPlan:
    """The images of a run and how many of them a shard holds."""

    items: Sequence[ListedImage]
    shard_rows: int

    @property
    def num_shards(self) -> int:
        return -(-len(self.items) // self.shard_rows)

    def items_of(self, index: int) -> Sequence[ListedImage]:
        """Number of a shard -> its images."""
        return self.items[index * self.shard_rows : (index + 1) * self.shard_rows]


def images_sha256(items: Iterable[ListedImage]) -> str:
    """-> the SHA-256 of all names and case ids; it shows whether the list of images has changed."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.name}\0{item.case_id}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def part_name(index: int) -> str:
    """Number of a shard -> the name of its file in both tables."""
    return f"part-{index:05d}.parquet"


def done_shards(store: TableStore) -> set[str]:
    """-> the file names of the shards that are done."""
    return {name for name in store.names(IMAGES) if name.startswith("part-") and name.endswith(".parquet")}


def write_shard(store: TableStore, index: int, rows: Sequence[Row], model: str) -> int:
    """Rows of a shard's images, in order -> its two files; returns how many images failed."""
    images = [_decoded(row["image"]) for row in rows]
    nodules = [nodule for row in rows for nodule in row["nodules"]]
    name = part_name(index)
    store.write(f"{NODULES}/{name}", _parquet(nodules, NODULE_COLUMNS, model))
    store.write(f"{IMAGES}/{name}", _parquet(images, IMAGE_COLUMNS, model))
    return sum(image["status"] == FAILED for image in images)


def _decoded(image: Row) -> Row:
    text = {name: _clean(value) if isinstance(value, str) else value for name, value in image.items()}
    return text | {"mask": base64.b64decode(image["mask"]) if image["mask"] is not None else None}


def _clean(text: str) -> str:
    """Text -> the same in valid UTF-8, as Arrow needs it; bytes that are not UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parquet(rows: list[Row], columns: dict[str, str], model: str) -> bytes:
    """Rows -> the bytes of a Parquet file; equal rows give equal bytes."""
    pa = pyarrow()
    facts = {"thyrosight.format_version": str(FORMAT_VERSION), "thyrosight.model": model}
    table = pa.Table.from_pylist(rows, schema=arrow_schema(columns, facts))
    stream = io.BytesIO()
    pa.parquet.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def open_manifest(store: TableStore, manifest: dict[str, Any], *, overwrite: bool) -> None:
    """Write the run's manifest.json.

    InputError where the store holds the manifest of another run, or tables without a manifest.

    overwrite: another run's manifest is replaced.
    """
    earlier = read_manifest(store)
    if earlier is None and (store.names(IMAGES) or store.names(NODULES)):
        raise InputError(f"{store.name}: holds tables without a {MANIFEST_NAME}; choose another place")
    if earlier is not None and not overwrite:
        earlier["settings"] = {"device": CPU} | earlier.get("settings", {})  # before --device all were on the CPU
        for name in SAME:
            if earlier.get(name) != manifest[name]:
                raise InputError(
                    f"{store.name}: holds a run with another {name.replace('_', ' ')}; choose another place, or pass "
                    "--overwrite"
                )
    write_manifest(store, manifest)


def write_manifest(store: TableStore, manifest: dict[str, Any]) -> None:
    """Facts of the run so far -> manifest.json."""
    store.write(MANIFEST_NAME, (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())


def read_manifest(store: TableStore) -> dict[str, Any] | None:
    """-> the manifest; None where there is none. InputError where this program did not write the file."""
    content = store.read(MANIFEST_NAME)
    if content is None:
        return None
    try:
        manifest = dict(json.loads(content))
        if manifest["kind"] == KIND:
            return manifest
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{store.name}/{MANIFEST_NAME}: not ours; choose another place")
