from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from munas.boards.simulated import CYCLES_PER_MAC, SimulatedBoard, WheelEngine, simulated_image
from munas.deploy.model_file import load_model, save_model
from munas.errors import ConvertError, ExitCode, ImplausibleError, InfeasibleError
from munas.latency.command import Outcome, Request, parse_repeats
from munas.latency.engine import EngineChoice
from munas.latency.measure import Measurer
from munas.latency.measurement import StandIn
from munas.latency.table import summary
from munas.link.client import Client, Identity
from munas.link.deadline import Deadline
from munas.link.faults import BoardCrashError
from munas.link.messages import MessageType, Prepared
from munas.link.simulated import SimulatedDevice, SimulatedTraits
from munas.link.simulated_troubles import Trouble

SMALL = (Path(__file__).parents[1] / "data" / "small.tflite").read_bytes()
ENGINE = EngineChoice("tflm", "cmsis-nn", None, "for the test")
MODEL = ("small", SMALL)


def measurer(board: SimulatedBoard, **options: object) -> Measurer:
    return Measurer(board, ENGINE, image=simulated_image(), **options)  # type: ignore[arg-type]


def test_the_measurement_object_has_the_agreed_shape() -> None:
    with measurer(SimulatedBoard(), per_operator=True) as measuring:
        found = measuring.measure(MODEL).as_dict()
    assert json.loads(json.dumps(found))
    assert list(found) == [
        "model", "model_sha256", "board", "unit", "engine", "engine_revision", "kernels",
        "firmware_sha256", "compiler", "flags", "clock_hz", "source", "cycles",
        "flash_stall_cycles", "model_error_percent", "cycles_samples", "latency_us", "ci95_us",
        "repeats", "warmup", "arena_used_bytes", "arena_head_bytes", "arena_tail_bytes",
        "arena_minimum_bytes", "arena_region", "weights_region", "flash_bytes", "stack_bytes",
        "placement", "outputs_match", "outputs_crc32", "operators", "error",
    ]  # fmt: skip
    assert found["outputs_match"] is True
    assert found["placement"] == "ram"
    assert found["error"] is None
    assert found["latency_us"] == round(found["cycles"] / 120)
    assert sum(op["macs"] for op in found["operators"]) == 4952
    assert sum(op["cycles"] for op in found["operators"]) == found["cycles"]
    assert found["cycles"] >= CYCLES_PER_MAC * 4952
    assert found["arena_head_bytes"] + found["arena_tail_bytes"] == found["arena_used_bytes"]


def test_a_wrong_answer_is_a_failed_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Client.output

    def wrong(client: Client, deadline: object) -> bytes:
        answer = bytearray(right(client, deadline))  # type: ignore[arg-type]
        answer[3] ^= 1
        return bytes(answer)

    monkeypatch.setattr(Client, "output", wrong)
    with measurer(SimulatedBoard()) as measuring:
        with pytest.raises(ImplausibleError, match="1 of 4 output bytes"):
            measuring.measure(MODEL)
        (found,) = measuring.measure_all([MODEL])
    assert found.error is not None
    assert found.error["name"] == "implausible"
    assert found.cycles is None


@pytest.mark.parametrize("on", [MessageType.LOAD_DATA, MessageType.PREPARE, MessageType.RUN])
@pytest.mark.parametrize("trouble", list(Trouble))
def test_one_trouble_anywhere_changes_no_figure(on: MessageType, trouble: Trouble) -> None:
    board = SimulatedBoard()
    with measurer(board) as measuring:
        calm = measuring.measure(MODEL)
        board.device.inject(trouble, on)
        assert measuring.measure(MODEL) == calm


def test_a_crashing_model_fails_and_the_next_is_measured() -> None:
    board = SimulatedBoard()
    with measurer(board) as measuring:
        board.device.inject(Trouble.CRASH, MessageType.RUN, count=2)
        first, second = measuring.measure_all([("bad", SMALL), ("good", SMALL)])
    assert first.error is not None
    assert first.error["name"] == "board-fault"
    assert "HARD_FAULT" in first.error["message"]
    assert second.error is None
    assert second.cycles


def test_a_model_that_crashes_its_set_up_twice_is_to_blame_and_the_next_is_measured() -> None:
    board = SimulatedBoard()
    with measurer(board) as measuring:
        board.device.inject(Trouble.CRASH, MessageType.PREPARE, count=2)
        with pytest.raises(ConvertError, match=r"sets up small: HARD_FAULT"):
            measuring.measure(MODEL)
        assert measuring.measure(MODEL).outputs_match is True
        board.device.inject(Trouble.CRASH, MessageType.PREPARE, count=2)
        bad, good = measuring.measure_all([("bad", SMALL), ("good", SMALL)])
    assert bad.error is not None
    assert bad.error["name"] == "convert"
    assert good.error is None


def test_a_crash_elsewhere_and_one_in_the_set_up_blame_nobody() -> None:
    board = SimulatedBoard()
    with measurer(board) as measuring:
        board.device.inject(Trouble.CRASH, MessageType.LOAD_END)
        board.device.inject(Trouble.CRASH, MessageType.PREPARE)
        with pytest.raises(BoardCrashError, match="PREPARE"):
            measuring.measure(MODEL)


def test_a_given_firmware_that_never_answered_has_no_known_engine() -> None:
    board = SimulatedBoard()
    given = replace(simulated_image(), engine="")
    with Measurer(board, ENGINE, image=given) as measuring:
        (bad,) = measuring.measure_all([("bad", SMALL[:500])])
        assert bad.as_dict()["engine"] is None
        assert bad.error is not None
        assert f"(simulated): {bad.error['message']}" in summary(bad)
        (good,) = measuring.measure_all([MODEL])
        assert good.engine == "tflm"
        (bad,) = measuring.measure_all([("bad", SMALL[:500])])
        assert bad.engine == "tflm"


class OwnEngine(WheelEngine):
    """A firmware of somebody else: an engine that nobody knows, one model compiled into it."""

    name = "own"

    def image_models(self) -> tuple[tuple[str, str], ...]:
        return (("small", hashlib.sha256(SMALL).hexdigest()),)

    def prepare(self, model: bytes | int, arena_bytes: int) -> Prepared:
        assert model == 0
        prepared = super().prepare(SMALL, arena_bytes)
        return replace(prepared, arena_head_bytes=0, arena_tail_bytes=0)


def test_a_firmware_of_another_engine_is_measured_with_the_models_in_its_image() -> None:
    none = SimulatedTraits(ram_slot_bytes=0, flash_slot_bytes=0)
    board = SimulatedBoard(SimulatedDevice(OwnEngine(), none))
    given = replace(simulated_image(), engine="")
    other = load_model(SMALL, "small")
    other.description = b"other"
    with Measurer(board, ENGINE, image=given) as measuring:
        found = measuring.measure(MODEL)
        assert (found.engine, found.placement, found.outputs_match) == ("own", "image", True)
        assert found.stack_bytes is None, "it does not know its stack"
        assert found.arena_head_bytes is None, "its arena has no parts"
        with pytest.raises(ConvertError, match="does not hold other"):
            measuring.measure(("other", save_model(other)))


def test_what_a_firmware_does_not_know_of_itself_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    hello = Client.hello

    def silent(client: Client, deadline: Deadline) -> Identity:
        unknown = dict.fromkeys(("engine_revision", "kernels", "compiler", "flags"), "")
        return replace(hello(client, deadline), **unknown)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "hello", silent)
    with measurer(SimulatedBoard()) as measuring:
        found = measuring.measure(MODEL)
    assert found.cycles
    assert (found.engine_revision, found.kernels, found.compiler, found.flags) == (None,) * 4


def test_an_answer_that_is_too_short_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "output", lambda *_: b"")
    with (
        measurer(SimulatedBoard()) as measuring,
        pytest.raises(ImplausibleError, match="4 of 4 output bytes"),
    ):
        measuring.measure(MODEL)


def test_what_does_not_fit_is_the_models_fault() -> None:
    small = SimulatedTraits(arena_bytes=512)
    with (
        measurer(SimulatedBoard(SimulatedDevice(WheelEngine(), small))) as measuring,
        pytest.raises(InfeasibleError, match="ARENA_TOO_SMALL"),
    ):
        measuring.measure(MODEL)
    no_room = SimulatedTraits(ram_slot_bytes=100, flash_slot_bytes=100)
    with (
        measurer(SimulatedBoard(SimulatedDevice(WheelEngine(), no_room))) as measuring,
        pytest.raises(InfeasibleError, match="takes 100"),
    ):
        measuring.measure(MODEL)
    flash = SimulatedTraits(ram_slot_bytes=100)
    with measurer(SimulatedBoard(SimulatedDevice(WheelEngine(), flash))) as measuring:
        assert measuring.measure(MODEL).placement == "flash"


def test_the_smallest_arena_is_found() -> None:
    with measurer(SimulatedBoard(), minimal_arena=True) as measuring:
        found = measuring.measure(MODEL)
    assert found.arena_minimum_bytes is not None
    assert found.arena_used_bytes is not None
    assert 0 <= found.arena_minimum_bytes - found.arena_used_bytes <= 16


def float_model() -> bytes:
    model = load_model(SMALL, "small")
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].type = 0
    return save_model(model)


def strange_model() -> bytes:
    model = load_model(SMALL, "small")
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 5
    return save_model(model)


def short_model() -> bytes:
    model = load_model(SMALL, "small")
    weights = max(model.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    weights.data = weights.data[:-5]
    return save_model(model)


def operator_model(change: str) -> bytes:
    model = load_model(SMALL, "small")
    operator = model.subgraphs[0].operators[0]
    if change == "options":
        operator.builtinOptions, operator.builtinOptionsType = None, 0
    elif change == "inputs":
        operator.inputs = operator.inputs[:1]
    elif change == "absent":
        operator.inputs = [operator.inputs[0], -1, -1]
    else:
        operator.builtinOptions.strideW = 0
    return save_model(model)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (operator_model("options"), "lacks its options"),
        (operator_model("inputs"), "lacks an input"),
        (operator_model("absent"), "lacks an input"),
        (operator_model("stride"), "not positive"),
        (float_model(), "not an int8 model"),
        (strange_model(), "operator DEPTH_TO_SPACE"),
        (short_model(), "is damaged"),
        (SMALL[:2000], "damaged"),
        (b"hello, this is no model", "not a TensorFlow Lite model"),
    ],
)
def test_a_bad_model_never_reaches_the_board(data: bytes, told: str) -> None:
    board = SimulatedBoard()
    with measurer(board) as measuring:
        with pytest.raises(ConvertError, match=told):
            measuring.measure(("bad", data))
        assert MessageType.LOAD_BEGIN not in board.device.requests
        bad, good = measuring.measure_all([("bad", data), MODEL])
    assert bad.error is not None
    assert bad.error["name"] == "convert"
    assert good.cycles


def outcome_of(errors: list[str], done: int) -> ExitCode:
    outcome = Outcome(Request((), "emulated_stm32l4r5"))
    outcome._errors, outcome._done = errors, done
    return outcome.exit_code


def test_exit_codes_of_several() -> None:
    assert outcome_of([], 2) == ExitCode.DONE
    assert outcome_of(["convert", "infeasible"], 3) == ExitCode.BAD_INPUT
    assert outcome_of(["convert", "board-fault"], 3) == ExitCode.INFRASTRUCTURE
    assert outcome_of(["convert"], 1) == ExitCode.BAD_INPUT
    assert outcome_of(["board-fault", "convert"], 2) == ExitCode.NOTHING_MEASURED


def test_repeats_are_a_number_or_auto() -> None:
    assert parse_repeats("auto") == "auto"
    assert parse_repeats("7") == 7
    for wrong in ("0", "-1", "many"):
        with pytest.raises(Exception, match="--repeats"):
            parse_repeats(wrong)


class FlippedBit(WheelEngine):
    def invoke(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        answer, cycles = super().invoke(data)
        return bytes([answer[0] ^ 1]) + answer[1:], cycles


def test_wrong_answers_can_be_kept_for_comparison() -> None:
    right = SimulatedBoard()
    with measurer(right) as measuring:
        before = measuring.measure(MODEL)
    with measurer(SimulatedBoard(SimulatedDevice(FlippedBit())), keep_wrong=True) as measuring:
        after = measuring.measure(MODEL)
    assert before.outputs_match is True and after.outputs_match is False
    assert before.outputs_crc32 != after.outputs_crc32
    assert before.outputs_crc32 is not None and len(before.outputs_crc32) == 8


def test_every_model_after_the_first_starts_from_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    restarts = []
    with measurer(SimulatedBoard()) as measuring:
        monkeypatch.setattr(measuring._session, "fresh", lambda: restarts.append(1))
        for _ in range(3):
            measuring.measure(MODEL)
    assert len(restarts) == 2


def test_cycles_are_taken_at_the_clock_of_the_board_that_is_stood_for() -> None:
    with measurer(SimulatedBoard()) as measuring:
        own = measuring.measure(MODEL)
    with measurer(SimulatedBoard(), stands_for=StandIn("nucleo_x", 60_000_000)) as measuring:
        found = measuring.measure(MODEL)
    assert (found.board, found.stands_for) == ("simulated", "nucleo_x")
    assert (found.cycles, found.clock_hz) == (own.cycles, 60_000_000)
    assert found.latency_us == round(own.cycles / 60)  # type: ignore[operator]
    assert found.as_dict()["stands_for"] == "nucleo_x"
