"""`python -m munas.emulator`: one emulated board in a process of its own.

Prints one JSON line that says where it listens, then serves until it is told to stop. Everything
for people goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from munas.emulator.board import BoardParameters
from munas.emulator.lines import Line, PtyLine, TcpLine
from munas.errors import BadInputError, MunasError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m munas.emulator", description=__doc__)
    parser.add_argument("--board-json", required=True, help="a file, or the JSON itself")
    parser.add_argument("--elf", required=True, type=Path)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--pty", action="store_true", help="a pseudo-terminal (the default)")
    where.add_argument("--tcp", type=int, metavar="PORT", help="a loopback port, 0 for any")
    parser.add_argument(
        "--control", action="store_true", help="take requests as JSON lines on standard input"
    )
    return parser.parse_args()


def _board(given: str) -> BoardParameters:
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text()
        return BoardParameters.from_json(json.loads(text))
    except (OSError, json.JSONDecodeError) as error:
        raise BadInputError(
            f"The board description {given} cannot be read: {error}.",
            'Give a JSON object such as {"mcu": "STM32L4R5ZI"}, or a file with one.',
        ) from error


def main() -> int:
    """Serve one board; the exit code."""
    arguments = _arguments()
    try:
        from munas.emulator.mcu import EmulatedMcu
        from munas.emulator.server import Server, say

        board = _board(arguments.board_json)
        mcu = EmulatedMcu(board, arguments.elf)
        line: Line = PtyLine() if arguments.tcp is None else TcpLine(arguments.tcp)
    except MunasError as error:
        print(json.dumps({"error": error.as_dict()}), flush=True)
        print(error, file=sys.stderr)
        return int(error.exit_code)
    try:
        return Server(mcu, line, arguments.elf, arguments.control).serve()
    except MunasError as error:
        say({"error": error.as_dict()})
        print(error, file=sys.stderr)
        return int(error.exit_code)
    finally:
        line.close()


if __name__ == "__main__":
    sys.exit(main())
