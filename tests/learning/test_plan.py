"""The plan: where weights begin, what is learned, size, batch, epochs and folds, each from the set and the hours."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the training extra is not installed")

from thyrosight.config import Config, config_from_dict
from thyrosight.errors import ConfigError, InputError
from thyrosight.learning.plan import AtHand, Measures, choose_start, duration, make_plan
from thyrosight.learning.records import LearningPlan, LearnOptions, SetFacts

SIXTY = SetFacts(
    num_images=60, num_views=60, num_groups=60, num_outlined=60, num_boxed=0, num_low=30, num_high=30, num_folds=5
)
ALL = AtHand(has_present=True, has_imagenet=True)


def seconds_of(config: Config) -> float:
    """A step: 0.1 s per view at 256 x 256, by area."""
    rows, columns = config.data.size_hw
    return 0.1 * config.optim.batch_size * rows * columns / 256**2


def planned(facts: SetFacts = SIXTY, hours: float = 1.0, at_hand: AtHand = ALL, **options: object) -> LearningPlan:
    return make_plan(facts, LearnOptions(hours=hours, **options), at_hand, Measures(seconds_of, 0.1))  # type: ignore[arg-type]


def config_of(plan: LearningPlan) -> Config:
    return config_from_dict(plan.config)


def line(plan: LearningPlan, what: str) -> str:
    return dict(plan.lines)[what]


@pytest.mark.parametrize(
    ("num_seen", "at_hand", "start", "told"),
    [
        (0, ALL, "shipped", "seen none of these images"),
        (0, replace(ALL, known_by_name=("ddti",)), "shipped", "learned from ddti: if your images are from there"),
        (5, ALL, "shipped", "seen 5 of the 60 images: these teach and are not scored"),
        (60, ALL, "imagenet", "not from the shipped network, because it has seen 60 of the 60 images"),
        (60, AtHand(True, False), "random", "`pretrained` is not installed"),
        (0, AtHand(False, True), "imagenet", "no model is shipped here"),
    ],
)
def test_the_start_is_what_is_at_hand_and_unseen(num_seen: int, at_hand: AtHand, start: str, told: str) -> None:
    found, why = choose_start(replace(SIXTY, num_seen=num_seen), None, at_hand)
    assert found == start
    assert told in why


def test_a_start_that_would_leak_or_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no score would be out of fold"):
        choose_start(replace(SIXTY, num_seen=60), "shipped", ALL)
    with pytest.raises(ConfigError, match="ships no model"):
        choose_start(SIXTY, "shipped", AtHand(False, True))
    with pytest.raises(ConfigError, match="pretrained"):
        choose_start(SIXTY, "imagenet", AtHand(True, False))
    assert choose_start(SIXTY, "random", ALL)[0] == "random"


def test_the_run_begins_from_a_network_that_is_named_in_the_form_of_its_weights() -> None:
    form = {"name": "unet", "encoder": "lite0", "head": "map", "start_from": "mine/bundle"}
    plan = planned(at_hand=replace(ALL, present="mine", form=form))
    network = config_of(plan).network
    assert (network.encoder, network.start_from, plan.present) == ("lite0", "mine/bundle", "mine")
    assert "from mine, which has seen none of these images" in line(plan, "starts")
    assert "mine" in plan.seconds
    other = config_of(planned(at_hand=replace(ALL, present="mine", form=form), start="imagenet"))
    assert (other.network.encoder, other.network.start_from) == ("lite2", ""), "only compared with mine"


def test_labels_and_outlines_decide_what_is_learned() -> None:
    both = config_of(planned())
    assert (both.loss.mask_weight, both.loss.malignancy_weight) == (1.0, 0.5)
    for facts in (replace(SIXTY, num_low=0, num_high=0), replace(SIXTY, num_low=58, num_high=2)):
        outlines = planned(facts)
        assert config_of(outlines).loss.malignancy_weight == 0
        assert "outlines and no risk" in line(outlines, "learns")
    boxes = planned(replace(SIXTY, num_outlined=0, num_boxed=60))
    assert config_of(boxes).loss.box_weight > 0
    assert "from boxes" in line(boxes, "learns")
    risk = planned(replace(SIXTY, num_outlined=0))
    assert config_of(risk).loss.mask_weight == 0
    with pytest.raises(InputError, match="nothing to learn"):
        planned(replace(SIXTY, num_outlined=0, num_low=0, num_high=0))


def test_the_hours_decide_epochs_and_size() -> None:
    short, long = planned(hours=0.25), planned(hours=1.0)
    assert config_of(short).optim.epochs < config_of(long).optim.epochs
    assert config_of(long).data.size_hw == (256, 256)
    assert short.total_seconds <= 0.25 * 3600
    assert "what 15 min allow" in line(short, "epochs")
    ample = config_of(planned(hours=50))
    assert ample.optim.epochs == 50, "600 steps of 12 per epoch, however many hours there are"
    assert config_of(planned(hours=0.125)).data.size_hw == (192, 192)


def test_too_few_hours_are_told_how_many_would_do() -> None:
    with pytest.raises(ConfigError, match=r"give --hours (\S+) or more") as caught:
        planned(hours=0.05)
    hours = float(str(caught.value).partition("give --hours ")[2].split()[0])
    assert config_of(planned(hours=hours)).optim.epochs >= 4


def test_few_images_have_small_batches_and_no_validation_share() -> None:
    few, many = planned(), planned(replace(SIXTY, num_images=900, num_views=900, num_groups=700), hours=20)
    assert (config_of(few).optim.batch_size, config_of(few).run.validation_share) == (4, 0.0)
    assert (config_of(many).optim.batch_size, config_of(many).run.validation_share) == (8, 0.12)
    assert config_of(many).optim.epochs == 28


def test_a_setting_that_is_asked_for_holds() -> None:
    plan = planned(overrides=("optim.epochs=2", "data.size_hw=[64, 64]", "run.validation_share=0.2"), hours=0.1)
    config = config_of(plan)
    assert (config.optim.epochs, config.data.size_hw, config.run.validation_share) == (2, (64, 64), 0.2)
    assert "2, as asked" in line(plan, "epochs")


@pytest.mark.parametrize(("seconds", "text"), [(42.4, "42 s"), (900, "15 min"), (9000, "2.5 h")])
def test_a_duration_is_read_at_once(seconds: float, text: str) -> None:
    assert duration(seconds) == text
