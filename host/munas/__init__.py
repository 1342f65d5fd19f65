"""munas: neural architecture search for microcontrollers, proved on the microcontroller."""

__version__ = "0.1.0"
