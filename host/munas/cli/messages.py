"""What commands tell people while they work: on standard error, one line each."""

from __future__ import annotations

import logging


class _ToPeople(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        import typer

        typer.echo(f"munas: {record.getMessage()}", err=True)


def show_progress() -> None:
    """Let munas' own messages reach the person."""
    logger = logging.getLogger("munas")
    logger.setLevel(logging.INFO)
    logger.propagate = False  # TensorFlow gives the root logger a handler of its own
    if not any(isinstance(handler, _ToPeople) for handler in logger.handlers):
        logger.addHandler(_ToPeople())
