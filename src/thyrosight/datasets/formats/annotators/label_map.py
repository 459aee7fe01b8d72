"""CVAT's labelmap.txt (colours of classes) -> an error that asks which classes are nodules, unless all of them are."""

from __future__ import annotations

import re

from thyrosight.datasets.sets.layout import Request
from thyrosight.errors import InputError
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.names import is_nodule_name

_LABEL_COLOUR = re.compile(r"^([^#:\n][^:\n]*):(\d{1,3}),(\d{1,3}),(\d{1,3}):", re.MULTILINE)


def refuse_unnamed_classes(request: Request) -> None:
    """InputError where CVAT's labelmap.txt names other classes than nodules, and the caller has chosen no colour."""
    for path in files_below(request.folder):
        if path.name.casefold() != "labelmap.txt" or request.nodule_labels:
            continue
        found = _LABEL_COLOUR.findall(path.read_text(encoding="utf-8", errors="replace"))
        names = {name: f"#{int(r):02x}{int(g):02x}{int(b):02x}" for name, r, g, b in found}
        classes = {name: colour for name, colour in names.items() if colour != "#000000"}
        nodules = {name: colour for name, colour in classes.items() if is_nodule_name(name)}
        if len(classes) > 1 and nodules != classes:
            wanted = nodules or dict([next(iter(classes.items()))])
            options = " ".join(f'--mask-label "nodule={colour}"' for colour in wanted.values())
            raise InputError(
                f"{path}: which colours are nodules? There: {', '.join(classes)}; best guess ({', '.join(wanted)}): "
                f"thyrosight prepare {request.folder} -o OUT {options}"
            )
