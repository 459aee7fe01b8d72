"""`listen` receives images of a PACS and sends results back; `dicomweb` fetches images and stores results."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thyrosight.commands.options import BundleOption, Json, Prevalence, Threads, Tta
from thyrosight.commands.terminal import print_json, print_table, remark, stdout_kept_for_json
from thyrosight.errors import ConfigError, InputError, MissingExtraError

if TYPE_CHECKING:
    import ssl

    from thyrosight.pacs.dicomweb import StudySummary
    from thyrosight.pacs.dicomweb_client import RemoteImage
    from thyrosight.pacs.entities import Destination
    from thyrosight.pacs.service import PacsService

SECRET_VARIABLE = "THYROSIGHT_DICOMWEB_SECRET"
SPOOL_FOLDER = "listen"

SpoolOption = Annotated[
    Path | None, typer.Option("--spool", help="Folder for images in work; a folder of the user's own if left out.")
]
MaxMb = Annotated[int, typer.Option("--max-mb", min=1, help="Megabytes in one image or clip.")]
TlsCert = Annotated[Path | None, typer.Option("--tls-cert", help="Our certificate (PEM): listen by TLS.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="The private key of our certificate (PEM).")]
TlsCa = Annotated[
    Path | None, typer.Option("--tls-ca", help="Authority (PEM); senders need a certificate that it issued.")
]
Study = Annotated[str | None, typer.Option("--study", metavar="UID", help="Study Instance UID.")]
Series = Annotated[str | None, typer.Option("--series", metavar="UID", help="Only this series of the study.")]
Instance = Annotated[str | None, typer.Option("--instance", metavar="UID", help="Only this image of the study.")]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="Authority of the server's certificate (PEM).", exists=True)
]


def listen(
    send_to: Annotated[
        str, typer.Option("--send-to", metavar="AET@HOST:PORT", help="Where SEG and SR are sent: the PACS.")
    ],
    ae_title: Annotated[str, typer.Option("--ae-title", help="Our own AE title.")] = "THYROSIGHT",
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than loopback need --allow-ae.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 11112,
    allow_ae: Annotated[
        list[str] | None, typer.Option("--allow-ae", help="AE title that may send; repeat for more.")
    ] = None,
    allow_from: Annotated[
        list[str] | None, typer.Option("--allow-from", help="IP address or network that may connect; repeat for more.")
    ] = None,
    spool: SpoolOption = None,
    max_mb: MaxMb = 512,
    max_queue: Annotated[int, typer.Option("--max-queue", min=1, help="Images that may be in work.")] = 1000,
    max_associations: Annotated[int, typer.Option("--max-associations", min=1, help="Senders at the same time.")] = 8,
    tries: Annotated[int, typer.Option("--tries", min=1, help="Tries to send a result; 60 take about a day.")] = 60,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try all earlier failures again first.")] = False,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_ca: TlsCa = None,
    send_tls: Annotated[bool, typer.Option("--send-tls", help="Send by TLS too.")] = False,
    bundle: BundleOption = None,
    threads: Threads = None,
    tta: Tta = False,
    prevalence: Prevalence = None,
) -> None:
    """Receive ultrasound by DICOM, send results back.

    Takes ultrasound and secondary captures by C-STORE, predicts each as `predict` does, and sends SEG and SR to one
    destination. They name patient and study as their source does. Accepted images stay in the spool until they are
    done, so a restart continues with them. Listens on this machine only unless --host and --allow-ae are given, because
    DICOM has no token, an AE title is no secret, and without TLS everybody on the network can read everything. Ctrl-C
    or SIGTERM ends it after the present file.
    """
    needs_pacs("pynetdicom", "listening to DICOM")
    from thyrosight.inference.predictor import Predictor
    from thyrosight.pacs.entities import callers_for, check_no_loop, read_destination, read_title
    from thyrosight.pacs.listener import ListenerSettings
    from thyrosight.pacs.log import log_line
    from thyrosight.pacs.sender import SenderSettings
    from thyrosight.pacs.service import PacsService
    from thyrosight.pacs.spool import Spool, SpoolLimits

    destination, title = read_destination(send_to), read_title(ae_title, "--ae-title")
    callers = callers_for(host, allow_ae or (), allow_from or ())
    check_no_loop(host, port, destination)
    listening_tls, sending_tls = _tls(tls_cert, tls_key, tls_ca, send_tls)
    predictor = Predictor.load(bundle, threads=threads, tta=tta, prevalence=prevalence)
    folder = spool or Path(typer.get_app_dir("thyrosight")) / SPOOL_FOLDER
    held = Spool(folder, SpoolLimits(max_mb << 20, max_queue))
    if retry_failed:
        remark(f"{held.retry_failed()} that failed before are tried again")
    listening = ListenerSettings(host, port, title, callers, max_associations, tls=listening_tls)
    sending = SenderSettings(destination, title, sending_tls, max_tries=tries)
    _run(PacsService(predictor, held, listening, sending, log_line), listening.host, title, destination)


def needs_pacs(module: str, what: str) -> None:
    """MissingExtraError where a module of the extra `pacs` is not installed."""
    import importlib

    try:
        importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f'{what} needs {error.name}; run: pip install "thyrosight[pacs]"') from error


def _tls(
    cert: Path | None, key: Path | None, ca: Path | None, is_sent_too: bool
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """The options -> (TLS of the listener, TLS of the sender); None for the one that has no TLS."""
    from thyrosight.pacs.bounded_server import client_context, server_context

    if (cert is None) != (key is None):
        raise ConfigError("--tls-cert and --tls-key: give both or none")
    if cert is None and ca is not None and not is_sent_too:
        raise ConfigError("--tls-ca: names the authority of certificates; give --tls-cert and --tls-key, or --send-tls")
    listening = server_context(cert, key, ca) if cert is not None and key is not None else None
    return listening, client_context(cert, key, ca) if is_sent_too else None


def _run(service: PacsService, host: str, title: str, destination: Destination) -> None:
    """Listens until SIGINT or SIGTERM; prints the address to stdout once it listens."""
    from thyrosight.pacs.sender import check_destination

    stop_requested = threading.Event()

    def request_stop(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second time ends it at once
        stop_requested.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request_stop)
    service.start()
    waiting = {what: number for what, number in service.spool.counts().items() if number}
    states = ", ".join(f"{number} {what}" for what, number in waiting.items()) or "nothing"
    remark(f"spool {service.spool.folder}: {states} from before")
    typer.echo(f"listening as {title} at {host}:{service.listener.port}; results go to {destination}")
    if (reason := check_destination(service.sender.settings)) is not None:
        remark(f"{reason}; results wait until it does")
    stop_requested.wait()
    remark("stopping after the present file; again to stop at once")
    service.stop()


def dicomweb(
    url: Annotated[str, typer.Argument(help="Root of the DICOMweb service, https://pacs.example/dicom-web.")],
    study: Study = None,
    series: Series = None,
    instance: Instance = None,
    patient: Annotated[
        str | None,
        typer.Option("--patient", envvar="THYROSIGHT_PATIENT_ID", help="All studies of this patient ID instead."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the results; without it, only a list of images.")
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="Store SEG and SR in the study, by STOW-RS.")] = False,
    user: Annotated[
        str | None, typer.Option("--user", help="User for basic authentication; the secret is then the password.")
    ] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option("--secret-file", help="File with the token or password; else THYROSIGHT_DICOMWEB_SECRET."),
    ] = None,
    ca_file: CaFile = None,
    allow_http: Annotated[bool, typer.Option("--allow-http", help="Speak plain http to another machine.")] = False,
    max_mb: MaxMb = 512,
    bundle: BundleOption = None,
    threads: Threads = None,
    tta: Tta = False,
    prevalence: Prevalence = None,
    as_json: Json = False,
) -> None:
    """Ultrasound of a DICOMweb server -> results.

    Lists the ultrasound images of a study, or of a patient; with --out fetches and predicts them as `predict` does;
    with --store sends SEG and SR back into the study. A token or password comes from a file, never from the command
    line.
    """
    needs_pacs("dicomweb_client", "DICOMweb")
    from thyrosight.pacs.dicomweb_client import ServerAccess, WebArchive, read_secret

    if (study is None) == (patient is None):
        raise ConfigError("name a study by --study, or a patient by --patient")
    if study is None and (series is not None or instance is not None):
        raise ConfigError("--series and --instance: are of a study; give --study too")
    if store and out is None:
        raise ConfigError("--store: stores what --out has; give --out too")
    secret = read_secret(secret_file) if secret_file is not None else os.environ.get(SECRET_VARIABLE) or None
    archive = WebArchive(ServerAccess(url, user, secret, ca_file, allow_http, max_mb << 20))
    images = archive.find(study=study, series=series, instance=instance, patient=patient)
    if out is None:
        _print_images(images, as_json)
        return
    if not images:
        raise InputError(f"{url}: no ultrasound image found there; leave out --series or --instance, or check the UID")
    from thyrosight.inference.predictor import Predictor
    from thyrosight.pacs.dicomweb import predict_study

    with stdout_kept_for_json(as_json):
        predictor = Predictor.load(bundle, threads=threads, tta=tta, prevalence=prevalence)
        summary = predict_study(archive, images, out, predictor, is_stored=store, log=remark)
    _print_summary(summary, as_json)
    raise typer.Exit(summary.exit_code)


def _print_summary(summary: StudySummary, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    counts = {"found": summary.num_found, "predicted": summary.num_predicted, "our own": summary.num_own}
    counts |= {"files stored": summary.num_stored, "failed": len(summary.failures)}
    remark(", ".join(f"{number} {what}" for what, number in counts.items() if number))
    typer.echo(summary.out)


def _print_images(images: list[RemoteImage], as_json: bool) -> None:
    if as_json:
        print_json(images)
        return
    rows = [(image.modality, image.num_frames or 1, image.study, image.series, image.instance) for image in images]
    print_table(("modality", "frames", "study", "series", "instance"), rows)
