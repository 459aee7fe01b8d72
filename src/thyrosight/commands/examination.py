"""The commands on examinations and readings: report, annotations, import-masks, readers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thyrosight.commands.options import Json, refuse_without_effect
from thyrosight.commands.terminal import print_json, print_table, remark
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.evaluation.others.reader_study import ReaderStudy
    from thyrosight.results.examinations.write import Loaded
    from thyrosight.tirads.assessment import SystemName


def report(
    source: Annotated[
        Path, typer.Argument(help="An examination's JSON, or a results folder of one patient and day.", exists=True)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report.html and report.txt.")],
    earlier: Annotated[
        Path | None, typer.Option("--earlier", help="The JSON of an earlier examination to compare with.", exists=True)
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write report.pdf as well; needs the extra `pdf`.")] = False,
    system: Annotated[
        Literal["acr", "eu", "k"] | None,
        typer.Option("--system", help="For a results folder: which TI-RADS rates; default: acr."),
    ] = None,
    date: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="For a results folder: date of the ultrasound.")
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option("--dicom", metavar="FOLDER", help="The DICOM files that were predicted: write SEG, SR, PDF too."),
    ] = None,
    identity: Annotated[
        Literal["keep", "none"],
        typer.Option("--identity", help="keep: patient and study of the sources, for a PACS; none: neither."),
    ] = "none",
    uid_key: Annotated[
        str | None,
        typer.Option("--uid-key", envvar="THYROSIGHT_UID_KEY", help="Secret; the same key gives the same new UIDs."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """An examination -> its report: HTML, text, PDF.

    From a results folder, the program proposes an examination: which views show the same nodule, its sizes, its
    TI-RADS. It is written as examination.json, for a reader to complete; run the command again with that file. Names of
    files such as `right_trans_upper.png` state view, side and pole. docs/examinations.md describes the JSON.
    """
    from thyrosight.results.examinations.dicom_report import dicom_report, dicom_sources
    from thyrosight.results.examinations.write import read_examination, report_files, write_report_files
    from thyrosight.results.pages import pdf_writer

    if not source.is_dir():
        refuse_without_effect({"--system": system, "--date": date}, f"on {source.name}, which states it itself")
    if sources is None and identity == "keep":
        refuse_without_effect({"--identity keep": identity}, "without --dicom")
    if pdf:
        pdf_writer()
    before = None if earlier is None else read_examination(earlier)
    loaded = _proposed(source, out, system or "acr", date, sources) if source.is_dir() else read_examination(source)
    files = report_files(loaded, before, with_pdf=pdf, with_json=source.is_dir())
    if sources is not None:
        found = dicom_sources(loaded.examination, sources)
        files |= dicom_report(loaded, before, found, with_pdf=pdf, identity=identity, uid_key=uid_key)
    paths = write_report_files(out, files, overwrite=overwrite)
    _print_files(paths, loaded, is_proposed=source.is_dir(), as_json=as_json)


def _print_files(paths: list[Path], loaded: Loaded, *, is_proposed: bool, as_json: bool) -> None:
    if as_json:
        examination = loaded.examination
        print_json({"files": paths, "nodules": len(examination.nodules), "images": len(examination.images)})
        return
    if is_proposed:
        remark("proposed by the program: complete examination.json and pass it to this command")
    for path in paths:
        typer.echo(path)


def _proposed(source: Path, out: Path, system: SystemName, date: str | None, sources: Path | None) -> Loaded:
    from datetime import date as day

    from thyrosight.results.dicom.view_words import view_words
    from thyrosight.results.examinations.dicom_report import files_by_hash
    from thyrosight.results.examinations.propose import propose_examination
    from thyrosight.results.examinations.write import Loaded

    if date is not None:
        try:
            day.fromisoformat(date)
        except ValueError:
            raise ConfigError(f"--date {date}: give it as YYYY-MM-DD") from None
    files = {} if sources is None else files_by_hash(sources)
    words = {sha256: view_words(path) for sha256, path in files.items()}
    proposed = propose_examination(source, home=out, words=words, files=files, date=date, system=system)
    return Loaded(proposed, out)


def write_annotations(
    source: Annotated[Path, typer.Argument(help="An examination's JSON, or a results folder.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    kind: Annotated[
        Literal["coco", "cvat", "label-studio"], typer.Option("--format", help="The annotation tool's format.")
    ] = "coco",
    root: Annotated[
        str, typer.Option("--root", help="Label Studio: the text before a file's name, e.g. /data/local-files/?d=")
    ] = "",
) -> None:
    """Outlines -> COCO, CVAT or Label Studio file.

    COCO and CVAT files hold masks that are exact to the pixel. Label Studio gets polygons; the network's outlines
    become predictions there.
    """
    from thyrosight.files.earlier_files import write_new
    from thyrosight.results.annotations.coco_json import coco_json
    from thyrosight.results.annotations.cvat_xml import cvat_xml
    from thyrosight.results.annotations.label_studio import label_studio_json
    from thyrosight.results.annotations.outlined_images import images_of_examination, images_of_results
    from thyrosight.results.examinations.write import read_examination

    refuse_without_effect({"--root": root if root and kind != "label-studio" else None}, f"with --format {kind}")
    if source.is_dir():
        images = images_of_results(source)
    else:
        images = images_of_examination(read_examination(source).examination)
    write = {"coco": coco_json, "cvat": cvat_xml}.get(kind)
    content = label_studio_json(images, root) if write is None else write(images)
    write_new(out, content.encode("utf-8", "backslashreplace"))
    typer.echo(out)


def import_masks(
    masks: Annotated[Path, typer.Argument(help="A mask image, or a DICOM SEG, of any tool.", exists=True)],
    case: Annotated[Path, typer.Option("--case", help="The image's case folder of `predict`.", exists=True)],
    image: Annotated[Path, typer.Option("--image", help="The image's file.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="A results folder; the case gets a folder in it.")],
    who: Annotated[str, typer.Option("--who", help="Who drew the masks.")] = "",
    as_json: Json = False,
) -> None:
    """Masks made elsewhere -> a reading of the case.

    The outlines are measured in the same way as the network's outlines, and are marked as drawn by a person. The
    network gives no risk for them. The commands `report` and `annotations` take the folder.
    """
    from thyrosight.results.imports.import_reading import import_reading

    done = import_reading(masks, case, image, out, who)
    for change in done.changes:
        remark(change)
    if as_json:
        print_json({"folder": done.folder, "nodules": len(done.prediction.nodules), "changes": done.changes})
        return
    typer.echo(done.folder)


def readers(
    log: Annotated[Path, typer.Argument(help="The log of readings that the page wrote (JSON lines).", exists=True)],
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with the images' masks or labels.", exists=True)],
    as_json: Json = False,
) -> None:
    """Readings without and with the network -> scores of both.

    Per image and reader, the last reading without the network is compared with the last reading after the network's
    result was shown. The 95 % intervals come from drawing groups of cases. Images are found in cases.csv by their
    SHA-256.
    """
    from thyrosight.evaluation.others.reader_study import study_readers

    study = study_readers(log, cases)
    for fault in study.faults:
        remark(fault)
    if as_json:
        print_json(study)
    else:
        _print_study(study)
    if study.faults:
        raise typer.Exit(1)


def _print_study(study: ReaderStudy) -> None:
    def text(value: float | None, low: float | None, high: float | None, reason: str | None) -> str:
        if value is None:
            return f"none ({reason})"
        return f"{value:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None else "")

    columns = ("score", "without the network", "with it", "gain", "pairs")
    rows = []
    for score in study.scores:
        both = [text(one.value, one.low, one.high, one.reason) for one in (score.without, score.with_network)]
        gain = score.gain
        rows.append((score.title, *both, text(gain.value, gain.low, gain.high, gain.reason), score.without.n))
    print_table(columns, rows)
    typer.echo("")
    print_table(("reader", "score", "without", "with"), study.by_reader)
    scale = {"suspicion": "the readers' suspicion", "tirads_points": "TI-RADS points"}[study.rated_by]
    typer.echo(
        f"\n{study.num_readers} readers, {study.num_images} images, {study.num_pairs} pairs; ranked by {scale}; "
        "intervals: 95 %, by group of cases"
    )
    for reason, num in study.left_out.items():
        typer.echo(f"left out: {num} {reason}")
