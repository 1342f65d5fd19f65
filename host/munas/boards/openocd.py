"""Flashes and resets physical boards by OpenOCD, always by the probe's serial number.

As `python -m munas.boards.openocd BOARD ELF` it is the upload command of boards without a vendor
platform. Must not know what is flashed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from munas.boards.registry import find_board
from munas.boards.types import BoardType
from munas.errors import FlashError, MunasError

_FLASH_S = 120
_RESET_S = 20

_REASONS = (
    (
        r"LIBUSB_ERROR_ACCESS|libusb_open\(\) failed with LIBUSB_ERROR_ACCESS|Permission denied",
        "there is no permission to use the debug probe",
        "Install OpenOCD's udev rules (60-openocd.rules) and plug the board in again.",
    ),
    (
        r"LIBUSB_ERROR_BUSY|Resource busy",
        "another program is using the debug probe",
        "Close the other debugger or munas run.",
    ),
    (
        r"unable to find a matching|open failed|no device found|No ST-LINK",
        "the debug probe was not found",
        "Check the cable; see what is attached with: munas boards scan",
    ),
    (
        r"Can't find board/|Can't find target/|couldn't open",
        "OpenOCD lacks the board's script",
        "Use a newer OpenOCD.",
    ),
    (
        r"init mode failed|unable to connect to the target|target voltage may be too low|"
        r"jtag status contains invalid",
        "the probe does not reach the chip",
        "Check the board's power and its ST-LINK jumpers.",
    ),
    (
        r"checksum mismatch|contents differ|verify failed",
        "what stands in flash differs from the image",
        "Flash again; if it stays so the flash is worn out.",
    ),
)


def program(board: BoardType, elf: Path, serial: str | None) -> None:
    """Write an ELF into the board's flash, verify it and start it. Raises FlashError."""
    _run(board, serial, f"program {{{elf}}} verify reset exit", _FLASH_S, "flash")


def reset(board: BoardType, serial: str | None) -> None:
    """Pull the reset line and let the board run. Raises FlashError."""
    _run(board, serial, "init; reset run; shutdown", _RESET_S, "reset")


def command_line(board: BoardType, serial: str | None, commands: str) -> list[str]:
    """OpenOCD's arguments: the probe's serial must come before the board's script."""
    script = board.openocd
    if script is None:
        raise FlashError(
            f"The board file of {board.name} names no OpenOCD script.",
            "Add custom_munas_openocd to it, such as board/st_nucleo_f4.cfg.",
        )
    arguments = _openocd()
    if script.startswith("target/"):
        arguments += ["-f", "interface/stlink.cfg"]
    if serial:
        arguments += ["-c", f"adapter serial {serial}"]
    arguments += ["-f", script]
    if script == "target/stm32f1x.cfg":
        arguments += ["-c", "reset_config none"]
    return [*arguments, "-c", commands]


def _openocd() -> list[str]:
    """OpenOCD from PATH, or the one that PlatformIO brought."""
    found = shutil.which("openocd")
    if found:
        return [found]
    core = Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")
    brought = core / "packages" / "tool-openocd"
    if (brought / "bin" / "openocd").is_file():
        return [str(brought / "bin" / "openocd"), "-s", str(brought / "openocd" / "scripts")]
    raise FlashError("There is no OpenOCD, with which boards are flashed.", "apt install openocd")


def _run(board: BoardType, serial: str | None, commands: str, timeout_s: int, what: str) -> None:
    try:
        done = subprocess.run(
            command_line(board, serial, commands),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FlashError(
            f"OpenOCD could not {what} {board.name} within {timeout_s} s.",
            "Unplug the board and plug it in again.",
        ) from None
    if done.returncode != 0:
        raise openocd_error(board, what, done.stderr + done.stdout)


def openocd_error(board: BoardType, what: str, output: str) -> FlashError:
    """The fault behind OpenOCD's output."""
    for pattern, reason, mend in _REASONS:
        if re.search(pattern, output):
            return FlashError(f"Could not {what} {board.name}: {reason}.", mend)
    errors = [line for line in output.splitlines() if line.startswith("Error")]
    said = errors[0] if errors else (output.strip().splitlines() or ["nothing said"])[-1]
    return FlashError(f"Could not {what} {board.name}: {said}", "Run again with --debug.")


def main() -> int:
    """The upload command: board, ELF. The probe's serial comes from MUNAS_PROBE_SERIAL."""
    try:
        program(find_board(sys.argv[1]), Path(sys.argv[2]), os.environ.get("MUNAS_PROBE_SERIAL"))
    except MunasError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
