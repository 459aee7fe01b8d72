"""Pascal VOC: one XML per image with boxes -> cases. A box is no outline: the cases have boxes, and no mask."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

from thyrosight.datasets.boxes import box_of
from thyrosight.datasets.formats.annotation_files import xml_below, xml_root
from thyrosight.datasets.formats.shapes import Annotated, AnnotatedShape, Images, data_set_of_files, read_each
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.errors import InputError
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.words import SPLIT_WORDS

NAME = "voc"


def recognise(folder: Path) -> bool:
    """A folder with XML files that open `<annotation>`."""
    return folder.is_dir() and bool(xml_below(folder, b"annotation"))


def read(request: Request) -> DataSet:
    """VOC folder -> one case per XML whose image is there; ImageSets/Main/{train,val,test}.txt give the split."""
    images, splits = Images(request.folder), _splits(request.folder)

    def read_one(path: Path) -> Annotated | None:
        root = xml_root(path)
        image = images.find(path.stem, path.parent) or images.find(root.findtext("filename") or "", path.parent)
        if image is None:
            return None
        size_hw = _whole(root.findtext("size/height")), _whole(root.findtext("size/width"))
        shapes = tuple(_shape(one) for one in root.iter("object"))
        return Annotated(image, shapes, split=splits.get(path.stem, ""), size_hw=size_hw)

    files = read_each(xml_below(request.folder, b"annotation"), read_one)
    return data_set_of_files(request, NAME, "XML", images, files)


def _shape(thing: Element) -> AnnotatedShape:
    """<object> -> its shape.

    Its corners are read as in TN5000: x counts from the left border, and the second corner is outside the box.
    """
    texts = [thing.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x0, y0, x1, y1 = (float(text or "") for text in texts)
    except ValueError:
        raise InputError(f"a bndbox of {texts}; it needs four numbers") from None
    return AnnotatedShape((thing.findtext("name") or "").strip(), None, box_of(x0, y0, x1, y1))


def _whole(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() else 0


def _splits(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in files_below(folder):
        if path.suffix.casefold() == ".txt" and path.parent.name == "Main" and path.stem.casefold() in SPLIT_WORDS:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found.update({line.split()[0]: SPLIT_WORDS[path.stem.casefold()] for line in lines if line.strip()})
    return found


SET = KnownSet(name=NAME, recognise=recognise, read=read)
