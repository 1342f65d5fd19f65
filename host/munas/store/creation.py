"""Makes the file of a new ledger: whole at its place, or not there at all.

The file is built in a folder beside its place and linked there at the end, so neither a fault nor
`kill -9` leaves half a ledger under the name that was asked for.
"""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from munas.errors import LedgerError
from munas.store import migrations
from munas.store.database import connect, explained, transaction, use_write_ahead_log
from munas.store.rows import Row
from munas.store.statements import insert


def create_file(path: Path, run: Row) -> None:
    """Make the ledger of `run` at `path`. Raises LedgerError, and then there is no file."""
    try:
        _refuse_remains(path)
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            fresh = Path(folder) / "ledger"
            with explained(path):
                _fill(fresh, run)
            _publish(fresh, path)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise LedgerError(
            f"The ledger {path} cannot be created: {error.strerror}.",
            "Give a path in a folder that exists and can be written, on a disk with free space.",
        ) from error


def _fill(fresh: Path, run: Row) -> None:
    with closing(connect(fresh, create=True)) as connection:
        use_write_ahead_log(connection, fresh)
        migrations.upgrade(connection, fresh, migrations.STEPS)
        with transaction(connection, "IMMEDIATE"):
            insert(connection, run)


def _publish(fresh: Path, path: Path) -> None:
    """Give the file its name; raises FileExistsError rather than replace another file."""
    try:
        path.hardlink_to(fresh)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: claim the name, then move the file over the claim.
        path.touch(exist_ok=False)
        fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut could take the name, and with it the whole ledger
    finally:
        os.close(folder)


def _refuse_remains(path: Path) -> None:
    if path.exists():
        raise _exists(path)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        # SQLite would replay the old file's log into the new one.
        raise LedgerError(
            f"The file {log} is left over from a ledger that was deleted or moved.",
            f"Put that ledger back beside it, or delete it too: rm '{log}'",
        )


def _exists(path: Path) -> LedgerError:
    return LedgerError(
        f"The file {path} exists already.",
        f"Continue it with `munas resume {path}`, or give another path for the new ledger.",
    )
