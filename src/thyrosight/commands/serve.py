"""`serve`: runs the page and the API."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thyrosight.commands.options import BundleOption, Prevalence, Threads, Tta
from thyrosight.commands.terminal import remark
from thyrosight.errors import ConfigError, InputError, MissingExtraError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from thyrosight.web.security import Rules

DATA_FOLDER = "serve"
SecondReaders = Annotated[
    Path | None,
    typer.Option(
        "--second-readers",
        help="File with lines `TOKEN NAME`: readers who see the network's result only after their own reading.",
        exists=True,
    ),
]
MoreModels = Annotated[
    list[Path] | None,
    typer.Option(
        "--models", help="More models to choose from: a bundle, or a folder of them; repeat for more.", exists=True
    ),
]


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; others than loopback need a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder for uploads and results; a folder of the user's own if left out."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the secret that every request must carry.", exists=True),
    ] = None,
    second_readers: SecondReaders = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="Another name of this server; repeat for more.")
    ] = None,
    bundle: BundleOption = None,
    models: MoreModels = None,
    max_upload_mb: Annotated[int, typer.Option("--max-upload-mb", min=1, help="Megabytes in one upload.")] = 512,
    max_queue: Annotated[int, typer.Option("--max-queue", min=1, help="Files that may wait.")] = 1000,
    threads: Threads = None,
    tta: Tta = False,
    prevalence: Prevalence = None,
) -> None:
    """A page in the browser, and an API.

    Listens on this machine only unless a token is given. Files stay in the data folder until they are deleted there or
    on the page. Stop it with Ctrl-C: waiting files continue at the next start.
    """
    _check_extra()
    from thyrosight.inference.predictor import Predictor
    from thyrosight.web.app import create_app
    from thyrosight.web.jobs.models import ServedModels
    from thyrosight.web.service import Service, ServiceLimits

    rules = _rules(host, token_file, second_readers, allow_host or ())
    folder = data or Path(typer.get_app_dir("thyrosight")) / DATA_FOLDER
    load = partial(Predictor.load, threads=threads, tta=tta, prevalence=prevalence)
    served = ServedModels(load(bundle), models or (), load)
    service = Service(served, folder, ServiceLimits(max_upload_mb << 20, max_queue))
    service.tidy()  # here, where an error is one line; the server's start does it again
    not_chosen = served.choose_again(folder) if bundle is None else None
    if not_chosen is not None:
        remark(not_chosen)
    remark(f"data in {folder}")
    _run(create_app(service, rules), host, port)


def _check_extra() -> None:
    try:
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f'the server needs {error.name}; run: pip install "thyrosight[serve]"') from error


def _rules(host: str, token_file: Path | None, second_readers: Path | None, allow_host: Sequence[str]) -> Rules:
    """Options -> what a request needs. ConfigError where second readers could see everything without a token."""
    from thyrosight.web.security import read_second_readers, read_token, rules_for

    rules = rules_for(host, read_token(token_file) if token_file else None, allow_host)
    if second_readers is None:
        return rules
    if token_file is None:
        raise ConfigError(
            "--second-readers: without --token-file everybody may see everything; give the token of all others there"
        )
    return replace(rules, second_readers=read_second_readers(second_readers))


def _run(app: ASGIApp, host: str, port: int) -> None:
    """Serves until interrupted; prints the address once it listens."""
    import uvicorn

    from thyrosight.web.connections import bound_connections

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            for one in self.servers:
                for socket in one.sockets:
                    typer.echo(_address(socket.getsockname()))

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=32 << 10,
        http=bound_connections(),
    )
    server = Server(config)
    try:
        with suppress(KeyboardInterrupt):  # Ctrl-C is the usual end
            server.run()
    except SystemExit as error:  # uvicorn exits where it can't have the address; its reason is on stderr already
        raise InputError(f"{host}:{port}: can't listen there; choose another --port") from error
    if not server.started:
        raise InputError(f"{host}:{port}: can't listen there; choose another --port")


def _address(name: tuple[str, int]) -> str:
    host, port = name[0], name[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
