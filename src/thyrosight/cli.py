"""Command line arguments -> the function of the command in commands/, and an exit code.

Exit codes: 0 all is well; 1 the command ran, and an input, a bundle or a result is not good; 2 nothing was tried,
because the command line, the configuration or the installation is wrong; 130 interrupted. An error for the user is one
line on stderr. The commands import the heavy libraries inside their functions, so that `--help` answers at once.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Annotated, Any, NoReturn

import typer
import typer.core

from thyrosight.children import OBJECTS_PER_SEARCH
from thyrosight.commands import (
    datasets,
    dicom,
    evaluation,
    examination,
    info,
    measure,
    pacs,
    predict,
    serve,
    stress,
    tirads,
    training,
)
from thyrosight.errors import ConfigError, MissingExtraError, ThyrosightError
from thyrosight.files import DISK_FAULTS, mend_of
from thyrosight.files.plain_text import PrintableStream, printable

INTERRUPTED = 130
MAY_BE_EMPTY = frozenset(("--name", "--who", "--root", "--uid-key", "--user"))
"""Options whose value is a text that may be empty. An empty value of any other is a mistake."""
WITHOUT_TRAINING = frozenset({"predict", "demo", "plan", "select", "measure", "info"})
"""Commands whose matrices are small. OpenBLAS, a part of NumPy, starts a thread per core when NumPy is imported. Each
of them waits for work by running, for some 30 ms, before it sleeps. These commands have one thread alone."""
REFUSALS = DISK_FAULTS | {errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
REFUSALS |= {errno.EEXIST, errno.ELOOP}
"""Errors of the system about a path; they are not bugs of ours."""


class NoEmptyPath(typer.core.TyperCommand):
    """A command that refuses an empty text where a path belongs.

    An empty path is the working folder: with a shell variable that is not set, a command would read it or fill it.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for before, word in pairwise(["", *args]):
            option, equals, value = word.partition("=")
            named = option if word else before
            if (not word or (option.startswith("--") and equals and not value)) and named not in MAY_BE_EMPTY:
                where = named if named.startswith("-") else "an argument"
                raise ConfigError(f"{where} is empty; is a variable of the shell not set?")
        rest: list[str] = super().parse_args(ctx, args)
        return rest


class ErrorsInOneLine(typer.core.TyperGroup):
    """The group of commands: a ThyrosightError or Ctrl-C in a command -> one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ThyrosightError as error:
            typer.echo(f"error: {printable(str(error))}", err=True)
            raise typer.Exit(exit_code(error)) from None
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror}; {mend_of(error, 'check the path, its permissions and the free space')}"
            if error.errno in (errno.EEXIST, errno.ENOTDIR):
                message = f"{where}a file is there, where a folder is needed; choose another path"
            typer.echo(f"error: {printable(message)}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            how = " with --resume" if ctx.invoked_subcommand == "train" else ""
            typer.echo(f"interrupted: finished results are kept; run the same command again{how} to go on", err=True)
            raise typer.Exit(INTERRUPTED) from None


def exit_code(error: ThyrosightError) -> int:
    """An error for the user -> 2 where nothing could be tried (configuration, installation), else 1."""
    return 2 if isinstance(error, ConfigError | MissingExtraError) else 1


COMMANDS: dict[str, Callable[..., None]] = {
    "learn": training.learn,
    "prepare": datasets.prepare,
    "audit": datasets.audit,
    "phantom": datasets.phantom,
    "train": training.train,
    "cross-validate": training.cross_validate,
    "export": training.export,
    "ensemble": training.ensemble,
    "import-tensorflow": training.import_tensorflow,
    "evaluate": evaluation.evaluate,
    "score": evaluation.score,
    "pool": evaluation.pool,
    "calibrate": evaluation.calibrate,
    "compare": evaluation.compare,
    "readers": examination.readers,
    "stress": stress.stress,
    "pool-stress": stress.pool_stress,
    "predict": predict.predict,
    "select": predict.select,
    "plan": predict.plan,
    "measure": measure.measure,
    "tirads": tirads.tirads,
    "report": examination.report,
    "annotations": examination.write_annotations,
    "import-masks": examination.import_masks,
    "serve": serve.serve,
    "dicom": dicom.dicom,
    "listen": pacs.listen,
    "dicomweb": pacs.dicomweb,
    "info": info.info,
    "demo": predict.demo,
}
"""Every command and its function, in the order of `--help`: data, training, scores, results, service."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from thyrosight.environment import __version__

        typer.echo(f"thyrosight {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Outline nodules in thyroid ultrasound and rate their risk of malignancy. For research; not a medical device."""


def program(named: str | None = None) -> typer.Typer:
    """Name of a command -> the program with only this command; None or any other text -> with all commands.

    Before Typer runs a command, it reads the options of every command in the program. For all commands this takes a
    quarter of the time of a prediction.
    """
    made = typer.Typer(
        name="thyrosight",
        cls=ErrorsInOneLine,
        help="Outline nodules in thyroid ultrasound and rate their risk of malignancy. For research; not a medical "
        "device.",
        epilog="Exit codes: 0 fine, 1 some input or result is not good, 2 usage or configuration, 130 interrupted.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    made.callback()(_options)
    for name in (named,) if named in COMMANDS else COMMANDS:
        made.command(name, cls=NoEmptyPath)(COMMANDS[name])
    return made


app = program()


def main() -> None:
    """sys.argv -> the command's exit code (the `thyrosight` program).

    SIGTERM ends a command as Ctrl-C does. Where the reader of stdout has gone, the command ends in silence. Where the
    disk behind stdout is full, it ends with one line on stderr and exit code 1.
    """
    start_again_in_utf8()
    sys.argv[1:] = map(with_home, sys.argv[1:])
    named = next(iter(sys.argv[1:]), None)
    gc.set_threshold(OBJECTS_PER_SEARCH, 10, 10)
    gc.enable()
    if named in WITHOUT_TRAINING:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else it reads the metadata of all packages for them
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    out, err = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
    sys.stdout, sys.stderr = out, err
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        program(named)(prog_name="thyrosight")
    finally:
        gc.freeze()  # at its end Python searches all objects for cycles, several times; the system frees them faster
        out.flush()
        if out.is_lost and out.fault is not None:
            err.write(f"error: stdout: can't be written ({out.fault.strerror}); free the space or print elsewhere\n")
            raise SystemExit(1) from None


def with_home(word: str) -> str:
    """`--out=~/results` -> the same with the home folder: no shell expands ~ behind `=`.

    Else a folder named ~ would be made in the working folder.
    """
    flag, equals, value = word.partition("=")
    if not (equals and flag.startswith("--") and value.split("/")[0] == "~"):
        return word
    return f"{flag}={os.path.expanduser(value)}"


def _open_closed_streams() -> None:
    """A standard stream that was closed (`>&-`) becomes the null device, so that no other file takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))


def _interrupt(number: int, frame: object) -> NoReturn:
    """SIGTERM -> KeyboardInterrupt, as for Ctrl-C."""
    raise KeyboardInterrupt


def start_again_in_utf8() -> None:
    """Runs the same command again in Python's UTF-8 mode where names of files are not read as UTF-8 (locale C, GBK).

    Names of cases follow from names of files, and must not depend on the locale. The terminal keeps its encoding.
    """
    is_program = os.path.basename(sys.argv[0]) in ("thyrosight", "__main__.py")
    if not is_program or os.environ.get("PYTHONUTF8") == "1" or sys.getfilesystemencoding().lower() == "utf-8":
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    environment = {"PYTHONIOENCODING": f"{encoding}:backslashreplace", **os.environ, "PYTHONUTF8": "1"}
    with suppress(OSError):
        os.execve(sys.executable, sys.orig_argv, environment)


if __name__ == "__main__":
    main()
