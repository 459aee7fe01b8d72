"""Shards, a condition -> the results folder of the images that fulfil it, as `predict` would have written it.

The condition is a small language of comparisons, which is parsed here and never run as code.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from thyrosight.archive.predict_rows import in_one_line
from thyrosight.archive.schema import IMAGE_COLUMNS, Row, mask_of, prediction_of, pyarrow
from thyrosight.archive.shards import IMAGES, done_shards
from thyrosight.archive.sources import ListedImage, find_items, read_place
from thyrosight.archive.store import open_store
from thyrosight.errors import ConfigError, InputError
from thyrosight.files import sha256_of_bytes
from thyrosight.frames.load import frames_of
from thyrosight.inference.predict_file import ReadOptions
from thyrosight.prediction import Prediction
from thyrosight.results.case_folder import check_case_folder, write_case
from thyrosight.results.layout import CLIP_NAME, MASK_NAME, OVERLAY_NAME, RESULT_NAME, FailedFile
from thyrosight.results.overlay import draw_overlay
from thyrosight.results.png import mask_png, picture_png
from thyrosight.results.report import write_results
from thyrosight.types import Frame

EXAMPLE = 'e.g. "risk > 0.7 and num_nodules >= 1"'
MAX_CONDITION = 2000
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
COMPARED = tuple(name for name, kind in IMAGE_COLUMNS.items() if kind in ("string", "int32", "float64"))


def condition_of(text: str) -> Any:
    """`risk > 0.7 and not model == "x"` -> a pyarrow expression. ConfigError for anything else."""
    try:
        if len(text) > MAX_CONDITION:
            raise ValueError("it is too long")
        return _expression(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(
            f"--where {text[:200]!r}: {reason}; compare columns with numbers or texts by < <= > >= == !=, joined by "
            f"and, or, not, {EXAMPLE}"
        ) from None


def _expression(node: ast.expr) -> Any:
    pc = pyarrow().compute

    if isinstance(node, ast.BoolOp):
        parts = [_expression(value) for value in node.values]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part if isinstance(node.op, ast.And) else joined | part
        return joined
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_expression(node.operand)
    if isinstance(node, ast.Compare):
        values = [_value(part) for part in (node.left, *node.comparators)]
        joined = None
        for left, operator, right in zip(values, node.ops, values[1:], strict=False):
            if type(operator) not in _COMPARISONS:
                raise ValueError("only < <= > >= == != compare")
            one = getattr(pc, _COMPARISONS[type(operator)])(left, right)
            joined = one if joined is None else joined & one
        return joined
    raise ValueError("it is no comparison")


def _value(node: ast.expr) -> Any:
    pc = pyarrow().compute

    if isinstance(node, ast.Name):
        if node.id not in COMPARED:
            raise ValueError(f"no column {node.id!r}; there are {', '.join(COMPARED)}")
        return pc.field(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = ast.Constant(-node.operand.value) if isinstance(node.operand, ast.Constant) else node  # type: ignore[operator]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return pc.scalar(node.value)
    raise ValueError("a side is neither a column nor a value")


def selected_rows(shards: str, where: str | None) -> Iterator[Row]:
    """Place of a run (or one of its Parquet files), condition -> the rows that fulfil the condition, shard by shard."""
    pa = pyarrow()
    condition = condition_of(where) if where else None
    one = shards.endswith(".parquet")
    store = open_store(shards.rpartition("/")[0] or "." if one else shards)
    names = [shards.rpartition("/")[2]] if one else [f"{IMAGES}/{name}" for name in sorted(done_shards(store))]
    if not names:
        raise InputError(f"{shards}: holds no shard that is done; give the folder of `predict --output parquet`")
    for name in names:
        content = store.read(name)
        if content is None:
            raise InputError(f"{store.name}/{name}: no such file; check the path")
        try:
            table = pa.parquet.read_table(io.BytesIO(content))
            kept = table if condition is None else table.filter(condition)
            yield from kept.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{store.name}/{name}: can't be read ({error}); predict this shard again") from error


def write_selection(shards: str, where: str | None, out: Path, images: Sequence[str] = (), limit: int = 1000) -> Path:
    """Shards, condition -> OUT with case folders, results.csv and report.html of the chosen images; returns the report.

    images: the sources of the run. Shards hold no pictures, so overlays are drawn only where the sources are given.
    InputError where no image fulfils the condition, or more than `limit` images do.
    """
    places = {item.name: item for item in find_items(list(images)).items} if images else {}
    failures: list[FailedFile] = []
    num = 0
    for row in selected_rows(shards, where):
        num += 1
        if num > limit:
            raise InputError(f"{shards}: more than {limit} images fulfil the condition; narrow it, or raise --limit")
        if num == 1:
            out.mkdir(parents=True, exist_ok=True)
        if row["prediction"] is None:
            failures.append(FailedFile(row["file"], row["error"]))
            continue
        check_case_folder(out / row["case_id"])
        write_case(out / row["case_id"], _case_files(row, places.get(row["file"])))
    if num == 0:
        raise InputError(f"{shards}: no image fulfils {where!r}; there is nothing to report")
    return write_results(out, failures)


def _case_files(row: Row, item: ListedImage | None) -> dict[str, bytes]:
    """Row -> the files of its case folder; without `item`, the place of the image, there is no overlay."""
    prediction = prediction_of(row)
    files = {MASK_NAME: mask_png(mask_of(row["mask"]))}
    if item is not None:
        files[OVERLAY_NAME] = picture_png(draw_overlay(_frame(item, prediction), prediction))
    if row["clip"] is not None:
        files[CLIP_NAME] = row["clip"].encode()
    return files | {RESULT_NAME: prediction.to_json().encode()}


def _frame(item: ListedImage, prediction: Prediction) -> Frame:
    """Image of a run, its prediction -> the frame that was predicted. InputError where the file has changed."""
    data = read_place(item.place)
    if sha256_of_bytes(data) != prediction.image.sha256:
        raise InputError(f"{item.name}: is another file than the one that was predicted; give its folder as it was")
    reading = ReadOptions(prediction.image.frame_index)
    with frames_of(data, Path(item.name)) as file:
        try:
            return file.frame(reading.frame_index or 0)
        except InputError as error:
            raise InputError(in_one_line(str(error), item)) from error
