"""A line to a simulated device, in simulated time: a Transport that waits for nothing.

Each direction moves one byte after the other at the baud rate (8N1: ten bit times a byte) and
delivers it `latency_s` later; a device that computes answers when it is done. The clock jumps to
the next arrival, or to the deadline, when the host reads. This module must not know frames.
"""

from __future__ import annotations

from collections import deque

from munas.errors import DeadlineError, TransportError
from munas.link.deadline import Deadline
from munas.link.simulated import SimulatedDevice

_BITS_PER_BYTE = 10


class SimulatedLine:
    """A Transport to `device`. `now_s` is the time of this line, from 0 on."""

    def __init__(
        self, device: SimulatedDevice, *, baud: int = 921_600, latency_s: float = 0.0
    ) -> None:
        self.name = "simulated"
        self.device = device
        self.now_s = 0.0
        self._byte_s = _BITS_PER_BYTE / baud
        self._latency_s = latency_s
        self._to_device_free_s = 0.0
        self._to_host_free_s = 0.0
        self._device_free_s = 0.0
        self._arrivals: deque[tuple[float, bytes]] = deque()
        self._open = True
        self._send_back(device.power_on(), 0.0)

    def clock(self) -> float:
        """The line's time in seconds."""
        return self.now_s

    def read(self, deadline: Deadline) -> bytes:
        """See Transport."""
        self._require_open()
        wait_s = deadline.remaining_s
        if not self._arrivals or self._arrivals[0][0] > self.now_s + wait_s:
            self.now_s += wait_s
            raise DeadlineError(f"Nothing came from {self.name} before the deadline.")
        arrival_s, data = self._arrivals.popleft()
        self.now_s = max(self.now_s, arrival_s)
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        """See Transport. The line takes everything at once and sends it in its own time."""
        self._require_open()
        if deadline.expired:
            raise DeadlineError(f"{self.name} did not take the bytes before the deadline.")
        self._to_device_free_s = max(self.now_s, self._to_device_free_s) + len(data) * self._byte_s
        arrived_s = self._to_device_free_s + self._latency_s
        answer = self.device.feed(data)
        self._device_free_s = max(arrived_s, self._device_free_s) + self.device.take_busy_s()
        self._send_back(answer, self._device_free_s)

    def reset_device(self) -> None:
        """What a probe's reset does; nothing comes of what the device would have sent later."""
        sent_s = self.now_s + self._latency_s
        self._arrivals = deque(kept for kept in self._arrivals if kept[0] <= sent_s)
        self._device_free_s = self._to_host_free_s = self.now_s
        self._send_back(self.device.reset_from_outside(), self.now_s)

    def drain(self) -> None:
        """See Transport."""
        self._require_open()
        while self._arrivals and self._arrivals[0][0] <= self.now_s:
            self._arrivals.popleft()

    def close(self) -> None:
        """See Transport."""
        self._open = False

    def _send_back(self, data: bytes, ready_s: float) -> None:
        if not data:
            return
        self._to_host_free_s = max(ready_s, self._to_host_free_s) + len(data) * self._byte_s
        self._arrivals.append((self._to_host_free_s + self._latency_s, data))

    def _require_open(self) -> None:
        if not self._open:
            raise TransportError(f"The line {self.name} is closed.")
