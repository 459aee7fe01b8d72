"""docs/notebook.ipynb -> the same with the outputs of its code cells, which run in a temporary folder."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
MAX_PNG_SIDE = 240

Cell = dict[str, Any]


def executed(cells: list[Cell]) -> list[Cell]:
    """Cells of a notebook -> the same with new outputs; they run in order, in one name space, in the current folder.

    Raises what a cell raises.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    done = []
    number = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            number += 1
            outputs = run_cell("".join(cell["source"]), names, number)
            cell = cell | {"outputs": outputs, "execution_count": number}
        done.append(cell)
    return done


def run_cell(source: str, names: dict[str, Any], number: int) -> list[Cell]:
    """Source, name space -> what the cell prints, and its last value as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"<cell {number}>", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), f"<cell {number}>", "eval"), names)
    outputs: list[Cell] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(True)})
    if value is not None:
        shown = {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data_of(value)}
        outputs.append(shown)
    return outputs


def data_of(value: Any) -> dict[str, Any]:
    """A value -> its text, and its HTML or PNG where it has one."""
    data: dict[str, Any] = {"text/plain": re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(value)).splitlines(True)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_().splitlines(True)
    elif hasattr(value, "thumbnail"):
        small, stream = value.copy(), io.BytesIO()
        small.thumbnail((MAX_PNG_SIDE, MAX_PNG_SIDE))
        small.save(stream, "PNG", optimize=True)
        data["image/png"] = base64.b64encode(stream.getvalue()).decode()
    return data


def main() -> None:
    """Writes the notebook anew."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            notebook["cells"] = executed(notebook["cells"])
        finally:
            os.chdir(here)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
