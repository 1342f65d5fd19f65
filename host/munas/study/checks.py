"""What must hold before points may be looked at together.

Each fault is named with the points it concerns; nothing is averaged over. Knows points alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from munas.errors import BadInputError
from munas.study.points import Failure, Point, SeriesKey, failures_by_reason
from munas.units import MEASURED, require_one_source

LEAST_POINTS = 3
"""Fewer give neither a line nor a rank correlation."""

# What makes a board another one for the purpose of a study, by the measurement object's names.
_SAME = ("clock_hz", "compiler", "flags", "kernels", "engine_revision", "model_error_percent")
_NAMED = 3


def check_study(
    series: Mapping[SeriesKey, Sequence[Point]], failures: Sequence[Failure] = ()
) -> None:
    """Refuse a study without points or of several sources, and each series that is not one.

    Raises BadInputError; `failures` tell why a series has no points.
    """
    if not series:
        raise BadInputError(
            f"The study has no measured point at all{_because(failures)}.",
            "See why the measurements failed; MACs alone cannot be compared with themselves.",
        )
    for key, points in series.items():
        if not points:
            own = [each for each in failures if (each.board, each.engine) == key]
            raise BadInputError(
                f"{key}: not one of {len(own)} measurements succeeded{_because(own)}.",
                "Mend that first, or leave this board and engine out.",
            )
        check_series(key, points)
    require_one_source(
        {point.source for points in series.values() for point in points},
        "Latencies of one study",
    )


def check_series(key: SeriesKey, points: Sequence[Point]) -> None:
    """Refuse points that are not measurements of one board in one state, each of its own model.

    Raises BadInputError, which names what is wrong and with which points.
    """
    _check_count(key, points)
    _check_key(key, points)
    _check_sources(key, points)
    _check_duplicates(key, points)
    for name in _SAME:
        _check_same(key, points, name)
    _check_units(key, points)
    if key.engine == "tflm":
        # Resident firmware holds no model; an image of the engine aot does, and differs by it.
        _check_same(key, points, "firmware_sha256")


def _because(failures: Sequence[Failure]) -> str:
    """The reasons with their counts, and the first message in full."""
    if not failures:
        return ""
    reasons = ", ".join(f"{n} × {name}" for name, n in failures_by_reason(failures).items())
    return f" ({reasons}; the first: {failures[0].message.rstrip('.')})"


def _check_count(key: SeriesKey, points: Sequence[Point]) -> None:
    if len(points) < LEAST_POINTS:
        raise BadInputError(
            f"{key}: {len(points)} measured points; a study needs at least {LEAST_POINTS}, and "
            "fewer than 30 are too few to lean on.",
            "Measure more architectures, or see why their measurements failed.",
        )


def _check_key(key: SeriesKey, points: Sequence[Point]) -> None:
    strangers = [point for point in points if point.key != key]
    if strangers:
        raise BadInputError(
            f"Among the points of {key} are {len(strangers)} of {strangers[0].key}: "
            f"{_named(strangers)}.",
            "Keep series of different boards or engines apart.",
        )


def _check_sources(key: SeriesKey, points: Sequence[Point]) -> None:
    measured = {source.value for source in MEASURED}
    wrong = [point for point in points if point.source not in measured]
    if wrong:
        sources = ", ".join(sorted({point.source for point in wrong}))
        raise BadInputError(
            f"{key}: {len(wrong)} of {len(points)} latencies are not measured but {sources}: "
            f"{_named(wrong)}.",
            "Only measured latencies (silicon, emulated) can be held against MACs.",
        )
    sources_found = {point.source for point in points}
    if len(sources_found) > 1:
        fewer = min(sources_found, key=lambda s: sum(point.source == s for point in points))
        minority = [point for point in points if point.source == fewer]
        raise BadInputError(
            f"{key}: latencies of different sources ({', '.join(sorted(sources_found))}) in one "
            f"series; {fewer}: {_named(minority)}.",
            "Study them separately.",
        )


def _check_duplicates(key: SeriesKey, points: Sequence[Point]) -> None:
    seen: dict[str, int] = {}
    for point in points:
        seen[point.architecture_sha256] = seen.get(point.architecture_sha256, 0) + 1
    twice = [digest for digest, count in seen.items() if count > 1]
    if twice:
        more = f" and {len(twice) - _NAMED} more" if len(twice) > _NAMED else ""
        raise BadInputError(
            f"{key}: {len(twice)} architectures are there more than once: "
            f"{', '.join(digest[:12] for digest in twice[:_NAMED])}{more}.",
            "Leave each in once; a point that counts twice makes every interval too narrow.",
        )


def _check_units(key: SeriesKey, points: Sequence[Point]) -> None:
    units = list(dict.fromkeys(str(point.unit) for point in points))
    if len(units) > 1:
        odd = [point for point in points if str(point.unit) == units[1]]
        raise BadInputError(
            f"{key}: measured on {len(units)} units ({', '.join(units)}), which differ by more "
            f"than repeats do; the first point of another: {_named(odd[:1])}.",
            "Study each unit by itself.",
        )


def _check_same(key: SeriesKey, points: Sequence[Point], name: str) -> None:
    first = points[0].measurement.get(name)
    changed = [point for point in points if point.measurement.get(name) != first]
    if changed:
        now = changed[0].measurement.get(name)
        raise BadInputError(
            f"{key}: `{name}` changed on the way, from {first} to {now}: "
            f"{len(changed)} of {len(points)} points, {_named(changed)}.",
            "Measure all points with one state of the board, or study them separately.",
        )


def _named(points: Sequence[Point]) -> str:
    """The architectures of the points, the first few by their hashes."""
    names = ", ".join(point.architecture_sha256[:12] for point in points[:_NAMED])
    rest = len(points) - _NAMED
    return f"architecture {names}" + (f" and {rest} more" if rest > 0 else "")
