"""PlatformIO development platform of the bare images: nothing is downloaded for it."""

from platformio.platform.base import PlatformBase


class Munas_barePlatform(PlatformBase):  # noqa: N801 (the name that PlatformIO derives)
    """Images for STM32 chips; the compiler is whatever arm-none-eabi-gcc PATH has."""

    def is_embedded(self):  # type: ignore[no-untyped-def]
        return True
