"""Compiles the few functions that Unicorn calls too often for Python.

They are written in the subset of Python that Numba compiles. The LLVM code is kept in the user's
cache folder (`MUNAS_CACHE` names another), because importing Numba takes longer than a whole
inference; llvmlite alone turns the code into machine code in some ten milliseconds. Knows nothing
of what the functions do.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Signature:
    """Result and arguments, by the names of Numba's types."""

    result: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class NativeFunction:
    """A function to compile, and the C functions that it calls by name."""

    function: Callable[..., Any]
    signature: Signature
    calls: Mapping[str, Signature]


class NativeCode:
    """Machine code of some functions; it lives as long as this object.

    `symbols` are the addresses of the C functions that they call.
    """

    def __init__(self, functions: Sequence[NativeFunction], symbols: Mapping[str, int]) -> None:
        import llvmlite.binding as llvm  # type: ignore[import-untyped]

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        for name, address in symbols.items():
            llvm.add_symbol(name, address)
        machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        entries = []
        for function in functions:
            module = _module(llvm, function)
            _bind_unused(llvm, module)
            entries.append(next(f.name for f in module.functions if f.name.startswith("cfunc.")))
            self._engine.add_module(module)
        self._engine.finalize_object()
        self.addresses = [int(self._engine.get_function_address(name)) for name in entries]
        """Where the functions are, in the order given."""


def _bind_unused(llvm: Any, module: Any) -> None:
    """Resolve what Numba's wrappers call if a function raises, which ours do not: to `abort`."""
    abort = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for function in module.functions:
        unresolved = function.is_declaration and llvm.address_of_symbol(function.name) is None
        if unresolved and not function.name.startswith("llvm."):
            llvm.add_symbol(function.name, abort)


def _module(llvm: Any, function: NativeFunction) -> Any:
    """The optimised LLVM code, from the cache or new. A damaged cache file is replaced."""
    path = _cache_file(function, llvm.get_host_cpu_name())
    try:
        module = llvm.parse_assembly(path.read_text())
        module.verify()
    except (OSError, UnicodeDecodeError, RuntimeError):
        code = _compile(function)
        _keep(path, code)
        module = llvm.parse_assembly(code)
    return module


def _compile(native: NativeFunction) -> str:
    import numba
    from numba import types

    def typed(signature: Signature) -> Any:
        arguments = (getattr(types, name) for name in signature.arguments)
        return getattr(types, signature.result)(*arguments)

    native.function.__globals__["carray"] = numba.carray
    for name, signature in native.calls.items():
        native.function.__globals__[name] = types.ExternalFunction(name, typed(signature))
    return str(numba.cfunc(typed(native.signature))(native.function).inspect_llvm())


def _cache_file(native: NativeFunction, cpu: str) -> Path:
    named, system = os.environ.get("MUNAS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    base = Path(named) if named else Path(system or Path.home() / ".cache") / "munas"
    code = native.function.__code__
    key = hashlib.sha256(Path(code.co_filename).read_bytes())
    for part in (version("numba"), version("llvmlite"), platform.machine(), cpu):
        key.update(part.encode() + b"\0")
    return base.expanduser() / "emulator" / f"{code.co_name.strip('_')}-{key.hexdigest()[:24]}.ll"


def _keep(path: Path, code: str) -> None:
    """Write the cache file in one step; a folder that cannot be written only costs time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(code)
        draft.replace(path)
    except OSError:
        return
