"""Measures models on a board: loads, prepares, runs, checks the answers.

Use `Measurer` as a context manager: it holds the board while open, and with the engine tflm the
firmware stays resident between models. Every model starts from a fresh reset, so its figures do not
depend on what ran before. Must not know how a board is reached nor how an engine is built.
"""

from __future__ import annotations

import hashlib
import logging
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from types import TracebackType
from typing import Self

from munas.boards.board import Board
from munas.boards.registry import user_boards
from munas.boards.session import Session
from munas.errors import (
    BoardFaultError,
    ConvertError,
    ImplausibleError,
    InfeasibleError,
    MunasError,
)
from munas.firmware.build import BuildRequest, build
from munas.firmware.image import FirmwareImage
from munas.latency.batches import Model, batches
from munas.latency.blame import models_fault
from munas.latency.describe import Measured, describe
from munas.latency.engine import EngineChoice
from munas.latency.measurement import Measurement, OperatorCost, StandIn
from munas.latency.oracle import CheckedModel, Oracle, ask_oracle, check_model
from munas.latency.probes import PREPARE_S, check_clock, smallest_arena
from munas.latency.repeats import Repeats, Samples, take
from munas.link.client import Client, Identity, RunResult
from munas.link.faults import BoardRefusedError
from munas.link.messages import Slot

log = logging.getLogger(__name__)
_LOAD_S = 60.0
_IO_S = 15.0
_SLOWEST_S_A_MAC = 5e-6


class Measurer:
    """Measures models on `board` with `engine`.

    `build_image` builds what runs; with `image`, or a firmware that runs already, nothing is built.
    `repeats` is a number or "auto"; `per_operator` adds one profiled inference; `minimal_arena`
    searches the smallest arena that works. A model that answers wrongly is a failed measurement,
    unless `keep_wrong`: it is then one with `outputs_match` false, for those who compare answers.
    `stands_for` is the board whose place `board` takes, if any.
    """

    def __init__(
        self,
        board: Board,
        engine: EngineChoice,
        *,
        repeats: Repeats = "auto",
        per_operator: bool = False,
        minimal_arena: bool = False,
        keep_wrong: bool = False,
        image: FirmwareImage | None = None,
        build_image: Callable[[BuildRequest], FirmwareImage] = build,
        session: Session | None = None,
        stands_for: StandIn | None = None,
    ) -> None:
        self.board = board
        self.engine = engine
        self._repeats = repeats
        self._per_operator = per_operator
        self._minimal_arena = minimal_arena
        self._keep_wrong = keep_wrong
        self._given = image
        self._build = build_image
        self._stands_for = stands_for
        self._image: FirmwareImage | None = None
        self._session = session or Session(board)
        self._clock_checked = board.capabilities.source != "silicon"
        self._running: FirmwareImage | None = None
        self._used = False
        self._seconds_a_run = 0.0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._session)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def firmware_source(self) -> str:
        """Digest of the sources that the running firmware was built from, whatever models it has.

        Raises InfrastructureError before anything was measured.
        """
        return self._session.identity.source_digest

    @property
    def image(self) -> FirmwareImage | None:
        """The image that runs; null before anything was measured and at a given port."""
        return self._image

    @property
    def identity(self) -> Identity:
        """What the running firmware said of itself. Raises InfrastructureError before it did."""
        return self._session.identity

    def greet(self) -> Identity:
        """Start the firmware that is given, or runs already, and hear who it is."""
        self._image = self._running = self._given
        return self._session.start(self._given)

    def measure(self, model: Model) -> Measurement:
        """One model. Raises MunasErrors: exit code 2 concerns the model, 3 the board."""
        checked = self._check(model)
        self._start([checked])
        return self._one(checked)

    def measure_all(self, models: Sequence[Model]) -> Iterator[Measurement]:
        """Every model, in order; one that fails gives a measurement with `error`.

        With the engine aot several models share an image.
        """
        for group in self._groups(models):
            checked = [self._try_check(model) for model in group]
            fit = [entry for entry in checked if isinstance(entry, _Checked)]
            together = self._try_start(fit)
            for entry in checked:
                yield entry if isinstance(entry, Measurement) else self._try(entry, together)

    def _groups(self, models: Sequence[Model]) -> Iterator[list[Model]]:
        """Models that go into one image; one by one where the engine loads them."""
        if self.engine.name != "aot":
            yield from ([model] for model in models)
            return
        yield from batches(models, self.board.type.flash_bytes)

    def _check(self, model: Model) -> _Checked:
        checked = check_model(*model)
        return _Checked(checked, ask_oracle(checked))

    def _try_check(self, model: Model) -> _Checked | Measurement:
        try:
            return self._check(model)
        except MunasError as error:
            return self.failed(model, error)

    def _try_start(self, fit: Sequence[_Checked]) -> bool:
        """Whether one image with all of `fit` runs; one of them may spoil it for the others."""
        if not fit:
            return False
        try:
            self._start(fit)
        except MunasError:
            return False
        return True

    def _try(self, entry: _Checked, started: bool) -> Measurement:
        try:
            if not started:
                self._start([entry])
            return self._one(entry)
        except MunasError as error:
            return self.failed((entry.model.name, entry.model.data), error)

    def failed(self, model: Model, error: MunasError) -> Measurement:
        """The measurement object of a model that could not be measured."""
        return Measurement(
            model=model[0],
            model_sha256=hashlib.sha256(model[1]).hexdigest(),
            board=self.board.type.name,
            unit=self.board.unit,
            engine=self._engine_name(),
            source=self.board.capabilities.source,
            error=error.as_dict(),
            stands_for=self._stands_for.board if self._stands_for else None,
        )

    def _engine_name(self) -> str | None:
        """The engine that answered, or will be built; null where a given firmware never said."""
        if self._session.greeted:
            return self._session.identity.engine
        if self._given is not None:
            return self._given.engine or None
        return self.engine.name if self.board.capabilities.flashes else None

    def _start(self, entries: Sequence[_Checked]) -> None:
        """See that a firmware runs which can measure `entries`."""
        if self.engine.name == "aot" or self._image is None:
            self._image = self._given
            if self._image is None and self.board.capabilities.flashes:
                self._image = self._build(
                    BuildRequest(
                        environment=self.board.type.name,
                        engine=self.engine.name,
                        models=[(e.model.name, e.model.data) for e in entries],
                        kernels=self.engine.kernels,
                        tflm=self.engine.library,
                        boards=user_boards(),
                    )
                )
        self._session.start(self._image)
        if self._image != self._running:
            self._used = False
        self._running = self._image

    def _one(self, entry: _Checked) -> Measurement:
        if self._used:
            self._restart()
        self._used = True
        faults: list[MunasError] = []

        def work(client: Client) -> Measurement:
            try:
                return self._on_board(client, entry)
            except MunasError as error:
                faults.append(error)
                raise

        try:
            return self._session.attempt(work)
        except BoardFaultError:
            fault = models_fault(faults, entry.model.name, self.board.type.name)
            if fault is None:
                raise
            raise fault from None

    def _restart(self) -> None:
        try:
            self._session.fresh()
        except BoardRefusedError:
            if self.board.capabilities.flashes:
                raise
            log.debug("The firmware at %s does not restart when asked to.", self.board.unit)

    def _on_board(self, client: Client, entry: _Checked) -> Measurement:
        slot, index = self._place(client, entry.model)
        if slot is not Slot.IMAGE:
            client.load(entry.model.data, slot, client.deadline(_LOAD_S))
        prepared = client.prepare(slot, client.deadline(PREPARE_S), index=index)
        outputs_match, outputs_crc32 = self._check_outputs(client, entry)
        samples = self._take(client, entry.model)
        operators = self._operators(client, entry.model) if self._per_operator else ()
        minimum = prepared.arena_used_bytes if slot is Slot.IMAGE else None
        stats = client.stats(client.deadline(_IO_S))
        if self._minimal_arena and slot is not Slot.IMAGE:
            minimum = smallest_arena(client, slot, prepared)
        return describe(
            Measured(
                entry.model.name,
                entry.model.sha256,
                entry.oracle.note,
                samples,
                prepared,
                slot,
            ),
            self.board,
            self._session.identity,
            self._image,
            self._stands_for,
            # A firmware that does not know its stack says that it has none.
            stack_bytes=stats.stack_used_bytes if stats.stack_bytes else None,
            outputs_match=outputs_match,
            outputs_crc32=outputs_crc32,
            operators=operators,
            arena_minimum_bytes=minimum if self._minimal_arena else None,
            flash_bytes=self._flash_bytes(entry.model, index, slot),
        )

    def _place(self, client: Client, model: CheckedModel) -> tuple[Slot, int]:
        """The slot a model goes to, or where in the image it stands."""
        identity = self._session.identity
        most = max(identity.slot_bytes(Slot.RAM), identity.slot_bytes(Slot.FLASH))
        if identity.welcome.models or identity.engine == "aot":
            for held in client.models(client.deadline(_IO_S)):
                if held.sha256 == model.sha256:
                    return Slot.IMAGE, held.index
        if identity.engine == "aot" or most == 0:
            raise ConvertError(
                f"The image on {self.board.type.name} does not hold {model.name}.",
                f"The engine {identity.engine} measures only the models it was built with.",
            )
        for slot in (Slot.RAM, Slot.FLASH):
            if len(model.data) <= identity.slot_bytes(slot):
                return slot, 0
        raise InfeasibleError(
            f"{model.name} has {len(model.data)} bytes; {self.board.type.name} takes {most}.",
            "Use a smaller model, or the engine aot.",
        )

    def _check_outputs(self, client: Client, entry: _Checked) -> tuple[bool | None, str]:
        """Whether all answers are right (null without an oracle), and the CRC-32 of all of them."""
        oracle, match, crc = entry.oracle, True, 0
        for index, stored in enumerate(oracle.inputs):
            self._run(client, entry.model, stored.tobytes(), 1)
            answer = client.output(client.deadline(_IO_S))
            crc = zlib.crc32(answer, crc)
            if oracle.outputs is None or answer == oracle.outputs[index]:
                continue
            match = False
            if not self._keep_wrong:
                raise self._wrong(entry.model.name, answer, oracle.outputs[index])
        return None if oracle.outputs is None else match, f"{crc:08x}"

    def _wrong(self, name: str, answer: bytes, right: bytes) -> ImplausibleError:
        wrong = sum(a != b for a, b in zip_longest(answer, right))
        return ImplausibleError(
            f"{name} answers wrongly on {self.board.type.name} with {self._engine_name()}: {wrong} "
            f"of {len(right)} output bytes differ from TensorFlow Lite Micro's.",
            "Its latency is not to be trusted. Try the other engine and report the model.",
        )

    def _take(self, client: Client, model: CheckedModel) -> Samples:
        client.input(model.input(0).tobytes(), client.deadline(_IO_S))
        most = self._session.identity.welcome.max_repeats

        def sample(count: int) -> list[int]:
            taken: list[int] = []
            while len(taken) < count:
                portion = min(most, count - len(taken))
                taken += self._run(client, model, None, portion).cycles
            return taken

        deterministic = self.board.capabilities.deterministic
        samples = take(sample, self._repeats, deterministic=deterministic)
        if not self._clock_checked:
            check_clock(client, self._session.identity.clock_hz, samples.median, most)
            self._clock_checked = True
        return samples

    def _run(
        self, client: Client, model: CheckedModel, data: bytes | None, repeats: int
    ) -> RunResult:
        """`repeats` inferences; a new input where `data` is given."""
        if data is not None:
            client.input(data, client.deadline(_IO_S))
        macs = sum(operator.macs for operator in model.graph.operators)
        guess_s = self._seconds_a_run or 5.0 + macs * _SLOWEST_S_A_MAC
        began = time.monotonic()
        result = client.run(client.deadline(_IO_S + 4 * guess_s * repeats), repeats=repeats)
        self._seconds_a_run = (time.monotonic() - began) / repeats
        return result

    def _operators(self, client: Client, model: CheckedModel) -> tuple[OperatorCost, ...]:
        deadline = client.deadline(_IO_S + 8 * self._seconds_a_run + 5.0)
        result = client.run(deadline, repeats=1, per_operator=True)
        if len(result.operator_cycles) != len(model.kinds):
            return ()
        return tuple(
            OperatorCost(kind, cycles, operator.macs)
            for kind, cycles, operator in zip(
                model.kinds, result.operator_cycles, model.graph.operators, strict=True
            )
        )

    def _flash_bytes(self, model: CheckedModel, index: int, slot: Slot) -> int | None:
        if self._image is None:
            return None
        if slot is not Slot.IMAGE:
            return self._image.flash_bytes + len(model.data)
        return self._image.model_flash_bytes(index) if self._image.models else None


@dataclass(frozen=True)
class _Checked:
    """A model that the host found fit, and what it must answer."""

    model: CheckedModel
    oracle: Oracle
