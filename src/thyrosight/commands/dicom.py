"""A result and the DICOM file that it is of -> SEG, SR and Secondary Capture: the command dicom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from thyrosight.commands.terminal import print_json, remark
from thyrosight.errors import InputError


def dicom(
    result: Annotated[
        Path, typer.Argument(help="A results folder, or one case's folder in it.", exists=True, file_okay=False)
    ],
    source: Annotated[Path, typer.Option("--source", help="The DICOM file that was predicted.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the DICOM files.")],
    seg: Annotated[bool, typer.Option("--seg", help="Write seg.dcm.")] = False,
    sr: Annotated[bool, typer.Option("--sr", help="Write sr.dcm.")] = False,
    capture: Annotated[bool, typer.Option("--capture", help="Write capture.dcm, the overlay picture.")] = False,
    identity: Annotated[
        Literal["keep", "none"],
        typer.Option("--identity", help="keep: patient and study as in the source, for a PACS; none: without."),
    ] = "none",
    uid_key: Annotated[
        str | None,
        typer.Option("--uid-key", envvar="THYROSIGHT_UID_KEY", help="Secret: same key, same replaced UIDs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")] = False,
) -> None:
    """A result -> DICOM SEG, SR, picture.

    Writes all three where none of --seg, --sr, --capture is given. Of a results folder those cases are taken that are
    of the source, and of a clip every frame that was predicted. Where no nodule was outlined there is no SEG; the SR
    says that none was found.
    """
    from thyrosight.files import write_atomic
    from thyrosight.results.dicom.files import SEG_NAME, DicomOptions, case_dicom_files
    from thyrosight.results.layout import results_of

    is_all = not (seg or sr or capture)
    predictions, pictures = results_of(result, source, with_pictures=capture or is_all)
    files = case_dicom_files(
        source,
        predictions,
        pictures=pictures,
        options=DicomOptions(seg=seg or is_all, sr=sr or is_all, identity=identity, uid_key=uid_key),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: can't be a folder ({error.strerror}); choose another") from error
    for name, content in files.items():
        write_atomic(out / name, content)
    if (seg or is_all) and SEG_NAME not in files:
        remark("no nodule was outlined: there is no SEG to write")
    if as_json:
        print_json({"files": [out / name for name in files], "frames": len(predictions), "identity": identity})
        return
    for name in files:
        typer.echo(out / name)
