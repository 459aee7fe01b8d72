"""The command `dicom`: a result and its DICOM source -> SEG, SR and Secondary Capture files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from thyrosight.commands.options import Json
from thyrosight.commands.terminal import print_json, remark
from thyrosight.errors import InputError


def dicom(
    result: Annotated[
        Path, typer.Argument(help="A results folder, or the folder of one case in it.", exists=True, file_okay=False)
    ],
    source: Annotated[Path, typer.Option("--source", help="The DICOM file that was predicted.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the DICOM files.")],
    seg: Annotated[bool, typer.Option("--seg", help="Write seg.dcm.")] = False,
    sr: Annotated[bool, typer.Option("--sr", help="Write sr.dcm.")] = False,
    capture: Annotated[bool, typer.Option("--capture", help="Write capture.dcm, the overlay picture.")] = False,
    identity: Annotated[
        Literal["keep", "none"],
        typer.Option("--identity", help="keep: patient and study of the source, for a PACS; none: neither."),
    ] = "none",
    uid_key: Annotated[
        str | None,
        typer.Option("--uid-key", envvar="THYROSIGHT_UID_KEY", help="Secret; the same key gives the same new UIDs."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DICOM files that are there already.")] = False,
    as_json: Json = False,
) -> None:
    """A result -> DICOM SEG, SR, picture.

    Writes all three files unless --seg, --sr or --capture chooses some. Takes every case of the results folder that was
    predicted from the source, and every predicted frame of a clip. Without a nodule there is no SEG, and the SR states
    that none was found.
    """
    from thyrosight.files.earlier_files import write_set
    from thyrosight.results.dicom.files import SEG_NAME, Corrections, DicomOptions, case_dicom_files
    from thyrosight.results.dicom.source import read_source
    from thyrosight.results.layout import results_of
    from thyrosight.tirads.reading import read_reading

    is_all = not (seg or sr or capture)
    predictions, pictures = results_of(result, source, with_pictures=capture or is_all)
    reading = read_reading(result)  # of a case folder whose outlines a person made (`import-masks`)
    keys = [(one.image.frame_index, nodule.number) for one in predictions for nodule in one.nodules]
    by_person = Corrections(outlined_by=dict.fromkeys(keys, "MANUAL"), reader=reading.who or None) if reading else None
    files = case_dicom_files(
        source,
        predictions,
        pictures=pictures,
        corrections=by_person,
        options=DicomOptions(seg=seg or is_all, sr=sr or is_all, identity=identity, uid_key=uid_key),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: can't be a folder ({error.strerror}); choose another") from error
    write_set(out, files, overwrite=overwrite)
    for line in read_source(source, identity=identity).remarks:
        remark(line)
    if (seg or is_all) and SEG_NAME not in files:
        remark("no nodule was outlined: there is no SEG to write")
    if as_json:
        print_json({"files": [out / name for name in files], "frames": len(predictions), "identity": identity})
        return
    for name in files:
        typer.echo(out / name)
