"""Options of `learn`, facts of the set, the plan: frozen records, and their JSON in OUT/learn.json.

The file is written twice: when the folder is begun (the options), and when the plan is made. The plan depends on a
measured time, and a second measurement would give another plan. So a later call uses the stored plan.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from thyrosight.datasets.prepare import DEFAULT_OPTIONS, PrepareOptions
from thyrosight.errors import ConfigError, InputError
from thyrosight.files import raise_disk_fault, write_atomic

NAME = "learn.json"
AUDIT_NAME = "audit.json"
"""Written last of the set: where it is, the set was prepared and is valid."""
Start = Literal["shipped", "imagenet", "random"]
"""`shipped` is the present network: the shipped one, or LearnOptions.bundle."""
OF_THE_PLAN = frozenset({"hours", "start", "overrides"})
"""Options that nothing depends on before the plan is made."""
SHIPPED_IN_WORDS = "the shipped network"


@dataclass(frozen=True)
class LearnOptions:
    """Options of a run.

    prepare: the options of `thyrosight prepare`. Where there are too few groups for its `folds`, fewer folds are made.
    hours: for all steps together. start: the weights to start from; None: the plan chooses among those at hand.
    overrides: settings as `table.key=value`; they replace what the plan chooses. bundle: the present network, to start
    from and to be compared with; None: the shipped one.
    """

    prepare: PrepareOptions = DEFAULT_OPTIONS
    hours: float = 2.0
    start: Start | None = None
    overrides: tuple[str, ...] = ()
    workers: int = 2
    bundle: Path | None = None


@dataclass(frozen=True)
class SetFacts:
    """The facts that decide the plan: counts of the rows outside the test split.

    num_views: inputs of the network; a split screen has several per image. num_boxed: rows with boxes and no outline.
    num_low, num_high: rows with label 0 and with label 1. num_test: rows of the test split, which the other numbers
    leave out. num_seen: rows that the present network has learned from.
    """

    num_images: int
    num_views: int
    num_groups: int
    num_outlined: int
    num_boxed: int
    num_low: int
    num_high: int
    num_folds: int
    num_test: int = 0
    num_seen: int = 0

    @property
    def num_labelled(self) -> int:
        return self.num_low + self.num_high


@dataclass(frozen=True)
class LearningPlan:
    """The plan of a run. lines: (title, text) of each part, for people. seconds: {step: estimated seconds}.

    config: the settings of every run, as `config_to_dict` gives them. present: the network that the new ones are
    compared with, in words.
    """

    start: Start
    config: dict[str, Any]
    lines: tuple[tuple[str, str], ...]
    seconds: dict[str, float] = field(default_factory=dict)
    present: str = SHIPPED_IN_WORDS

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())


def begin(out: Path, folder: Path, options: LearnOptions) -> LearningPlan | None:
    """Output folder, set, options -> the plan that is stored there, or None. Writes set and options to a new folder.

    As long as no valid set is in the folder, all options may be others than before: `prepare` or the audit may have
    asked for them. As long as there is no plan, because the hours did not suffice, OF_THE_PLAN may. ConfigError where
    the folder was begun for another set or with other options, InputError where it holds other files.
    """
    wanted = _asked(out, folder, options)
    if (out / NAME).exists():
        stored = _read(out / NAME)
        asked, has_plan = stored["asked"], bool(stored.get("plan"))
        is_prepared = has_plan or (out / AUDIT_NAME).exists()
        may_differ = frozenset() if has_plan else OF_THE_PLAN if is_prepared else frozenset(wanted)
        differing = sorted(name for name in wanted if asked.get(name) != wanted[name])
        for name in (name for name in differing if name not in may_differ):
            raise ConfigError(
                f"{out}: was begun with {name} {asked.get(name)!r}, now it is {wanted[name]!r}; repeat the "
                "first command to go on, or choose another folder with -o"
            )
        if not differing:
            return _plan_of(stored["plan"], out / NAME) if has_plan else None
    elif out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: holds files that are not of `learn`; choose another folder with -o")
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / NAME, json.dumps({"asked": wanted}, indent=1, ensure_ascii=False) + "\n")
    return None


def keep_plan(out: Path, plan: LearningPlan) -> None:
    """Add the plan to OUT/learn.json."""
    record = _read(out / NAME) | {"plan": asdict(plan)}
    write_atomic(out / NAME, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _asked(out: Path, folder: Path, options: LearnOptions) -> dict[str, Any]:
    """-> the set and the options, which must be the same when the work continues; the number of workers may change."""
    asked = {name: value for name, value in asdict(options).items() if name not in ("workers", "bundle")}
    asked["folder"] = Path(os.path.relpath(folder, out)).as_posix()
    asked["bundle"] = None if options.bundle is None else Path(os.path.relpath(options.bundle, out)).as_posix()
    return dict(json.loads(json.dumps(asked)))


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(record["asked"], dict)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise_disk_fault(error)
        raise InputError(f"{path}: damaged; put a copy back, or choose another folder with -o") from None
    return dict(record)


def _plan_of(record: dict[str, Any], path: Path) -> LearningPlan:
    try:
        lines = tuple((str(what), str(words)) for what, words in record["lines"])
        seconds, present = dict(record["seconds"]), str(record.get("present", SHIPPED_IN_WORDS))
        return LearningPlan(record["start"], dict(record["config"]), lines, seconds, present)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: its plan is damaged; put a copy back, or choose another folder with -o") from None
