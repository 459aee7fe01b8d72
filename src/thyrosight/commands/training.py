"""The commands learn, train, cross-validate, export, ensemble, import-tensorflow: labelled set -> bundle, by torch."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.commands.datasets import (
    Columns,
    HoldOut,
    KeepLeaks,
    KeepPartial,
    Malignant,
    MaskLabels,
    OfficialSplit,
    Refold,
    Seed,
    Source,
    Workers,
    columns_named,
    labels_of_nodules,
)
from thyrosight.commands.options import Json, bundle_given, fold_number
from thyrosight.commands.terminal import print_json, progress_bar, remark, stdout_kept_for_json
from thyrosight.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from thyrosight.config import Config
    from thyrosight.learning.learn import Learned
    from thyrosight.learning.records import LearningPlan, LearnOptions
    from thyrosight.prediction import ModelIdentity

Out = Annotated[Path, typer.Option("--out", "-o", help="The bundle to write: a folder, or a .zip.")]

ConfigFile = Annotated[
    Path | None, typer.Argument(help="A configuration, such as configs/ddti/unet.toml.", exists=True, dir_okay=False)
]
Recipe = Annotated[
    str | None,
    typer.Option("--recipe", help="Instead of a file: finetune, scratch or phantoms; see `info --recipes`."),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeat for more.")
]

EvenIfInvalid = Annotated[
    bool, typer.Option("--even-if-invalid", help="Train on a set that `audit` calls invalid; the model card says so.")
]


class StartOption(StrEnum):
    """Where the weights may begin."""

    SHIPPED = "shipped"
    IMAGENET = "imagenet"
    RANDOM = "random"


FromServer = Annotated[
    Path | None, typer.Option("--from-server", help="Data folder of `serve`: learn from the readings in it.")
]
Start = Annotated[
    StartOption | None,
    typer.Option("--start", help="The starting weights; default: those at hand that have not seen the set."),
]
PresentBundle = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        help="The network that you have: start from it, compare with it; default: the shipped one.",
        parser=bundle_given,
        metavar="PATH",
    ),
]


def learn(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the bundle, the report and all steps.")],
    folder: Annotated[
        Path | None, typer.Argument(help="A folder with a labelled set, or a CSV, as `prepare` takes it.")
    ] = None,
    from_server: FromServer = None,
    hours: Annotated[float, typer.Option("--hours", min=0.01, help="The time for everything, on this machine.")] = 2.0,
    start: Start = None,
    bundle: PresentBundle = None,
    only_plan: Annotated[bool, typer.Option("--plan", help="Print the plan and its estimate, and stop.")] = False,
    overrides: Overrides = None,
    source: Source = None,
    folds: Annotated[
        int, typer.Option("--folds", min=2, help="Largest number of folds; fewer if there are few groups.")
    ] = 5,
    hold_out: HoldOut = 0.0,
    seed: Seed = 0,
    columns: Columns = None,
    refold: Refold = False,
    keep_leaks: KeepLeaks = False,
    keep_partial: KeepPartial = False,
    official_split: OfficialSplit = False,
    malignant: Malignant = None,
    mask_labels: MaskLabels = None,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Labelled folder -> a network of your own.

    Prepares and audits the set. Scores the network of --bundle (default: the shipped one) on this set. Then trains one
    network per fold and a final one on all rows, and calibrates the final one across the folds. The plan is printed
    before anything is trained. The same command goes on after a stop. The last lines are the report and the commands
    that come next.
    """
    require_training_extra()
    labelled = labelled_set(folder, from_server, out, bundle)
    from thyrosight.bundle.store import default_bundle_path
    from thyrosight.datasets.prepare import PrepareOptions
    from thyrosight.learning.records import LearnOptions

    prepare = PrepareOptions(
        source=source,
        folds=folds,
        hold_out=hold_out,
        seed=seed,
        columns=columns_named(columns or []),
        refold=refold,
        keep_leaks=keep_leaks,
        keep_partial=keep_partial,
        official_split=official_split,
        malignant=malignant,
        nodule_labels=labels_of_nodules(mask_labels or []),
    )
    present = None if bundle == default_bundle_path() else bundle
    chosen = LearnOptions(prepare, hours, start.value if start else None, tuple(overrides or ()), workers, present)
    with stdout_kept_for_json(as_json):
        result = plan_of(labelled, out, chosen) if only_plan else learned_from(labelled, out, chosen)
    if as_json:
        print_json(result)


def labelled_set(folder: Path | None, from_server: Path | None, out: Path, bundle: Path | None = None) -> Path:
    """The set that was named, or a server's data folder -> the set to learn from.

    The readings on the server are written to OUT-readings, once: a repeated command goes on with the same readings.
    bundle: the network to start from; a note says where the readers saw another one's outlines.
    """
    if (folder is None) == (from_server is None):
        raise ConfigError("name a labelled set, or a server's data folder by --from-server; not both, and not neither")
    if folder is not None:
        return folder
    assert from_server is not None
    from thyrosight.web.review.training_set import write_training_set

    readings = out.with_name(f"{out.name}-readings")
    if readings.exists():
        remark(f"readings of an earlier call in {readings}; remove it to learn from the present ones")
    else:
        made = write_training_set(from_server, readings)
        remark(f"{made.num_images} images that were read, {made.num_corrected} of them corrected, in {readings}")
        if made.num_alone > 1:
            remark(
                f"note: {made.num_alone} files were uploaded without a folder per patient: each is a group, so images "
                "of one patient may be in two folds, and scores too good; near-duplicates are kept together"
            )
        note_other_models(made.models, bundle)
    return readings / "cases.csv"


def note_other_models(models: Sequence[ModelIdentity], bundle: Path | None) -> None:
    """Models whose outlines the readers saw, the one to start from -> a note where it is none of these."""
    from thyrosight.bundle.store import bundle_id, bundle_path, load_bundle

    path = bundle_path(None) if bundle is None else bundle
    if models and path.exists() and bundle_id(load_bundle(path).info) not in {model.id for model in models}:
        names = ", ".join(f"{model.name} ({model.id})" for model in models)
        remark(
            f"note: readers saw the outlines of {names}, which is not the network to start from and to compare with; "
            "if you have its bundle, name it by --bundle, with another -o"
        )


def plan_of(folder: Path, out: Path, options: LearnOptions) -> LearningPlan:
    """Makes the plan and prints it -> the plan."""
    from thyrosight.learning.learn import Watch, begin_plan

    with progress_bar("images") as progress:
        return begin_plan(folder, out, options, Watch(typer.echo, progress))


def learned_from(folder: Path, out: Path, options: LearnOptions) -> Learned:
    """Follows the plan, then prints the scores, the next commands and the path of the report -> the result."""
    from thyrosight.learning.learn import Watch
    from thyrosight.learning.learn import learn as learn_from
    from thyrosight.learning.report import verdicts

    with progress_bar("images") as progress:
        learned = learn_from(folder, out, options, Watch(remark, progress))
    for line in verdicts(learned.comparison, learned.has_risk, learned.present):
        typer.echo(line)
    if learned.why_not_calibrated:
        remark(f"note: {learned.why_not_calibrated}; don't use the bundle's risk")
    for command in learned.commands:
        typer.echo(f"next: {command}")
    typer.echo(learned.report)
    return learned


def train(
    cases: Annotated[list[Path], typer.Option("--cases", help="A cases.csv; repeat for several sets.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run: checkpoints, curves, the bundle.")],
    fold: Annotated[
        str | None, typer.Option("--fold", help="The fold to keep out for scoring; `all` keeps out none.")
    ] = None,
    config: ConfigFile = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint of this run.")] = False,
    even_if_invalid: EvenIfInvalid = False,
) -> None:
    """Configuration, cases -> a trained bundle.

    --fold K trains on the other folds and never sees fold K; --fold all trains on every row outside the test split.
    """
    chosen_fold = fold_number(fold)
    settings = settings_given(config, recipe, overrides or [])
    require_training_extra()
    from thyrosight.training.train import train as run_training

    typer.echo(run_training(settings, cases, out, chosen_fold, resume, tell=remark, even_if_invalid=even_if_invalid))


def cross_validate(
    cases: Annotated[
        list[Path],
        typer.Option("--cases", help="The cases.csv to score; repeat for sets that only train.", exists=True),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for one run per fold and the pooled evaluation.")],
    folds: Annotated[list[int] | None, typer.Option("--fold", min=0, help="Only this fold; repeat for more.")] = None,
    config: ConfigFile = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    tta: Annotated[bool, typer.Option("--tta", help="Score the mean of image, mirror image, closer view.")] = False,
    keep: Annotated[
        Path | None, typer.Option("--export", help="Compact CSV of all out-of-fold rows, for `pool`.")
    ] = None,
    even_if_invalid: EvenIfInvalid = False,
) -> None:
    """Cases -> one model per fold, pooled scores.

    Each model is scored on the fold that it has not seen. The same command continues a run that was stopped.
    """
    settings = settings_given(config, recipe, overrides or [])
    require_training_extra()
    from thyrosight.commands.evaluation import print_evaluation
    from thyrosight.commands.terminal import stdout_console
    from thyrosight.evaluation.evaluate_folds import keep_case_scores
    from thyrosight.training.cross_validate import cross_validate as run_folds
    from thyrosight.training.cross_validate import kind_of_scores

    with progress_bar("evaluating") as progress:
        pooled = run_folds(
            settings, cases, out, folds=folds, tta=tta, even_if_invalid=even_if_invalid, progress=progress, tell=remark
        )
    if keep is not None:
        keep_case_scores(pooled.cases, keep)
    print_evaluation(pooled, stdout_console())
    typer.echo(out / kind_of_scores("pooled", tta) / "report.html")


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.", exists=True, file_okay=False)],
    out: Out,
    evaluation: Annotated[
        Path | None, typer.Option(help="An evaluation.json of this run's bundle, to quote its scores.", exists=True)
    ] = None,
    question: Annotated[
        str | None, typer.Option(help="Which of network.questions the bundle answers; default: the network's own.")
    ] = None,
) -> None:
    """Training run -> bundle.

    Writes ONNX (checked against torch), safetensors, bundle.json and the model card.
    """
    require_training_extra()
    from thyrosight.export.export_run import export_run

    typer.echo(export_run(run, out, evaluation, question))


def ensemble(
    bundles: Annotated[
        list[Path],
        typer.Argument(
            help="Bundles, or folders of cross-validations with the same folds.",
            parser=bundle_given,
            metavar="bundles",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The bundle to write, or a folder for one per fold.")],
) -> None:
    """Several bundles -> one bundle, their mean.

    It takes as much time and space as all of them together. Its risk is not calibrated: see `calibrate`.
    """
    require_training_extra()
    from thyrosight.export.ensemble import ensemble as make_ensemble

    typer.echo(make_ensemble(bundles, out))


def import_tensorflow(
    checkpoint: Annotated[Path, typer.Argument(help="A TensorFlow 1 checkpoint (the prefix of its files).")],
    out: Out,
) -> None:
    """TensorFlow checkpoint -> bundle.

    The checkpoint is one of the original multi-task V-Net, written by TensorFlow 1. Its variables are matched by name.
    """
    require_training_extra()
    from thyrosight.export.tensorflow import import_tensorflow as import_checkpoint

    remark("reading with TensorFlow; this needs the extra `tensorflow`")
    typer.echo(import_checkpoint(checkpoint, out))


def settings_given(config: Path | None, recipe: str | None, overrides: list[str]) -> Config:
    """File or name of a recipe, --set -> Config; ConfigError where both or neither are given."""
    from thyrosight.config import load_config, load_recipe

    if recipe is not None and config is None:
        return load_recipe(recipe, overrides)
    if config is None or recipe is not None:
        raise ConfigError("give one: a configuration file, or --recipe NAME (`thyrosight info --recipes` lists them)")
    return load_config(config, overrides)


def require_training_extra() -> None:
    """MissingExtraError with the pip command where a library of the training is missing. It imports none of them."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "lightning", "safetensors", "onnx") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"training needs its extra ({', '.join(missing)} not found): pip install 'thyrosight[train,pretrained]'"
        )
