"""Compiles the few functions that Unicorn calls too often for Python.

They are written in the subset of Python that Numba compiles. The LLVM code is kept in the user's
cache folder (`MUNAS_CACHE` names another), because importing Numba takes longer than a whole
inference; llvmlite alone turns the code into machine code in some ten milliseconds. Knows nothing
of what the functions do.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

_ENTRY = "cfunc."  # Numba's prefix


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
            entries.append(_entry(module))
            self._engine.add_module(module)
        self._engine.finalize_object()
        self.addresses = [int(self._engine.get_function_address(name)) for name in entries]
        """Where the functions are, in the order given."""


def _entry(module: Any) -> str:
    """Name of the function that C calls. Raises RuntimeError where there is none."""
    for function in module.functions:
        if function.name.startswith(_ENTRY) and not function.is_declaration:
            return str(function.name)
    raise RuntimeError("no function to call")


def _module(llvm: Any, function: NativeFunction) -> Any:
    """The optimised LLVM code, from the cache or new. A damaged cache file is replaced."""
    path = _cache_file(function, llvm.get_host_cpu_name())
    try:
        module = llvm.parse_assembly(path.read_text())
        module.verify()
        _entry(module)
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
    code = numba.cfunc(typed(native.signature))(native.function).inspect_llvm()
    return _without_wrapper(code, native)


def _without_wrapper(code: str, native: NativeFunction) -> str:
    """The function itself: Numba calls it from another one that looks for a Python exception, which
    costs more than a hook does.
    """
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(code.replace("{ noinline }", "{ alwaysinline }"))
    for function in module.functions:
        if not function.is_declaration and not function.name.startswith(_ENTRY):
            function.linkage = "internal"
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    missing = {f.name for f in module.functions if f.is_declaration and f.name[:5] != "llvm."}
    if missing - set(native.calls):
        raise TypeError(f"{native.function.__name__} needs Python at run time: {missing}")
    return str(module)


def _cache_file(native: NativeFunction, cpu: str) -> Path:
    named, system = os.environ.get("MUNAS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    base = Path(named) if named else Path(system or Path.home() / ".cache") / "munas"
    code = native.function.__code__
    key = hashlib.sha256(Path(code.co_filename).read_bytes() + Path(__file__).read_bytes())
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
