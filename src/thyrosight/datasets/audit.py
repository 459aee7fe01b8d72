"""cases.csv -> AuditReport: what would make training or its scores wrong, and how to fix it.

An error makes a set invalid for training: a file that can't be used, a box outside its image, a group or an identical
picture on both sides of a split or fold (scores would be too good), or nothing to learn from. A warning may be wrong,
or what it reports may be intended: near-duplicates are a guess, and two readers may contradict each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from thyrosight.datasets.audit_boxes import box_findings
from thyrosight.datasets.audit_case import CaseFindings, check_case
from thyrosight.datasets.audits.pairs import (
    FoundPairs,
    find_pairs,
    pair_findings,
    picture_pairs,
    side_of,
)
from thyrosight.datasets.audits.records import SEVERITIES, AuditReport, Finding
from thyrosight.datasets.pictures.sketches import looks_for_crops
from thyrosight.datasets.table import group_key, is_labelled, read_cases
from thyrosight.tirads.descriptors import LEXICON
from thyrosight.types import Case, Progress


def audit(cases_csv: Path, *, workers: int = 2, progress: Progress | None = None) -> AuditReport:
    """cases.csv or its folder -> AuditReport. Every image and mask is opened; a bad file becomes a finding.

    InputError where the table itself can't be read. progress is called with (images done, images in all).
    """
    return audit_cases(read_cases(cases_csv), str(cases_csv), workers=workers, progress=progress)


def audit_cases(
    cases: Sequence[Case],
    name: str,
    *,
    with_text: bool = True,
    workers: int = 2,
    progress: Progress | None = None,
) -> AuditReport:
    """Rows of one or several tables, their name -> AuditReport.

    with_text: look for burned-in text as well, which takes most of the time and finds no error.
    """
    from thyrosight.datasets.scan import in_order

    checks = list(in_order(lambda case: check_case(case, with_text=with_text), cases, workers, progress))
    pairs = find_pairs(checks)
    found = sorted(_findings(cases, checks, pairs), key=lambda finding: SEVERITIES.index(finding.severity))
    return AuditReport(
        cases_csv=name,
        is_valid=all(finding.severity != "error" for finding in found),
        num_cases=len(cases),
        num_groups=len({group_key(case) for case in cases}),
        num_with_text_before_crop=sum(check.num_text_outside > 0 for check in checks),
        num_with_text_in_crop=sum(check.num_text_inside > 0 for check in checks),
        num_with_text_after_crop=sum(check.num_text_left > 0 for check in checks),
        findings=tuple(found),
        pairs=picture_pairs(cases, pairs),
    )


def _findings(cases: Sequence[Case], checks: Sequence[CaseFindings], pairs: FoundPairs) -> Iterator[Finding]:
    yield from _file_faults(cases, checks)
    yield from _odd_images(cases, checks)
    yield from _mask_faults(cases, checks)
    for severity, kind, message, faulty in box_findings(cases, [check.size_hw for check in checks]):
        yield Finding(severity, kind, message, tuple(case.case_id for case in faulty))
    yield from _text(cases, checks)
    yield from _divided_groups(cases)
    yield from _pairs(cases, pairs)
    if not looks_for_crops(len(cases), len(cases)):
        yield _note(
            "crops", f"among {len(cases):,} images, cropped copies are not looked for: audit parts of the set", []
        )
    yield from _labels(cases)
    yield from _descriptors(cases)


def _file_faults(cases: Sequence[Case], checks: Sequence[CaseFindings]) -> Iterator[Finding]:
    messages: dict[str, str] = {
        "missing image": "image file is not there: restore it or remove the row",
        "unreadable image": "image can't be read: replace the file or remove the row",
        "missing mask": "mask file is not there: restore it, or leave the mask column empty",
        "unreadable mask": "mask can't be used (damaged, or not the image's size): export it again at the image's size",
        "box outside": "field or panel ends outside the image: prepare the set again",
    }
    for kind, message in messages.items():
        faulty = [(case, check.faults[kind]) for case, check in zip(cases, checks, strict=True) if kind in check.faults]
        if faulty:
            yield _error(kind, f"{message}. First: {faulty[0][1]}", [case for case, _ in faulty])
    if empty := [case for case in cases if case.fov is None]:
        yield _note(
            "no field", "no ultrasound field in the table: each start finds it again; prepare the set again", empty
        )


def _odd_images(cases: Sequence[Case], checks: Sequence[CaseFindings]) -> Iterator[Finding]:
    def where(oddity: str) -> list[Case]:
        pairs = zip(cases, checks, strict=True)
        return [case for case, check in pairs if oddity in (check.image_oddity, check.mask_oddity)]

    if faulty := where("blank"):
        yield _error("blank image", "nothing is to be seen in the image: replace the file or remove the row", faulty)
    if faulty := where("noise"):
        yield _warning("noise", "the image is noise, no ultrasound: replace the file or remove the row", faulty)
    if faulty := where("few pixels"):
        yield _warning("tiny mask", "the mask has a few pixels only: look whether a nodule is meant", faulty)
    if faulty := [case for case, check in zip(cases, checks, strict=True) if _is_nearly_all(check)]:
        yield _warning("large mask", "the mask fills most of the field: if it is inverted, invert it", faulty)


def _is_nearly_all(check: CaseFindings) -> bool:
    return check.mask_oddity == "nearly all" and not check.is_background


def _mask_faults(cases: Sequence[Case], checks: Sequence[CaseFindings]) -> Iterator[Finding]:
    def where(has_fault: Callable[[Case, CaseFindings], bool]) -> list[Case]:
        pairs = zip(cases, checks, strict=True)
        return [case for case, check in pairs if check.num_mask_px is not None and has_fault(case, check)]

    if faulty := where(lambda case, check: check.num_mask_px == 0 and case.malignancy is not None):
        yield _warning(
            "empty mask", "mask is empty although the lesion has a label: outline it or leave mask empty", faulty
        )
    if faulty := where(lambda case, check: check.num_mask_px == 0 and case.malignancy is None):
        yield _note("empty mask", "mask is empty: the image counts as one without a nodule", faulty)
    if faulty := where(lambda _, check: check.is_background):
        yield _error("background mask", "mask touches all four borders of the ultrasound field: invert it", faulty)
    by_rule: dict[str, list[Case]] = {}
    for case, check in zip(cases, checks, strict=True):
        if check.mask_rule:
            by_rule.setdefault(check.mask_rule, []).append(case)
    for rule, read_so in sorted(by_rule.items()):
        yield _note("mask values", f"mask read as {rule}", read_so)
    if faulty := where(lambda _, check: check.outside_share > 0.05):
        yield _warning(
            "field cuts mask",
            "over 5 % of the mask is outside the ultrasound field: correct the mask, or fov in the table",
            faulty,
        )
    if faulty := [case for case in cases if case.mask is None and not case.boxes]:
        yield _note("no mask", "no mask: the image trains and scores the risk only", faulty)


def _text(cases: Sequence[Case], checks: Sequence[CaseFindings]) -> Iterator[Finding]:
    def where(number: Callable[[CaseFindings], int]) -> list[Case]:
        return [case for case, check in zip(cases, checks, strict=True) if number(check) > 0]

    before = where(lambda check: check.num_text_outside)
    inside, left = where(lambda check: check.num_text_inside), where(lambda check: check.num_text_left)
    if not (before or inside):
        return
    summary = f"before the crop: burned-in text on {_counted(before, 'image')}, {len(left) or 'none'} after the crop"
    if inside:
        summary += f" (text inside the field on {len(inside)}, filled in before a network sees it)"
    yield _note("text before the crop", summary, before)
    if inside:
        yield _note("text in the field", "text inside the field is filled in: look at some of these images", inside)
    if left:
        yield _warning(
            "text after the crop", "text is left inside the field and may reveal the answer: crop it off", left
        )


def _divided_groups(cases: Sequence[Case]) -> Iterator[Finding]:
    members: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if is_labelled(case):
            members[group_key(case)].append(case)
    fix = "scores would be too good: prepare with refold, or correct the group column"
    over_splits = [case for group in members.values() if len({side_of(case) for case in group}) > 1 for case in group]
    if over_splits:
        yield _error("group in two splits", f"group in training and in test; {fix}", over_splits)
    over_val = [
        case for group in members.values() if {"train", "val"} <= {case.split for case in group} for case in group
    ]
    if over_val:
        yield _error("group in two splits", f"group in train and in val; {fix}", over_val)
    over_folds = [case for group in members.values() if len(_folds(group)) > 1 for case in group]
    if over_folds:
        yield _error("group in two folds", f"group in two folds; {fix}", over_folds)


def _folds(cases: Sequence[Case]) -> set[int]:
    return {case.fold for case in cases if case.fold is not None and case.split != "test"}


def _pairs(cases: Sequence[Case], found: FoundPairs) -> Iterator[Finding]:
    for severity, kind, message, pairs in pair_findings(cases, found):
        members = sorted({place for pair in pairs for place in pair})
        yield Finding(severity, kind, message, tuple(cases[place].case_id for place in members))


def _labels(cases: Sequence[Case]) -> Iterator[Finding]:
    training = [case for case in cases if case.split != "test"]
    if not any(is_labelled(case) for case in training):
        yield _error(
            "nothing to learn", "no row for training has a mask or a label: fill the mask or malignancy column", []
        )
        return
    classes = {case.malignancy for case in training} - {None}
    if len(classes) == 1:
        found = _error if not any(case.mask for case in training) else _warning
        message = f"all labels for training are {classes.pop()}: a risk can't be learned from one class"
        yield found("one class", message, [])
    elif classes:
        yield from _parts_of_one_class(cases)


def _parts_of_one_class(cases: Sequence[Case]) -> Iterator[Finding]:
    parts: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.malignancy is not None:
            parts["test split" if case.split == "test" else f"fold {case.fold}"].append(case)
    for name, part in sorted(parts.items()):
        if len({case.malignancy for case in part}) == 1 and name != "fold None":
            yield _warning("one class in a part", f"{name} has labels of one class only: its AUROC is undefined", part)


def _descriptors(cases: Sequence[Case]) -> Iterator[Finding]:
    strange: Counter[str] = Counter()
    holders = []
    for case in cases:
        for name, text in case.descriptors.items():
            unknown = [term for term in text.split("; ") if name in LEXICON and term not in LEXICON[name]]
            strange.update(f"{name} '{term}'" for term in unknown)
            holders += [case] if unknown else []
    if strange:
        named = ", ".join(term for term, _ in strange.most_common(5))
        yield _note("descriptors", f"words that are not in the TI-RADS lexicon: {named}", holders)


def _counted(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _error(kind: str, message: str, cases: Sequence[Case]) -> Finding:
    return Finding("error", kind, message, tuple(case.case_id for case in cases))


def _warning(kind: str, message: str, cases: Sequence[Case]) -> Finding:
    return Finding("warning", kind, message, tuple(case.case_id for case in cases))


def _note(kind: str, message: str, cases: Sequence[Case]) -> Finding:
    return Finding("note", kind, message, tuple(case.case_id for case in cases))
