"""The emulator's own process: runs the chip, serves its line, answers the control channel.

The control channel is one JSON object a line: requests on standard input, answers and events on
standard output.

    {"do": "reset"}                              -> {"answer": "reset"}
    {"do": "counters", "parameters": {…}|absent} -> {"answer": "counters", "cycles": …, …}
    {"do": "profile"}                            -> {"answer": "profile", "functions": […]}
    {"do": "close"}                              -> {"answer": "close"}, and the process ends
    event                                        -> {"event": "reset", "cause": …, "pc": …, "lr": …}

The end of standard input, or of the parent, ends the process too.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from munas.emulator.lines import Line
from munas.emulator.mcu import EmulatedMcu, Pause
from munas.emulator.profile import profile
from munas.errors import BadInputError

_LOOK_AROUND_S = 1.0
_INPUT = 0
_RESETS_AT_ONCE = 8
_BACKLOG = 1 << 20  # bytes taken from a client ahead of a firmware that does not read
_RESET_LOOP_S = 0.2  # a firmware that dies at once is not started more often than this


class Server:
    """Runs one chip until it is told to stop.

    `controlled` says whether standard input is a control channel.
    """

    def __init__(self, mcu: EmulatedMcu, line: Line, elf: Path, controlled: bool) -> None:
        self._mcu = mcu
        self._line = line
        self._elf = elf
        self._controlled = controlled
        self._parent = os.getppid()
        self._requests = bytearray()
        self._open = True
        self._exit_code = 0
        self._told = 0
        self._resets_in_a_row = 0
        self._answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "reset": self._reset,
            "counters": self._counters,
            "profile": self._profile,
            "close": self._close,
        }

    def serve(self) -> int:
        """Say where the line is, and run until closed, interrupted or terminated; the exit code."""
        self._heed_signals()
        board = self._mcu.board
        say({"url": self._line.url, "board": board.name, "mcu": board.chip.name})
        while self._open:
            pause = self._mcu.run()
            sent = self._mcu.drain()
            if sent:
                self._line.write(sent)
            self._tell_resets()
            self._resets_in_a_row = self._resets_in_a_row + 1 if pause is Pause.RESET else 0
            self._listen(self._patience_s(pause))
            if self._controlled and os.getppid() != self._parent:
                break
        return self._exit_code

    def _heed_signals(self) -> None:
        """A signal ends the loop. Its handler must not raise: most of the time it would do so in a
        callback of Unicorn's, and be lost there. Ctrl-C reaches every process of a terminal; one
        that is controlled leaves it to its parent.
        """
        self._woken, wakes = os.pipe()
        for end in (self._woken, wakes):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakes)
        signal.signal(signal.SIGTERM, lambda *_: self._end(0))
        if self._controlled:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGINT, lambda *_: self._end(130))

    def _end(self, exit_code: int) -> None:
        self._open = False
        self._exit_code = exit_code

    def _patience_s(self, pause: Pause) -> float:
        """How long to wait for the line or a request before the chip runs on."""
        if pause is Pause.WAITING:
            return _LOOK_AROUND_S
        return _RESET_LOOP_S if self._resets_in_a_row > _RESETS_AT_ONCE else 0

    def _listen(self, timeout_s: float) -> None:
        watched = [self._woken]
        if self._controlled:
            watched.append(_INPUT)
        if self._mcu.port.backlog < _BACKLOG:
            watched += self._line.readable()
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if _INPUT in ready and self._controlled:
            self._take_requests()
        if any(descriptor not in (_INPUT, self._woken) for descriptor in ready):
            data = self._line.read()
            if data:
                self._mcu.feed(data)

    def _take_requests(self) -> None:
        data = os.read(_INPUT, 65536)
        if not data:
            self._open = False
            return
        self._requests += data
        *whole, rest = bytes(self._requests).split(b"\n")
        self._requests = bytearray(rest)
        for text in whole:
            self._answer(text)

    def _answer(self, text: bytes) -> None:
        try:
            request = json.loads(text)
            name = request["do"]
            answer = {"answer": name, **self._answers[name](request)}
        except (KeyError, TypeError, json.JSONDecodeError):
            answer = {"error": f"not a request: {text.decode(errors='replace')}"}
        except BadInputError as error:
            answer = {"error": error.what}
        say(answer)

    def _tell_resets(self) -> None:
        for event in self._mcu.resets[self._told :]:
            say({"event": "reset", **asdict(event)})
        self._told = len(self._mcu.resets)

    def _reset(self, _request: dict[str, Any]) -> dict[str, Any]:
        self._mcu.reset()
        self._tell_resets()
        return {}

    def _counters(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._mcu.counters()
        if request.get("parameters") is not None:
            parameters = self._mcu.board.cycles.overlaid(request["parameters"])
            answer["repriced_cycles"] = self._mcu.pricing.repriced(parameters)
        return answer

    def _profile(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"functions": [asdict(f) for f in profile(self._mcu.pricing, self._elf)]}

    def _close(self, _request: dict[str, Any]) -> dict[str, Any]:
        self._open = False
        return {}


def say(document: dict[str, Any]) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
