"""Which models share an image: one of the engine aot holds several. Must not know of boards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Model = tuple[str, bytes]

# An aot image holds models in flash; their C form is at most about twice the .tflite.
_FLASH_OF_MODEL = 2.2
_FLASH_OF_ENGINE = 64 * 1024
_FLASH_FOR_IMAGE = 0.7  # the rest is the flash slot's
_MOST_IN_IMAGE = 32


def batches(models: Sequence[Model], flash_bytes: int) -> Iterator[list[Model]]:
    """Models, in order, that go into one image for a board with so much flash."""
    room = flash_bytes * _FLASH_FOR_IMAGE - _FLASH_OF_ENGINE
    group: list[Model] = []
    size = 0.0
    for model in models:
        needed = _FLASH_OF_MODEL * len(model[1])
        if group and (size + needed > room or len(group) == _MOST_IN_IMAGE):
            yield group
            group, size = [], 0.0
        group.append(model)
        size += needed
    if group:
        yield group
