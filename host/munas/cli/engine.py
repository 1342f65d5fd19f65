"""`munas engine`: the inference engines, and getting TensorFlow Lite Micro."""

from __future__ import annotations

from typing import Annotated

import typer

from munas.cli.inputs import JsonFlag

app = typer.Typer(no_args_is_help=True, help="Inference engines.")


@app.command("list")
def list_engines(json: JsonFlag = False) -> None:
    """Show which engines are at hand."""
    import json as encoder

    from munas.latency.engine import describe_engines

    engines = describe_engines()
    for engine in engines:
        if json:
            typer.echo(encoder.dumps(engine))
        else:
            state = engine["revision"] if engine["installed"] else f"not installed: {engine['get']}"
            typer.echo(f"{engine['engine']:5} {state}")


@app.command("install")
def install(
    engine: Annotated[str, typer.Argument(help="tflm")],
    source: Annotated[
        str | None, typer.Option("--from", help="A URL, a tree, or a folder of checkouts.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Another commit than the pinned one.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Get an engine's sources and make a PlatformIO library of them."""
    import json as encoder

    from munas.cli.messages import show_progress
    from munas.errors import BadInputError
    from munas.firmware.engines import install_tflm

    if engine == "aot":
        raise BadInputError(
            "The engine aot is a Python package.", "Install it with: pip install 'munas[aot]'"
        )
    if engine != "tflm":
        raise BadInputError(
            f"There is no engine {engine!r}.",
            "There are tflm (munas engine install tflm) and aot (pip install 'munas[aot]').",
        )
    show_progress()
    path = install_tflm(source, revision)
    if json:
        typer.echo(encoder.dumps({"engine": engine, "path": str(path)}))
    else:
        typer.echo(f"tflm is in {path}", err=True)
