"""How much of the line a model's transfer uses: 921,600 baud, 2 ms latency each way, simulated.

The time is the line's, not this machine's: the ratio is the same everywhere. The reference is the
line rate, model bytes at ten bit times each. Exits with 1 below the target.
"""

from __future__ import annotations

import argparse
import json
import sys

from munas.link.client import Client
from munas.link.messages import Slot
from munas.link.simulated import SimulatedDevice
from munas.link.simulated_line import SimulatedLine

BAUD = 921_600
LATENCY_S = 0.002
TARGET = 0.90


def transfer_s(size_bytes: int) -> float:
    """Seconds on the line for LOAD of a model into the RAM slot, begin and end included."""
    line = SimulatedLine(SimulatedDevice(), baud=BAUD, latency_s=LATENCY_S)
    client = Client(line)
    client.hello(client.deadline(10))
    begun_s = line.now_s
    client.load(bytes(i % 251 for i in range(size_bytes)), Slot.RAM, client.deadline(60))
    return line.now_s - begun_s


def main() -> int:
    """Print one JSON line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, nargs="*", default=[50_000, 100_000, 250_000])
    worst = 1.0
    for size_bytes in parser.parse_args().bytes:
        seconds = transfer_s(size_bytes)
        ratio = size_bytes * 10 / BAUD / seconds
        worst = min(worst, ratio)
        print(json.dumps({"bytes": size_bytes, "seconds": seconds, "line_rate_ratio": ratio}))
    return 0 if worst >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
