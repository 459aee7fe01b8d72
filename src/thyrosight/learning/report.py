"""Plan, scores of the new networks and of the present one -> OUT/report.html, and the commands to use next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from thyrosight.evaluation.compare import ComparedScore, Comparison
from thyrosight.evaluation.report import number_text
from thyrosight.evaluation.summary import read_evaluation
from thyrosight.files import write_atomic
from thyrosight.learning.records import SHIPPED_IN_WORDS, LearningPlan
from thyrosight.results.pages import page_template
from thyrosight.types import Case

PAGE = "report.html"
HEADLINES = ("dice", "auroc")
FEW_IMAGES = 30
"""Where a score has fewer images than this, the page warns that it tells little."""
NO_GAIN = "training did not help on these images: go on with {}, or learn again from more images or with more --hours"
PARTS = (
    ("bundle/", "the model, with its scores and its card"),
    ("across/pooled/report.html", "all scores out of fold, with curves, subgroups and pictures"),
    ("untouched/report.html", "the network as it was before, on the same images"),
    ("cases/contact_sheet.png", "the outlines that were learned from"),
    ("audit.json", "what the audit found"),
    ("folds/", "one run per fold, with its curves and previews"),
    ("final/", "the run of the final network"),
)
"""Path in OUT -> a phrase that says what it holds."""


@dataclass(frozen=True)
class PageContent:
    """Content of the page. comparison: new networks first, the present network second; None where none is shipped."""

    plan: LearningPlan
    comparison: Comparison | None
    why_not_calibrated: str
    commands: tuple[str, ...]
    has_risk: bool


def next_commands(out: Path, cases: Sequence[Case]) -> tuple[str, ...]:
    """Output folder, all rows -> three commands: predict, look at results, score on images that no network has seen."""
    bundle = out / "bundle"
    table = "OTHER/cases.csv"
    if any(case.split == "test" for case in cases):
        table = f"{out / 'cases' / 'cases.csv'} --split test"
    return (
        f"thyrosight predict IMAGES -o results --bundle {bundle}",
        f"thyrosight serve --bundle {bundle}",
        f"thyrosight evaluate {bundle} --cases {table} -o scores",
    )


def outcome(score: ComparedScore) -> Literal["better", "worse", "no difference is shown"]:
    """A score of both networks -> whether the new networks are better, by its paired interval."""
    low, high = score.difference.low, score.difference.high
    if low is None or high is None or low * high <= 0:
        return "no difference is shown"
    return "better" if (low > 0) == score.higher_is_better else "worse"


def verdict(score: ComparedScore, present: str = SHIPPED_IN_WORDS) -> str:
    """A score of both networks -> one sentence: what training gained."""
    difference = score.difference
    if difference.value is None:
        return f"{score.title}: not known ({difference.reason or 'no image has it in both'})"
    interval = "" if difference.low is None else f" ({difference.low:+.3f} to {difference.high:+.3f})"
    meaning = f": {outcome(score)}" if interval else ""
    few = f"; {score.n} images say little" if score.n < FEW_IMAGES else ""
    return (
        f"{score.title} {number_text(score.first)} out of fold, {present.removeprefix('the ')} untouched "
        f"{number_text(score.second)}, "
        f"difference {difference.value:+.3f}{interval}, n = {score.n}{meaning}{few}"
    )


def verdicts(comparison: Comparison | None, has_risk: bool, present: str = SHIPPED_IN_WORDS) -> tuple[str, ...]:
    """-> the sentences on Dice and AUROC, and advice where training lost; none without a comparison."""
    if comparison is None:
        return ()
    known = [score for score in comparison.scores if score.name in HEADLINES and score.n > 0]
    chosen = [score for score in known if has_risk or score.name != "auroc"]
    outcomes = {outcome(score) for score in chosen}
    stay = f"{present} (leave --bundle out)" if present == SHIPPED_IN_WORDS else present
    advice = (NO_GAIN.format(stay),) * ("worse" in outcomes and "better" not in outcomes)
    return (*(verdict(score, present) for score in chosen), *advice)


def write_page(out: Path, findings: PageContent) -> None:
    """OUT, findings -> OUT/report.html, written whole or not at all."""
    untouched = out / "untouched" / "evaluation.json"
    notes = read_evaluation(untouched)["evaluated"]["notes"] if untouched.exists() else []
    comparison = findings.comparison
    text = page_template("learn.html").render(
        plan=findings.plan,
        verdicts=verdicts(comparison, findings.has_risk, findings.plan.present),
        scores=[score for score in comparison.scores if score.n > 0] if comparison else [],
        comparison=comparison,
        notes=notes,
        why_not_calibrated=findings.why_not_calibrated,
        commands=findings.commands,
        parts=[(path, words) for path, words in PARTS if (out / path).exists()],
        number=number_text,
    )
    write_atomic(out / PAGE, text)
