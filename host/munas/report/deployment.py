"""What `munas deploy` leaves of a candidate: model, C array, Keras file, model card, project.

Must not know the command line.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from munas.arch import Architecture
from munas.boards.registry import list_boards
from munas.boards.types import BoardType
from munas.deploy.c_array import c_array
from munas.deploy.project import Target, write_project
from munas.errors import BadInputError, ConvertError, MunasError
from munas.latency.engine import kernels_of
from munas.latency.oracle import ask_oracle, check_model
from munas.pipeline.artifacts import candidate_result
from munas.pipeline.tasks import unpack_weights
from munas.report.card import Card, card_of, to_markdown
from munas.store import CandidateRow, Ledger, ResultRow


@dataclass(frozen=True)
class Deployed:
    """Where everything lies; `notes` are what could not be written, and why."""

    folder: Path
    files: Sequence[str]
    card: Card
    notes: Sequence[str]


def deploy(ledger: Ledger, candidate_id: int, out: Path) -> Deployed:
    """Write the candidate's folder to `out`, whole or not at all.

    Raises BadInputError where `out` exists already or the candidate is not trained.
    """
    if out.exists():
        raise BadInputError(f"{out} exists already.", "Give a folder that does not exist.")
    result = candidate_result(ledger, candidate_id)
    candidate = ledger.candidate(candidate_id)
    card = card_of(ledger, candidate, result)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            notes = _fill(made, ledger, candidate, result, card)
            made.rename(out)
    except OSError as error:
        raise BadInputError(
            f"The folder {out} cannot be written: {error.strerror}.",
            "Give a folder in one that exists and can be written, on a disk with free space.",
        ) from None
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return Deployed(out, files, card, notes)


def _fill(
    folder: Path, ledger: Ledger, candidate: CandidateRow, result: ResultRow, card: Card
) -> list[str]:
    data = ledger.get_artifact(str(result.model_sha256))
    (folder / "model.tflite").write_bytes(data)
    for name, text in c_array(data, "model_data", card.title).items():
        (folder / name).write_text(text)
    _write_keras(folder / "model.keras", ledger, candidate, result)
    notes = _write_project(folder / "project", data, card)
    (folder / "card.json").write_text(json.dumps(card.as_dict(), indent=2) + "\n")
    (folder / "README.md").write_text(to_markdown(card, notes))
    return notes


def _write_keras(path: Path, ledger: Ledger, candidate: CandidateRow, result: ResultRow) -> None:
    """The float network with its trained weights, in Keras' own format."""
    from munas.deploy.keras_model import build_model
    from munas.deploy.quiet import silence_tensorflow

    silence_tensorflow()
    architecture = result.architecture or candidate.architecture
    model = build_model(Architecture.from_dict(dict(architecture)))
    model.set_weights(unpack_weights(ledger.get_artifact(str(result.weights_sha256))))
    model.save(path)


def _write_project(folder: Path, data: bytes, card: Card) -> list[str]:
    board = _physical(card.board)
    if board is None:
        return [f"No project was written: no physical board is known for {card.board}."]
    checked = check_model("model.tflite", data)
    oracle = ask_oracle(checked)
    if oracle.outputs is None:
        return [f"No project was written: {oracle.note}"]
    target = Target(board.name, _platformio_board(board), kernels_of(board))
    shapes = [stored.reshape(-1) for stored in oracle.inputs]
    try:
        write_project(folder, data, target, shapes, oracle.outputs)
    except ConvertError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return [f"No project was written: {error.what}"]
    except MunasError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return [f"No project was written: {error.what} {error.mend}"]
    return []


def _physical(name: str | None) -> BoardType | None:
    """The board itself, or one with the chip of an emulated board; the L4R5 without any."""
    boards = {board.name: board for board in list_boards()}
    named = boards.get(name or "")
    if named is not None and not named.emulated:
        return named
    twins = [board for board in boards.values() if not board.emulated and board.twin == name]
    usable = [board for board in twins if "bare" not in board.name]
    return usable[0] if usable else boards.get("nucleo_l4r5zi")


def _platformio_board(board: BoardType) -> str:
    """PlatformIO's name of the board, from its board file."""
    import configparser

    parser = configparser.ConfigParser(inline_comment_prefixes=("#", ";"), interpolation=None)
    parser.read_string(board.path.read_text(encoding="utf-8"))
    return parser[f"env:{board.name}"].get("board", board.name)
