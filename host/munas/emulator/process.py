"""Starts emulated boards as processes and talks to their control channel.

Never imports Unicorn: munas reaches an emulated board only through this handle and the serial line.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from munas.emulator.board import BoardParameters
from munas.emulator.parameters import CycleParameters
from munas.errors import BadInputError, InfrastructureError, MissingExtraError, MunasError

_START_S = 60.0  # the first start ever compiles the hook
_ANSWER_S = 10.0


@dataclass(frozen=True)
class Counts:
    """Totals since power-on. `repriced_cycles` only where other parameters were given."""

    cycles: int
    instructions: int
    core_clock_hz: int
    flash_wait_states: int
    flash_erases: int
    resets: int
    unmodelled: tuple[str, ...]
    repriced_cycles: int | None = None


class EmulatorProcess:
    """One emulated board that runs in a process of its own.

    Use as a context manager, or call `close`. The process ends with this one in any case. A client
    of the serial line may come and go.
    """

    def __init__(
        self, board: BoardParameters, elf: Path, transport: Literal["pty", "tcp"] = "pty"
    ) -> None:
        where = ["--pty"] if transport == "pty" else ["--tcp", "0"]
        command = [sys.executable, "-m", "munas.emulator", "--control", *where]
        command += ["--board-json", json.dumps(board.as_json()), "--elf", str(elf)]
        self.board = board
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lock = threading.Lock()
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._events: list[dict[str, Any]] = []
        self._errors: list[str] = []
        for target in (self._read_answers, self._read_errors):
            threading.Thread(target=target, daemon=True).start()
        try:
            first = self._next_answer(_START_S, "start")
        except MunasError:
            self.close()
            raise
        self.url: str = first["url"]
        """What pyserial's `serial_for_url` takes: a path or socket://…"""

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def reset(self) -> None:
        """Pull the reset pin: RAM stays."""
        self._ask({"do": "reset"})

    def counters(self, parameters: dict[str, Any] | CycleParameters | None = None) -> Counts:
        """Totals since power-on, priced again under `parameters` too if these are given.

        A dict is put over the board's own parameters.
        """
        if isinstance(parameters, CycleParameters):
            parameters = parameters.as_json()
        answer = self._ask({"do": "counters", "parameters": parameters})
        known = {name: answer[name] for name in Counts.__dataclass_fields__ if name in answer}
        return Counts(**{**known, "unmodelled": tuple(answer["unmodelled"])})

    def profile(self) -> list[dict[str, Any]]:
        """Functions that ran ({"name", "cycles", "instructions"}), most cycles first."""
        found: list[dict[str, Any]] = self._ask({"do": "profile"})["functions"]
        return found

    @property
    def resets(self) -> list[dict[str, Any]]:
        """The resets so far ({"cause", "cycles", "pc", "lr"}): lock-ups and watchdogs show here."""
        return [event for event in self._events if event["event"] == "reset"]

    def close(self) -> None:
        """End the process, whatever the firmware does."""
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError) as error:
                raise self._gone(request["do"]) from error
            return self._next_answer(_ANSWER_S, request["do"])

    def _next_answer(self, timeout_s: float, what: str) -> dict[str, Any]:
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            answer = None
        if answer is None:
            raise self._gone(what)
        error = answer.get("error")
        if isinstance(error, dict):
            kinds = {k.name: k for k in (MissingExtraError, BadInputError)}
            kind = kinds.get(error["name"], InfrastructureError)
            raise kind(error["message"], error["mend"])
        if error is not None:
            raise BadInputError(str(error))
        return answer

    def _gone(self, what: str) -> InfrastructureError:
        said = "".join(self._errors[-20:]).strip()
        return InfrastructureError(
            f"The emulator of {self.board.name} did not answer ({what})."
            + (f" It said: {said}" if said else ""),
            "Start it again; if it happens again, run it by hand with python -m munas.emulator.",
        )

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            document = json.loads(text)
            if "event" in document:
                self._events.append(document)
            else:
                self._answers.put(document)
        self._answers.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(self._process.stderr)


def spawn(
    board: BoardParameters, elf: Path, transport: Literal["pty", "tcp"] = "pty"
) -> EmulatorProcess:
    """Start an emulated board.

    Raises MissingExtraError without the extra `emulator`, BadInputError for an ELF that is not for
    this chip, InfrastructureError when the process does not come up.
    """
    return EmulatorProcess(board, elf, transport)
