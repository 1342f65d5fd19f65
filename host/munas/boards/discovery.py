"""What is attached: serial ports with the probe behind them, and which boards they can be.

An ST-LINK does not say which board it sits on; an enrolled unit does. Must not open a port.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from munas.boards.registry import list_boards
from munas.boards.types import BoardType
from munas.boards.units import enrolled
from munas.errors import BadInputError, UnreachableError

STMICROELECTRONICS = 0x0483
ST_LINKS = {
    0x374B: "ST-LINK/V2-1",
    0x3752: "ST-LINK/V2-1",
    0x374E: "STLINK-V3",
    0x374F: "STLINK-V3",
    0x3753: "STLINK-V3",
    0x3754: "STLINK-V3",
}


@dataclass(frozen=True)
class Port:
    """What pyserial's list_ports tells of a port."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    description: str | None = None


@dataclass(frozen=True)
class Attached:
    """A serial port that a board can be behind.

    `serial` is the probe's or the adapter's; `boards` are the types it can be: one, where the unit
    is enrolled (`uid` is then its chip's).
    """

    port: str
    serial: str
    probe: str
    boards: tuple[str, ...]
    uid: str | None = None

    def unenrolled(self) -> Attached:
        """The same device as if it had never been enrolled."""
        return replace(self, uid=None)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def scan(ports: Iterable[Port] | None = None) -> list[Attached]:
    """All attached candidates; `ports` is null for those of this machine."""
    units = enrolled()
    physical = [board for board in list_boards() if not board.emulated]
    found = []
    for port in _ports() if ports is None else ports:
        if port.vid is None:
            continue
        stlink = port.vid == STMICROELECTRONICS and port.pid in ST_LINKS
        kind = "stlink" if stlink else "external"
        serial = port.serial_number or port.device
        unit = units.get(serial)
        can_be = tuple(board.name for board in physical if board.probe == kind)
        found.append(
            Attached(
                port=port.device,
                serial=serial,
                probe=ST_LINKS[port.pid or 0] if stlink else port.description or "USB serial",
                boards=can_be if unit is None else (unit.board,),
                uid=None if unit is None else unit.uid,
            )
        )
    return sorted(found, key=lambda attached: attached.port)


def _ports() -> list[Port]:
    from serial.tools.list_ports import comports

    return [
        Port(port.device, port.vid, port.pid, port.serial_number, port.description)
        for port in comports()
    ]


def find_attached(
    board: BoardType, unit: str | None = None, ports: Iterable[Port] | None = None
) -> Attached:
    """The device to use for `board`.

    `unit` is a probe serial or a port. An enrolled unit goes before one that merely can be it.
    Raises UnreachableError where none is attached, BadInputError where several are.
    """
    candidates = [entry for entry in scan(ports) if board.name in entry.boards]
    if unit is not None:
        candidates = [entry for entry in candidates if unit in (entry.serial, entry.port)]
    known = [entry for entry in candidates if entry.uid is not None]
    chosen = known or candidates
    if not chosen:
        named = f" (unit {unit})" if unit else ""
        raise UnreachableError(
            f"No {board.name}{named} is attached.",
            "See what is attached with: munas boards scan"
            + (f"; its stand-in is --board {board.twin}" if board.twin else ""),
        )
    if len(chosen) > 1:
        listed = ", ".join(f"{entry.serial} on {entry.port}" for entry in chosen)
        raise BadInputError(
            f"{len(chosen)} attached devices can be {board.name}: {listed}.",
            "Name one with --unit SERIAL, and enrol it once with: munas boards identify",
        )
    return chosen[0]


def attached_unit(board: BoardType) -> str | None:
    """The serial of an attached unit that is enrolled as `board`, if there is exactly one."""
    units = [entry for entry in scan() if entry.uid and entry.boards == (board.name,)]
    return units[0].serial if len(units) == 1 else None
