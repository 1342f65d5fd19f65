"""Where the numbers of a series come from, in words; the same on figures, page and screen.

Knows results, not how they are shown.
"""

from __future__ import annotations

from munas.study.analysis import SeriesResult


def board_line(series: SeriesResult) -> str:
    """Source, board, engine and clock in one line; also the board that another stands for."""
    found = series.provenance
    for_it = f" for {series.stands_for}" if series.stands_for else ""
    return f"{source_of(series)}: {series.key}{for_it}, {int(found['clock_hz']) / 1e6:g} MHz"


def source_of(series: SeriesResult) -> str:
    """The source, with its own error where it is emulated."""
    if series.source != "emulated":
        return series.source
    error = series.provenance["model_error_percent"]
    return f"emulated ({'error not known' if error is None else f'about ±{error:g} %'})"


def build_lines(series: SeriesResult, *, brief: bool = False) -> list[str]:
    """What the engine was built of: revision, kernels, compiler, flags.

    `brief` gives the flags alone.
    """
    found = series.provenance
    revision = str(found["engine_revision"] or "not recorded")[:12]
    made = f"revision {revision}, kernels {_or(found['kernels'])}, {_or(found['compiler'])}"
    flags = f"flags {_or(found['flags'])}"
    return [flags] if brief else [made, flags]


def _or(value: object) -> str:
    return "not recorded" if value is None else str(value)
