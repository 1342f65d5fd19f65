"""The command line: `munas`.

One file per command; this one only lists them and turns faults into messages and exit codes. What
`--json` prints goes to standard output alone; everything for people goes to standard error.
"""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Annotated, NoReturn

import typer

from munas.errors import ExitCode, MunasError

# Each name is a module: it offers `command` (a function) or `app` (a group of commands).
COMMANDS = (
    "search",
    "resume",
    "status",
    "report",
    "export",
    "deploy",
    "teacher",
    "sample",
    "morph",
    "cost",
    "convert",
    "measure",
    "study",
    "calibrate",
    "baseline",
    "check",
    "noise",
    "boards",
    "engine",
    "emulate",
    "doctor",
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find neural networks that fit a microcontroller, and prove it on the microcontroller.",
)
_debug = False


def _show_version(wanted: bool) -> None:
    if wanted:
        from munas import __version__

        typer.echo(f"munas {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks of faults.")] = False,
) -> None:
    global _debug  # noqa: PLW0603 (one flag for the life of the process)
    del version
    _debug = debug


def _register() -> None:
    for name in COMMANDS:
        module = importlib.import_module(f"munas.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(module.command)


def main() -> NoReturn:
    """The console script: run a command and exit with its code."""
    if "--debug" in sys.argv:  # also behind the command's name, where people type it
        sys.argv = [sys.argv[0], "--debug", *(a for a in sys.argv[1:] if a != "--debug")]
    _register()
    _end_orderly_on_signals()
    try:
        code = app(standalone_mode=False)
    except MunasError as error:
        _fail(error, str(error), int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.INTERRUPTED))
    except SystemExit as leave:
        # Click and rich turn a reader that went away into a failure of their own.
        if not isinstance(leave.__context__, BrokenPipeError):
            raise
        _close_pipe()
        sys.exit(int(ExitCode.DONE))
    except BrokenPipeError:
        _close_pipe()
        sys.exit(int(ExitCode.DONE))
    except Exception as error:
        _fail_unknown(error)
    sys.exit(code if isinstance(code, int) else int(ExitCode.DONE))


def _end_orderly_on_signals() -> None:
    """Ctrl-C and SIGTERM interrupt alike, and stop builds on whatever thread they run."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is to be ignored
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, _: object) -> NoReturn:
    if number == signal.SIGTERM:  # a second one must not break off the cleaning up
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if process := sys.modules.get("munas.firmware.process"):
        process.stop_all()
    raise KeyboardInterrupt


def _fail(error: BaseException, text: str, code: int) -> NoReturn:
    if _debug:
        raise error
    for index, line in enumerate(text.splitlines()):
        typer.echo(f"munas: {line}" if index == 0 else f"  {line}", err=True)
    sys.exit(code)


def _fail_unknown(error: Exception) -> NoReturn:
    if type(error).__name__ == "Abort":
        sys.exit(int(ExitCode.INTERRUPTED))
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):  # a usage fault, which can show itself
        show()
        sys.exit(code)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        _fail(error, f"{where}{error.strerror}.", int(ExitCode.BAD_INPUT))
    _fail(
        error,
        f"internal error: {type(error).__name__}: {error}\n"
        "This is a fault of munas. Run again with --debug and report what it prints.",
        int(ExitCode.INTERNAL),
    )


def _close_pipe() -> None:
    """A reader that went away (such as `head`) is no fault: keep Python quiet about it at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
