"""cases.csv -> AuditReport: what would make training or its scores wrong, and how to fix it.

An error makes a set invalid for training: a file that can't be used, a box outside its image, a group or an identical
picture on both sides of a split or fold (scores would be too good), or nothing to learn from. A warning is what may be
intended: near-duplicates are a guess, and two readers may contradict each other.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from thyrosight.datasets.audit_boxes import box_findings
from thyrosight.datasets.audit_case import CaseFindings, check_case
from thyrosight.datasets.table import group_key, is_labelled, read_cases
from thyrosight.tirads.descriptors import LEXICON
from thyrosight.types import Case, Progress

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One kind of fault: its severity, what it is and how to fix it in words, and the cases that have it."""

    severity: Severity
    kind: str
    message: str
    case_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """The findings in one cases.csv. is_valid: no finding is an error, so a training on it makes sense."""

    cases_csv: str
    is_valid: bool
    num_cases: int
    num_groups: int
    num_with_text_before_crop: int
    """Images with burned-in text outside the field, which the crop removes."""
    num_with_text_in_crop: int
    """Images with text inside the field, which is filled in before a network sees it."""
    num_with_text_after_crop: int
    """Images that still have text after the crop and after text was filled in."""
    findings: tuple[Finding, ...]

    def to_json(self) -> str:
        """-> JSON text; its keys are the names of these fields."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


def audit(cases_csv: Path, *, workers: int = 2, progress: Progress | None = None) -> AuditReport:
    """cases.csv or its folder -> AuditReport. Every image and mask is opened; a bad file becomes a finding.

    InputError where the table itself can't be read. progress is called with (images done, images in all).
    """
    from thyrosight.datasets.scan import in_order

    cases = read_cases(cases_csv)
    checks = list(in_order(check_case, cases, workers, progress))
    found = sorted(_findings(cases, checks), key=lambda finding: SEVERITIES.index(finding.severity))
    return AuditReport(
        cases_csv=str(cases_csv),
        is_valid=all(finding.severity != "error" for finding in found),
        num_cases=len(cases),
        num_groups=len({group_key(case) for case in cases}),
        num_with_text_before_crop=sum(check.num_text_outside > 0 for check in checks),
        num_with_text_in_crop=sum(check.num_text_inside > 0 for check in checks),
        num_with_text_after_crop=sum(check.num_text_left > 0 for check in checks),
        findings=tuple(found),
    )


def _findings(cases: Sequence[Case], checks: Sequence[CaseFindings]) -> Iterator[Finding]:
    yield from _file_faults(cases, checks)
    yield from _mask_faults(cases, checks)
    for severity, kind, message, faulty in box_findings(cases, [check.size_hw for check in checks]):
        yield Finding(severity, kind, message, tuple(case.case_id for case in faulty))
    yield from _text(cases, checks)
    yield from _divided_groups(cases)
    yield from _duplicates(cases, checks)
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
    over_splits = [case for group in members.values() if len({_side(case) for case in group}) > 1 for case in group]
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


def _side(case: Case) -> str:
    return "test" if case.split == "test" else "training"


def _folds(cases: Sequence[Case]) -> set[int]:
    return {case.fold for case in cases if case.fold is not None and case.split != "test"}


def _are_apart(one: Case, other: Case) -> bool:
    """Whether a model may learn from one of the two and be scored on the other."""
    if not (is_labelled(one) and is_labelled(other)):
        return False
    return _side(one) != _side(other) or len(_folds([one, other])) > 1 or {one.split, other.split} == {"train", "val"}


def _duplicates(cases: Sequence[Case], checks: Sequence[CaseFindings]) -> Iterator[Finding]:
    from thyrosight.datasets.duplicates import near_duplicates

    usable = [index for index, check in enumerate(checks) if check.print is not None]
    prints = [check.print for check in checks if check.print is not None]
    pairs = [(usable[i], usable[j]) for i, j in near_duplicates(prints)]
    same = [(i, j) for i, j in pairs if checks[i].crop_sha256 == checks[j].crop_sha256]
    near = sorted(set(pairs) - set(same))
    apart = [pair for pair in same if _are_apart(cases[pair[0]], cases[pair[1]])]
    if apart:
        yield _error(
            "duplicates apart",
            f"{_counted(apart, 'pair')} of identical pictures in different splits or folds: prepare with refold, which "
            "joins them",
            _members(cases, apart),
        )
    if near_apart := [pair for pair in near if _are_apart(cases[pair[0]], cases[pair[1]])]:
        yield _warning(
            "near-duplicates apart",
            f"{_counted(near_apart, 'pair')} of nearly identical pictures in different splits or folds: look at them; "
            "if they show one nodule, prepare with refold, which joins them. "
            f"First: {_pair_names(cases, near_apart[0])}",
            _members(cases, near_apart),
        )
    if within := [pair for pair in pairs if not _are_apart(cases[pair[0]], cases[pair[1]])]:
        num_same = len(set(within) & set(same))
        yield _note(
            "duplicates within",
            f"{_counted(within, 'pair')} on one side ({num_same} identical, the others nearly): they count twice",
            _members(cases, within),
        )
    if contradicting := [pair for pair in pairs if _contradict(cases[pair[0]], cases[pair[1]])]:
        yield _warning(
            "conflicting labels",
            f"{_counted(contradicting, 'pair')} of nearly identical pictures, one with label 1 and one with 0: leave "
            f"both out or correct one. First: {_pair_names(cases, contradicting[0])}",
            _members(cases, contradicting),
        )


def _contradict(one: Case, other: Case) -> bool:
    return {one.malignancy, other.malignancy} == {0, 1}


def _members(cases: Sequence[Case], pairs: Sequence[tuple[int, int]]) -> list[Case]:
    return [cases[index] for index in sorted({index for pair in pairs for index in pair})]


def _pair_names(cases: Sequence[Case], pair: tuple[int, int]) -> str:
    return f"{cases[pair[0]].case_id} and {cases[pair[1]].case_id}"


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
