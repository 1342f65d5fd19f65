"""A .tflite file as a C array, for firmwares that have an interpreter of their own.

Must not know what the model is for.
"""

from __future__ import annotations

import hashlib
import re

_A_LINE = 16


def c_identifier(name: str) -> str:
    """`name` as an identifier of C."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return found if found and not found[0].isdigit() else f"model_{found}"


def c_array(data: bytes, symbol: str, about: str) -> dict[str, str]:
    """The files `<symbol>.h` and `<symbol>.c` by name; `about` is one line for people.

    The array is constant (it stays in flash) and aligned to 16 bytes, as CMSIS-NN and TensorFlow
    Lite Micro want it.
    """
    lines = [
        "  " + "".join(f"0x{byte:02x}," for byte in data[start : start + _A_LINE])
        for start in range(0, len(data), _A_LINE)
    ]
    about = about.replace("*/", "* /").replace("\n", " ")
    guard = f"{symbol.upper()}_H"
    header = f"""/* {about}
   SHA-256 of the .tflite: {hashlib.sha256(data).hexdigest()} */
#ifndef {guard}
#define {guard}

#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {symbol}[];
extern const unsigned int {symbol}_bytes;

#ifdef __cplusplus
}}
#endif

#endif
"""
    body = "\n".join(lines)
    source = f"""#include "{symbol}.h"

#if defined(__GNUC__)
__attribute__((aligned(16)))
#endif
const unsigned char {symbol}[] = {{
{body}
}};
const unsigned int {symbol}_bytes = {len(data)}u;
"""
    return {f"{symbol}.h": header, f"{symbol}.c": source}
