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


@dataclass(frozen=True)
class Signature:
    """Result and arguments, by the names of Numba's types."""

    result: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class NativeFunction:
    """A function to compile, and the functions that it calls by name, all of them rarely."""

    function: Callable[..., Any]
    signature: Signature
    calls: Mapping[str, Signature]

    @property
    def name(self) -> str:
        """What others call it by."""
        return self.function.__name__.strip("_")


class NativeCode:
    """Machine code of some functions; it lives as long as this object.

    `symbols` are the addresses of the C functions that they call. A function may also call those
    before it.
    """

    def __init__(self, functions: Sequence[NativeFunction], symbols: Mapping[str, int]) -> None:
        import llvmlite.binding as llvm  # type: ignore[import-untyped]

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        for name, address in symbols.items():
            llvm.add_symbol(name, address)
        machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self.addresses: list[int] = []
        """Where the functions are, in the order given."""
        for function in functions:
            self._engine.add_module(_module(llvm, function))
            self._engine.finalize_object()
            self.addresses.append(int(self._engine.get_function_address(function.name)))
            llvm.add_symbol(function.name, self.addresses[-1])


def _module(llvm: Any, function: NativeFunction) -> Any:
    """The optimised LLVM code, from the cache or new. A damaged cache file is replaced."""
    path = _cache_file(function, llvm.get_host_cpu_name())
    try:
        module = llvm.parse_assembly(path.read_text())
        module.verify()
        module.get_function(function.name)
    except (OSError, UnicodeDecodeError, RuntimeError, NameError):
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
        if function.name.startswith("cfunc."):
            function.name = native.name
        elif not function.is_declaration:
            function.linkage = "internal"
        elif function.name in native.calls:
            function.add_function_attribute("cold")  # its call is laid out beside the straight way
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    needed = {f.name for f in module.functions if f.is_declaration and f.name[:5] != "llvm."}
    if needed - set(native.calls):
        raise TypeError(f"{native.name} needs Python at run time: {needed}")
    return str(module)


def _cache_file(native: NativeFunction, cpu: str) -> Path:
    named, system = os.environ.get("MUNAS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    base = Path(named) if named else Path(system or Path.home() / ".cache") / "munas"
    code = native.function.__code__
    key = hashlib.sha256(Path(code.co_filename).read_bytes() + Path(__file__).read_bytes())
    for part in (version("numba"), version("llvmlite"), platform.machine(), cpu):
        key.update(part.encode() + b"\0")
    return base.expanduser() / "emulator" / f"{native.name}-{key.hexdigest()[:24]}.ll"


def _keep(path: Path, code: str) -> None:
    """Write the cache file in one step; a folder that cannot be written only costs time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(code)
        draft.replace(path)
    except OSError:
        return
