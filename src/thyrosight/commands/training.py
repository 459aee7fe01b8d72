"""The commands train, cross-validate, export, ensemble and import-tensorflow: cases.csv -> bundle. They load torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.commands.options import bundle_given, fold_number
from thyrosight.commands.terminal import remark
from thyrosight.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from thyrosight.config import Config

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


def train(
    cases: Annotated[list[Path], typer.Option("--cases", help="A cases.csv; repeat for several sets.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run: checkpoints, curves, the bundle.")],
    fold: Annotated[
        str | None, typer.Option("--fold", help="The fold to keep out for scoring, or `all`: none.")
    ] = None,
    config: ConfigFile = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint of this run.")] = False,
) -> None:
    """Configuration, cases -> a trained bundle.

    --fold K trains on the other folds and never sees fold K; --fold all trains on every row outside the test split.
    """
    chosen_fold = fold_number(fold)
    settings = settings_given(config, recipe, overrides or [])
    require_training_extra()
    from thyrosight.training.train import train as run_training

    typer.echo(run_training(settings, cases, out, chosen_fold, resume))


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
) -> None:
    """Cases -> one model per fold, pooled scores.

    Each model is scored on the fold that it has not seen. The same command continues a run that was stopped.
    """
    settings = settings_given(config, recipe, overrides or [])
    require_training_extra()
    from thyrosight.commands.evaluation import print_evaluation
    from thyrosight.commands.terminal import progress_bar, stdout_console
    from thyrosight.evaluation.evaluate_folds import keep_case_scores
    from thyrosight.training.cross_validate import cross_validate as run_folds
    from thyrosight.training.cross_validate import kind_of_scores

    with progress_bar("evaluating") as progress:
        pooled = run_folds(settings, cases, out, folds=folds, tta=tta, progress=progress)
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

    Its time and size are the sum of theirs. Its risk is not calibrated: see `calibrate`.
    """
    require_training_extra()
    from thyrosight.export.ensemble import ensemble as make_ensemble

    typer.echo(make_ensemble(bundles, out))


def import_tensorflow(
    checkpoint: Annotated[Path, typer.Argument(help="A TensorFlow 1 checkpoint (the prefix of its files).")],
    out: Out,
) -> None:
    """TensorFlow checkpoint -> bundle.

    The checkpoint is one of the original multi-task V-Net, by TensorFlow 1; its variables are matched by name.
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
    """MissingExtraError with the pip command where a library is missing; without any import, so it is quick."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "lightning", "safetensors", "onnx") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"training needs its extra ({', '.join(missing)} not found): pip install 'thyrosight[train,pretrained]'"
        )
