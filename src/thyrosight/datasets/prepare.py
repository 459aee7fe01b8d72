"""A labelled set as its authors publish it -> OUT/cases.csv, OUT/dataset.json and OUT/contact_sheet.png."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from thyrosight.datasets.csv_file import csv_lines
from thyrosight.datasets.formats.folders import holds_masks
from thyrosight.datasets.known_sets import KNOWN_SETS
from thyrosight.datasets.sets import SETS, own_csv, tn5000
from thyrosight.datasets.sets.layout import DataSet, Request
from thyrosight.datasets.table import COLUMNS, REQUIRED, write_cases
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault, readable, write_atomic
from thyrosight.files.earlier_files import json_table, refuse_strangers
from thyrosight.folders.content import holds_masks_alone, unpaired_masks
from thyrosight.folders.tree import what_is_in
from thyrosight.types import Case, Json, Progress, whole_given

if TYPE_CHECKING:
    from thyrosight.datasets.scan import ImageFacts


MAX_HOLD_OUT = 0.9


@dataclass(frozen=True)
class PrepareSummary:
    """What `prepare` found and wrote. notes are sentences for the user; left_out: reason -> images without a row."""

    cases_csv: Path
    source: str
    num_images: int
    num_outlined: int
    num_empty_masks: int
    num_high: int
    num_low: int
    num_unlabelled: int
    num_groups: int
    folds: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrepareOptions:
    """How a set becomes cases.csv."""

    source: str | None = None
    """Name of a set (thyrosight.datasets.known_sets.KNOWN_SETS); None: it is recognised by its layout."""
    folds: int = 5
    """Folds, made of whole groups; 0: none. Folds that the set gives are kept."""
    fewer_folds: bool = False
    """Make fewer folds than `folds` where there are too few groups."""
    hold_out: float = 0.0
    """Share of the images that becomes the test split, in whole groups; a test split that the set gives is kept."""
    seed: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    """Role -> column, for a CSV of your own."""
    refold: bool = False
    """Join the groups of near-duplicates and make new folds, even where the set gives its own."""
    keep_leaks: bool = False
    """Keep training images whose group has an image in the test split."""
    keep_partial: bool = False
    """Use a mask even where some of its outlines are lost in the file."""
    official_split: bool = False
    """Take the split of the publication for a set that also has folds (tn5000)."""
    malignant: str | None = None
    """Of a CSV: which values of a column are malignant ("tirads>=4b"), instead of its label column."""
    nodule_labels: tuple[str, ...] = ()
    """Labels of mask files that are nodules, as written there (a number, or a colour "#rrggbb"); empty: all."""

    def __post_init__(self) -> None:
        whole_given("folds", self.folds)
        whole_given("seed", self.seed)
        if not 0 <= self.hold_out <= MAX_HOLD_OUT:
            raise InputError(f"hold_out={self.hold_out!r}: give a share of the images, 0 to {MAX_HOLD_OUT}")


DEFAULT_OPTIONS = PrepareOptions()
OF_TOOLS = frozenset(("coco", "cvat", "via", "supervisely", "labelme", "yolo"))
"""Layouts of annotation tools, next to which masks may be images as well."""
CONTACT_SHEET = "contact_sheet.png"
"""A picture of the images with their outlines; look at it before a training."""


def prepare(
    folder: Path | str,
    out: Path | str,
    options: PrepareOptions = DEFAULT_OPTIONS,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Folder of a labelled set (or one CSV) -> cases.csv, dataset.json and contact_sheet.png in `out`.

    progress is called with (images done, images in all). InputError where the layout is unknown, no image can be used,
    or `out` holds files of these names that prepare did not write.
    """
    from thyrosight.datasets.pictures.alpha_masks import with_alpha_masks
    from thyrosight.datasets.scan import in_order, notes_on_masks, scan_case

    folder, out = Path(folder), Path(out)
    refuse_a_table_of_others(out / "cases.csv")
    request = Request(
        folder,
        out / "masks",
        options.columns,
        keep_partial=options.keep_partial,
        official_split=options.official_split,
        malignant=options.malignant,
        nodule_labels=options.nodule_labels,
    )
    data_set = read_set(request, options.source)
    if not data_set.cases:
        why = "; ".join(data_set.left_out)
        raise InputError(
            f"{folder}: recognised as {data_set.source}, but it holds no image that can be used; "
            f"{why or 'check the folder'}"
        )
    absolute = [
        replace(case, image=case.image.resolve(), mask=case.mask.resolve() if case.mask else None)
        for case in data_set.cases
    ]
    absolute, in_alpha, cut_out = with_alpha_masks(absolute, out)
    keep = frozenset(options.nodule_labels) or None
    every_fact = list(in_order(lambda case: scan_case(case, keep, out / "masks"), absolute, workers, progress))
    refuse_unnamed_labels(every_fact)
    cases, facts, left_out = _usable_cases(absolute, every_fact)
    turned = [*_turned_alone(facts), *notes_on_masks(facts)]
    cases, notes = _in_groups(cases, facts, data_set.join_duplicates or options.refold)
    try:
        cases, more_notes = _in_folds_and_splits(cases, options)
    except InputError as error:
        raise InputError(f"{error}{_lost_before(every_fact)}") from None
    if not options.keep_leaks:
        cases, num_leaks = without_leaks(cases)
        left_out["training or validation image in one group with a test or validation image"] = num_leaks
    if folder.is_file() and not any(case.mask for case in cases) and holds_masks(folder.parent):
        notes.append(f"masks next to the images are not in the table; to take them, give the folder: {folder.parent}")
    everything_out = {why: number for why, number in {**data_set.left_out, **cut_out, **left_out}.items() if number}
    all_notes = (*data_set.notes, *in_alpha, *turned, *notes, *more_notes)
    data_set = replace(data_set, left_out=everything_out, notes=all_notes)
    return _write(out, cases, facts, data_set, options.seed)


def read_set(request: Request, source: str | None) -> DataSet:
    """Request, name of a set (None: it is recognised) -> the set. InputError where name or layout are unknown."""
    if source is not None and source not in KNOWN_SETS:
        raise InputError(f"unknown source '{source}'; known: {', '.join(KNOWN_SETS)}")
    if not request.folder.exists():
        raise InputError(f"{request.folder}: no such folder or file")
    name = source or recognise(request.folder)
    _refuse_without_effect(request, name)
    return KNOWN_SETS[name].read(request)


def _refuse_without_effect(request: Request, name: str) -> None:
    """InputError where the request has a choice that the layout of this name has no use for."""
    is_published = name in SETS and name != own_csv.SET.name
    given = {
        "--column": is_published and bool(request.columns),
        "--malignant": is_published and request.malignant is not None,
        "--official-split": name != tn5000.SET.name and request.official_split,
    }
    for option in (option for option, is_idle in given.items() if is_idle):
        raise InputError(f"{request.folder}: {option} has no effect on the layout {name}; leave it out")


def recognise(folder: Path) -> str:
    """Folder or CSV -> the name of its layout. InputError where no layout fits; it names what is there."""
    for name, known in KNOWN_SETS.items():
        if known.recognise(folder):
            if name in OF_TOOLS and holds_masks(folder):
                command = f"thyrosight prepare {folder} -o OUT --source"
                raise InputError(
                    f"{folder}: holds annotations ({name}) and masks as images as well; choose: {command} {name}, or "
                    f"{command} folders"
                )
            return name
    if holds_masks_alone(folder):
        raise InputError(
            f"{folder}: holds masks and no images; point at the folder that holds both, or write a CSV with the "
            "columns image, mask, malignancy, patient and give it to prepare"
        )
    if (pair := unpaired_masks(folder)) is not None:
        image, mask = (path.relative_to(folder).as_posix() for path in pair)
        raise InputError(
            f"{folder}: {mask} is a mask, and nothing tells which of the images ({image}) it belongs to; give each "
            "mask the name of its image, in the folders images/ and masks/, or write a CSV with the columns image, "
            "mask, malignancy, patient and give it to prepare"
        )
    raise InputError(f"{folder}: not a layout that is known ({', '.join(KNOWN_SETS)}); {what_is_in(folder)}")


def without_leaks(cases: Sequence[Case]) -> tuple[list[Case], int]:
    """Cases -> (the cases without leaks, the number of leaks). The order of the splits is train, val, test.

    A case is a leak where its group also has a labelled image in a later split. An image of the test split stays.
    """
    order = ("train", "val", "test")
    last: dict[str, int] = {}
    for case in cases:
        if case.mask or case.malignancy is not None:
            last[case.group] = max(last.get(case.group, 0), order.index(case.split or "train"))
    kept = [case for case in cases if order.index(case.split or "train") >= last.get(case.group, 0)]
    return kept, len(cases) - len(kept)


def _usable_cases(
    cases: Sequence[Case], facts: Sequence[ImageFacts]
) -> tuple[list[Case], list[ImageFacts], dict[str, int]]:
    """Cases, their facts -> (the cases that can be used, their facts, {reason: number of cases that can't})."""
    kept: list[tuple[Case, ImageFacts]] = []
    for case, one in zip(cases, facts, strict=True):
        if one.fault is None and one.mask_fault is None:
            row_mm, column_mm = case.row_mm or one.row_mm, case.column_mm or one.column_mm
            placed = replace(case, fov=one.fov, panels=one.panels, row_mm=row_mm, column_mm=column_mm)
            kept.append((replace(placed, mask=one.mask, image_sha256=one.sha256), one))
    bad_images = [one for one in facts if one.fault is not None]
    bad_masks = [(one, case.mask) for case, one in zip(cases, facts, strict=True) if one.mask_fault is not None]
    if not kept:
        first = bad_images[0].fault if bad_images else bad_masks[0][0].mask_fault
        raise InputError(f"none of the {len(cases)} images can be used; the first: {first}")
    # the file's name only: dataset.json does not state where the set is stored
    left_out = {f"unreadable image, e.g. {readable(bad_images[0].path.name)}": len(bad_images)} if bad_images else {}
    if bad_masks:
        one, mask = bad_masks[0]
        why = str(one.mask_fault).replace(str(mask), readable(mask.name) if mask else "")
        left_out[f"image whose mask can't be used, e.g. {why}"] = len(bad_masks)
    return [case for case, _ in kept], [one for _, one in kept], left_out


def _lost_before(facts: Sequence[ImageFacts]) -> str:
    """-> a last sentence for errors that unusable images may have caused; empty where all images can be used."""
    faults = [one.fault or one.mask_fault for one in facts if one.fault or one.mask_fault]
    return f"; {len(faults)} images were left out before, the first: {faults[0]}" if faults else ""


def _turned_alone(facts: Sequence[ImageFacts]) -> list[str]:
    """-> a note on images with an orientation tag whose masks have none: they may not fit, although the sizes agree."""
    turned = [one for one in facts if one.is_turned_alone]
    return (
        [
            f"{len(turned)} images are shown turned or mirrored by their orientation tag, and their masks have none, "
            f"e.g. {readable(turned[0].path.name)}: look in {CONTACT_SHEET} whether the outlines are on the nodules"
        ]
        if turned
        else []
    )


def refuse_unnamed_labels(facts: Sequence[ImageFacts]) -> None:
    """InputError where a label encloses another label in some masks and is the only label in others.

    Such a label may be the gland, which would pass as a nodule.
    """
    nested = [one for one in facts if one.outer_label is not None]
    alone = [one for one in facts if one.mask_levels in {(other.outer_label,) for other in nested}]
    if alone:
        raise InputError(
            f"{nested[0].mask_fault}; {len(alone)} other masks hold label {nested[0].outer_label} alone, e.g. "
            f"{readable(alone[0].mask.name) if alone[0].mask else ''}"
        )


def refuse_a_table_of_others(path: Path) -> None:
    """InputError where `path` is a table that `prepare` did not write, or where its folder is a file."""
    if path.parent.exists() and not path.parent.is_dir():
        raise InputError(f"{path.parent}: a file, where a folder is needed; choose another path with -o")
    if not path.exists():
        # A run that was ended left dataset.json alone.
        refuse_strangers([path.with_name("dataset.json")], is_dataset_record, "written by prepare")
        refuse_strangers([path.with_name(CONTACT_SHEET)], lambda there: False, "written by prepare")
        return
    try:
        header = csv_lines(path, errors="surrogateescape")[:1]
    except InputError as error:
        raise_disk_fault(error)
        header = []
    is_ours = bool(header) and set(REQUIRED) <= set(header[0]) <= set(COLUMNS)
    if not (is_ours and (path.parent / "dataset.json").is_file()):
        raise InputError(f"{path}: is there already and was not written by prepare; choose another folder with -o")


def is_dataset_record(path: Path) -> bool:
    """Whether the file is a dataset.json that `prepare` wrote."""
    return {"format_version", "counts", "class_balance", "sizes"} <= json_table(path).keys()


def _in_groups(cases: list[Case], facts: Sequence[ImageFacts], join_duplicates: bool) -> tuple[list[Case], list[str]]:
    """Cases -> (the same, each with a group; notes). facts: one ImageFacts per case, in the same order."""
    from thyrosight.datasets.split import with_groups

    if all(case.group for case in cases) and not join_duplicates:
        return cases, []
    num_before = len({case.group or case.case_id for case in cases})
    cases = with_groups(cases, [one.print for one in facts])
    num_groups = len({case.group for case in cases})
    return cases, [f"groups: near-duplicate images are kept together ({num_before} groups became {num_groups})"]


def _in_folds_and_splits(cases: list[Case], options: PrepareOptions) -> tuple[list[Case], list[str]]:
    """Cases with groups -> (the same with split and fold, notes)."""
    from thyrosight.datasets.split import folds_that_fit, with_folds, with_hold_out

    notes = []
    if options.refold:
        cases = [replace(case, fold=None) for case in cases]
    if options.hold_out and any(case.split == "test" for case in cases):
        notes.append("hold-out not made: the set gives a test split")
    elif options.hold_out:
        held = with_hold_out(cases, options.hold_out, options.seed)
        cases = [replace(case, fold=None if case.split == "test" else case.fold) for case in held]
    inside = [case for case in cases if case.split != "test"]
    if inside and all(case.fold is not None for case in inside):
        notes.append("folds: taken as the set gives them")
        if broken := _num_divided_groups(inside):
            notes.append(
                f"{broken} groups reach over several of those folds, scores would be too good: prepare with refold"
            )
    elif options.folds and inside:
        folds = folds_that_fit(inside, options.folds) if options.fewer_folds else options.folds
        cases = with_folds(cases, folds, options.seed)
        notes.append(f"folds: {folds}, made of whole groups, balanced on class and count, seed {options.seed}")
    return cases, notes


def _num_divided_groups(cases: Sequence[Case]) -> int:
    """-> the number of groups that are in more than one fold."""
    pairs = {(case.group, case.fold) for case in cases}
    return sum(number > 1 for number in Counter(group for group, _ in pairs).values())


def _write(out: Path, cases: list[Case], facts: Sequence[ImageFacts], data_set: DataSet, seed: int) -> PrepareSummary:
    from thyrosight.datasets.contact_sheet import contact_sheet
    from thyrosight.datasets.summary import dataset_record

    out.mkdir(parents=True, exist_ok=True)
    dataset = dataset_record(cases, {one.path: one for one in facts}, data_set, seed)
    summary = _summary(out / "cases.csv", dataset, data_set)
    write_atomic(out / "dataset.json", json.dumps(dataset, indent=2, ensure_ascii=False) + "\n")
    write_cases(cases, out / "cases.csv")
    write_atomic(out / CONTACT_SHEET, contact_sheet(cases))
    return summary


def _summary(cases_csv: Path, dataset: Json, data_set: DataSet) -> PrepareSummary:
    counts = dataset["counts"]
    return PrepareSummary(
        cases_csv=cases_csv,
        source=data_set.source,
        num_images=counts["images"],
        num_outlined=counts["outlined"],
        num_empty_masks=counts["empty_masks"],
        num_high=dataset["class_balance"]["1"],
        num_low=dataset["class_balance"]["0"],
        num_unlabelled=dataset["class_balance"]["none"],
        num_groups=counts["groups"],
        folds=counts["folds"],
        splits=counts["splits"],
        left_out=dict(data_set.left_out),
        notes=data_set.notes,
    )
