"""Measures what a suite asks for, into records.

Must not know what the records are compared with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from munas.boards.board import Board
from munas.boards.discovery import find_attached
from munas.boards.open import open_board
from munas.boards.physical import PhysicalBoard
from munas.errors import BadInputError, ImplausibleError, MunasError
from munas.experiment import Suite
from munas.firmware.build import BuildRequest, build
from munas.firmware.image import FirmwareImage, image_of_elf
from munas.firmware.sizes import Sizes, sizes_of
from munas.latency.batches import batches
from munas.latency.measure import Measurer
from munas.latency.measurement import Measurement
from munas.link.client import Identity
from munas.regress.models import Model
from munas.regress.plan import Firmware, Group
from munas.regress.record import Case, Failure, Image, Record, Taken, record_of

log = logging.getLogger(__name__)

OpenBoard = Callable[[Group, Firmware, str | None], Board]
# What one firmware says the same after every restart.
_SAME = ("arena_used_bytes", "outputs_crc32", "flash_bytes")


def open_for(group: Group, firmware: Firmware, unit: str | None = None) -> Board:
    """The group's board with its environment's firmware in mind; see open_board."""
    if firmware.port is not None or group.environment.name == group.board.name:
        return open_board(group.board.name, unit=unit, port=firmware.port)
    if group.environment.emulated:
        return open_board(group.environment.name)
    # A unit is enrolled as the board it is, whatever firmware it is given.
    return PhysicalBoard(group.environment, find_attached(group.board, unit))


def take(
    groups: Sequence[Group],
    firmware: Firmware,
    *,
    runs: int,
    unit: str | None = None,
    padding_bytes: int = 0,
    every_run: bool = False,
    open_device: OpenBoard = open_for,
) -> Taken:
    """Measure every model of every group, `runs` times after a restart where cycles spread (with
    `every_run` also where they should not).

    Raises MunasErrors for what stops everything: a board that is not there, a firmware that does
    not build. A model that cannot be measured is a failure among what was taken.
    """
    taken = Taken({}, {})
    for group in groups:
        with closing(open_device(group, firmware, unit)) as board:
            once = board.capabilities.deterministic and not every_run
            taken = taken.joined(_group(group, firmware, board, 1 if once else runs, padding_bytes))
    return taken


def measurer_of(group: Group, firmware: Firmware, board: Board, **options: Any) -> Measurer:
    """Measures with the firmware on the open board; `options` as those of Measurer, and
    `padding_bytes` of the build."""
    padding_bytes: int = options.pop("padding_bytes", 0)

    def build_image(request: BuildRequest) -> FirmwareImage:
        return build(
            replace(
                request,
                environment=group.environment.name,
                project=firmware.tree,
                padding_bytes=padding_bytes,
            )
        )

    return Measurer(
        board,
        group.engine,
        image=None if firmware.elf is None else image_of_elf(firmware.elf),
        build_image=build_image,
        **options,
    )


def _group(group: Group, firmware: Firmware, board: Board, runs: int, padding_bytes: int) -> Taken:
    taken = Taken({}, {})
    options = {"per_operator": True, "keep_wrong": True, "padding_bytes": padding_bytes}
    with measurer_of(group, firmware, board, **options) as measurer:
        for batch in _batches(group):
            names = ", ".join(name for name, _ in batch)
            log.info("Measuring on %s: %s …", group, names)
            seen: dict[str, list[Measurement]] = {name: [] for name, _ in batch}
            for _ in range(runs):
                for measurement in measurer.measure_all(batch):
                    seen[measurement.model].append(measurement)
            taken = taken.joined(_records(group, measurer, board, seen))
    return taken


def _batches(group: Group) -> Iterator[Sequence[Model]]:
    """Models that are measured run by run together: those of one image."""
    if group.engine.name == "aot":
        yield from batches(group.models, group.environment.flash_bytes)
    else:
        yield group.models


def _records(
    group: Group, measurer: Measurer, board: Board, seen: dict[str, list[Measurement]]
) -> Taken:
    records: dict[Case, Record] = {}
    failures: list[Failure] = []
    image: Image | None = None  # of all of them: they ran in one
    for name, measured in seen.items():
        failed = next((each.error for each in measured if each.error is not None), None)
        engine = next((each.engine for each in measured if each.engine), None)
        case = group.case(name, engine)
        try:
            if failed is None:
                _require_steady(name, measured)
        except MunasError as error:
            failed = error.as_dict()
        if failed is not None:
            failures.append(Failure(case, failed))
            continue
        image = image or _image(group, measurer)
        records[case] = record_of(
            case,
            measured,
            unit=_unit(board, measurer),
            deterministic=board.capabilities.deterministic,
            image=image.sha256,
        )
    images = {} if image is None else {image.sha256: image}
    return Taken(records, images, tuple(failures))


def _unit(board: Board, measurer: Measurer) -> str:
    """The device: at a port only the chip's UID tells it; emulated ones are all alike."""
    if board.capabilities.flashes:
        return board.unit
    return "emulated" if board.type.emulated else measurer.identity.uid


def _require_steady(name: str, measured: Sequence[Measurement]) -> None:
    for key in _SAME:
        values = {getattr(each, key) for each in measured}
        if len(values) > 1:
            raise ImplausibleError(
                f"{name}: one firmware gave {' and '.join(map(str, sorted(values)))} as {key} "
                "after two restarts.",
                "Something in it is not initialised, or the board is unsound.",
            )


def _image(group: Group, measurer: Measurer) -> Image:
    identity, image = measurer.identity, measurer.image
    sizes = Sizes({}, {}, {}) if image is None or not image.elf.is_file() else sizes_of(image.elf)
    return Image(
        sha256=_digest(identity, image),
        source_digest=identity.source_digest,
        board=group.environment.name,
        engine=identity.engine,
        engine_revision=identity.engine_revision,
        kernels=identity.kernels,
        compiler=identity.compiler,
        flags=identity.flags,
        flash=sizes.flash,
        ram=sizes.ram,
        symbols=sizes.symbols,
        models=() if image is None else tuple(model.sha256 for model in image.models),
    )


def _digest(identity: Identity, image: FirmwareImage | None) -> str:
    """At a port only the sources' digest tells one firmware from another."""
    return f"sources-{identity.source_digest}" if image is None else image.sha256


def require_engines(suite: Suite, taken: Taken) -> None:
    """A given firmware must have an engine that the suite is about. Raises BadInputError."""
    if "auto" in suite.engines:
        return
    for case in taken.records:
        if case.engine not in suite.engines:
            raise BadInputError(
                f"The firmware has the engine {case.engine}; the suite {suite.name} is about "
                f"{', '.join(suite.engines)}.",
                "Give the firmware of that engine, or --set 'engines=[\"auto\"]'.",
            )
