"""The command `info`: a bundle -> its declaration, and the versions installed here, in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thyrosight.commands.options import Json, bundle_given
from thyrosight.commands.terminal import plain, print_facts, print_json, print_table
from thyrosight.environment import NOT_INSTALLED, __version__, library_versions

if TYPE_CHECKING:
    from thyrosight.bundle.store import Bundle

LIBRARIES = ("python", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "torch")


def info(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="A model bundle, or `shipped`, the default.", parser=bundle_given, metavar="bundle"),
    ] = None,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="List the recipes of the package for `--recipe` instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """A bundle's content, and the versions installed here.

    Verifies the bundle, then shows its network, its training sets, its scores, and the installed versions.
    """
    from thyrosight.bundle.store import load_bundle
    from thyrosight.config import recipe_names

    if recipes:
        print_json(recipe_names()) if as_json else print_facts(recipe_names())
        return
    found = library_versions(LIBRARIES)
    installed = {"thyrosight": __version__} | {name: found.get(name, NOT_INSTALLED) for name in LIBRARIES}
    if as_json:
        loaded = load_bundle(bundle)
        print_json({"installed": installed, "path": loaded.path, "bundle": loaded.info})
        return
    print_facts({"installed": " ".join(f"{name} {version}" for name, version in installed.items())})
    typer.echo()
    _print_bundle(load_bundle(bundle))


def _print_bundle(loaded: Bundle) -> None:
    from thyrosight.bundle.card import familiarity_line
    from thyrosight.bundle.card_data import part_in_words

    facts = plain(loaded.info)
    tables = {name: facts.pop(name) for name in ("training_sets", "scores", "operating_points")}
    for part in tables["training_sets"]:
        for name in ("label_meaning", "left_out", "notes", "origin", "held_out_fold", "inherited_from"):
            part.pop(name, None)  # `split` states the last two in words
        part["split"] = part_in_words(part["split"])
    for part in tables["operating_points"]:
        for name in ("sensitivity", "specificity"):  # `meaning` states them in words
            part.pop(name)
    for name in ("files", "sha256", "format_version", "recipe", "subgroups", "robustness", "failures"):
        facts.pop(name)
    facts["familiarity"] = familiarity_line(loaded.info)
    print_facts({"bundle": str(loaded.path)} | facts)
    for name, rows in tables.items():
        typer.echo(f"\n{name.replace('_', ' ')}")
        if rows:
            columns = list(dict.fromkeys(name for row in rows for name in row))
            print_table(columns, [[_short(row.get(name)) for name in columns] for row in rows])
        else:
            typer.echo("-")


def _short(value: Any) -> Any:
    """A SHA-256 -> its first digits; any other value unchanged."""
    is_hash = isinstance(value, str) and len(value) == 64 and value.isalnum()
    return value[:12] if is_hash else value
