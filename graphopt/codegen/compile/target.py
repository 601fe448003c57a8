"""A target for numba: kernels, from a function's text to LLVM's language.

numba reads the text of a kernel, infers its types and writes LLVM's language. What its
own target for processors does next is meant for arrays, exceptions and reference counts,
which kernels do not have: it optimizes every function before all of them together, in
two rounds, and puts the code into an engine that object files have to be dug out of.
Here what numba writes is a module (`module`), to be compiled when and where we like.

The contexts know the types, operators and functions of plain Python. Without NumPy's
functions fewer modules are imported, and a type is found among fewer candidates; what
kernels need of them, roots and roundings, are instructions of LLVM (`primitives`). `min` and
`max` take two integers. An exception is a symbol that nobody has, so a kernel that could
raise one is noticed.

The first kernel of a process takes 55 ms where numba's own target takes 175, and a small
perceptron without any kernel in the cache 1.05 s to its first step where that takes 2.2 (one
core, Zen 3). What makes the difference: one round of optimization, signatures that are looked
for once, no passes and no text for what kernels do not have (error codes and wrappers around
them, loops for a step of either sign), sizes of types asked for once. Classes and methods are
those of numba's interface for targets, which numba-cuda extends likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numba
import numba.core.bytecode
import numba.core.callconv
import numba.core.cgutils
import numba.core.codegen
import numba.core.compiler
import numba.core.cpu
import numba.core.descriptors
import numba.core.funcdesc
import numba.core.imputils
import numba.core.interpreter
import numba.core.lowering
import numba.core.target_extension
import numba.core.targetconfig
import numba.core.typed_passes
import numba.core.typing.templates
from llvmlite import ir
from numba.core.compiler_lock import global_compiler_lock

from graphopt.codegen.cache.object_code import get_target_machine
from graphopt.codegen.compile.module import Module
from graphopt.codegen.machine import Machine, get_machine
from graphopt.lazy import cached_property

__all__ = ["RAISES", "make_flags", "translate"]

RAISES: Final = "graphopt_kernel_raises"
"""What an object file calls whose function can raise an exception."""

_TARGET: Final = "graphopt"

# numba's annotations are partial: as Any they do not stand in the way.
_types: Any = numba.types
_cgutils: Any = numba.core.cgutils
_core: Any = numba.core
_extension: Any = numba.core.target_extension
_Context: Any = numba.core.cpu.CPUContext
_TypingContext: Any = _core.typing.Context
_Template: Any = _core.typing.templates.AbstractTemplate


class _Library(_core.codegen.CodeLibrary):  # type: ignore[misc]
    """The text of one kernel and of what it calls."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        # As keys: functions that are called twice are linked once.
        self.texts: dict[str, None] = {}

    def add_ir_module(self, ir_module: Any) -> None:
        self.texts[_cgutils.normalize_ir_text(str(ir_module))] = None

    def add_linking_library(self, library: Any) -> None:
        self.texts.update(library.texts)

    def finalize(self) -> None:
        self._finalized = True

    def get_llvm_str(self) -> str:
        return "\n".join(self.texts)

    def get_function(self, name: str) -> Any:
        raise NotImplementedError

    def get_asm_str(self) -> str:
        raise NotImplementedError


@cache
def _describe(machine: Machine) -> tuple[str, str]:
    """Returns LLVM's name of a machine and how its data lies in memory."""
    target = get_target_machine()
    return target.triple, str(target.target_data)


class _Codegen(_core.codegen.Codegen):  # type: ignore[misc]
    """Makes libraries for the machine that modules are compiled for."""

    _library_class = _Library

    def __init__(self) -> None:
        # What sizes follow from; all machines are alike in that.
        self._machine = get_target_machine()
        self._target_data = self._machine.target_data

    def _create_empty_module(self, name: str) -> Any:
        module: Any = ir.Module(_cgutils.normalize_ir_text(name))
        module.triple, module.data_layout = _describe(get_machine())
        return module

    def _add_module(self, module: Any) -> None:
        raise NotImplementedError


# numba puts the code of intrinsics into the first registry that a context knows.
_registry: Any = _core.imputils.Registry(_TARGET)
_declarations: Any = _core.typing.templates.Registry()


class _TwoIntegers(_Template):  # type: ignore[misc]
    """Typing of `min` and `max`.

    numba's are for any number of values, and compile a function of Python for each.
    """

    metadata = MappingProxyType({"target": _TARGET})

    def generic(self, arguments: Any, keywords: Any) -> Any:
        if [isinstance(each, _types.Integer) for each in arguments] == [True, True]:
            return _types.int64(_types.int64, _types.int64)
        return None


def _define_choice(function: Any, sign: str) -> None:
    kind = type(f"_{function.__name__}", (_TwoIntegers,), {"key": function})
    _declarations.register_global(function)(kind)

    def choose(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.icmp_signed(sign, *values), *values)

    _registry.lower(function, _types.int64, _types.int64)(choose)


_define_choice(min, "<")
_define_choice(max, ">")


class _KernelTypes(_TypingContext):  # type: ignore[misc]
    """How types are inferred."""

    def __init__(self) -> None:
        super().__init__()
        self._signatures: dict[Any, Any] = {}

    def load_additional_registries(self) -> None:
        from numba.core.typing import mathdecl

        self.install_registry(mathdecl.registry)
        self.install_registry(_declarations)

    def resolve_value_type(self, value: Any) -> Any:
        """Returns the type of a global name."""
        # For a class, such as `range`, numba would first import its lists and
        # dictionaries to see whether it is one of them: 30 ms.
        known = self._lookup_global(value) if isinstance(value, type) else None
        return known or super().resolve_value_type(value)

    def resolve_function_type(self, function: Any, types: Any, keywords: Any) -> Any:
        """Returns the signature of a call; that of an addition is looked for once."""
        if keywords:
            return super().resolve_function_type(function, types, keywords)
        call = function, tuple(types)
        if call not in self._signatures:
            found = super().resolve_function_type(function, types, keywords)
            if found is None:
                return None
            self._signatures[call] = found
        return self._signatures[call]


class _Convention(_core.callconv.CPUCallConv):  # type: ignore[misc]
    """How functions are called: those that return nothing as C does it, so kernels.

    numba's own has an error code as the result, and places for a value and an exception
    to be written to. Functions that kernels call keep it.
    """

    def get_function_type(self, result: Any, arguments: Any) -> Any:
        if result is not _types.none:
            return super().get_function_type(result, arguments)
        shapes = self._get_arg_packer(arguments).argument_types
        return ir.FunctionType(ir.VoidType(), list(shapes))

    def decorate_function(
        self, function: Any, names: Any, arguments: Any, noalias: bool = False
    ) -> None:
        if not _returns_nothing(function):
            super().decorate_function(function, names, arguments, noalias)

    def get_arguments(self, function: Any) -> Any:
        if _returns_nothing(function):
            return function.args
        return super().get_arguments(function)

    def return_value(self, builder: Any, value: Any) -> None:
        if _returns_nothing(builder.function):
            builder.ret_void()
        else:
            super().return_value(builder, value)

    def return_user_exc(self, builder: Any, *details: Any, **others: Any) -> None:
        if _returns_nothing(builder.function):
            _call_nobody(builder)
            builder.ret_void()
        else:
            super().return_user_exc(builder, *details, **others)

    def return_status_propagate(self, builder: Any, status: Any) -> None:
        if _returns_nothing(builder.function):
            _call_nobody(builder)
            builder.ret_void()
        else:
            super().return_status_propagate(builder, status)


def _returns_nothing(function: Any) -> bool:
    return isinstance(function.function_type.return_type, ir.VoidType)


def _call_nobody(builder: Any) -> None:
    """Writes what a kernel does instead of raising an exception."""
    kind = ir.FunctionType(ir.VoidType(), [])
    builder.call(_cgutils.get_or_insert_function(builder.module, kind, RAISES), [])


def _define_range(numbers: int) -> None:
    """Defines `range` of so many numbers."""

    def make(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start, stop = ([_I64(0), *values] if numbers == 1 else values)[:2]
        step = values[2] if numbers > 2 else _I64(1)
        if not (isinstance(step, ir.Constant) and step.constant > 0):
            # LLVM drops this if the step turns out to be a constant that counts up.
            with builder.if_then(builder.icmp_signed("<", step, _I64(1))):
                _call_nobody(builder)
        return _cgutils.pack_struct(builder, [start, stop, step])

    _loops.lower(range, *[_types.int64] * numbers)(make)


def _begin(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Writes the start of a loop: the next number gets a place of its own."""
    start, stop, step = _cgutils.unpack_tuple(builder, values[0])
    place = _cgutils.alloca_once(builder, _I64)
    builder.store(start, place)
    # numba has a second place there, for the rounds that are left.
    return _cgutils.pack_struct(builder, [place, stop, step, place])


def _advance(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Writes the head of a loop: the number, and whether it is one of the range."""
    place, stop, step = _cgutils.unpack_tuple(builder, values[0], 3)
    number = builder.load(place)
    builder.store(builder.add(number, step, flags=["nsw"]), place)
    is_inside = builder.icmp_signed("<", number, stop)
    return _cgutils.pack_struct(builder, [number, is_inside])


# Loops of kernels count up. numba's count down the rounds that a division has found, for a
# step of either sign: three times the code, which takes time to write and to optimize.
_I64: Final = ir.IntType(64)
_loops: Any = _core.imputils.Registry(f"{_TARGET} loops")
for _numbers in (1, 2, 3):
    _define_range(_numbers)
_loops.lower("getiter", _types.range_state64_type)(_begin)
_loops.lower("iternext", _types.range_iter64_type)(_advance)


class _KernelContext(_Context):  # type: ignore[misc]
    """How what has types is written in LLVM's language."""

    def init(self) -> None:
        self.is32bit = False
        self._loaded = False
        self._sizes: dict[Any, int] = {}
        self._internal_codegen = _Codegen()

    def refresh(self) -> None:
        # numba asks for this at every call of an intrinsic.
        self.install_registry(_registry)
        if not self._loaded:
            self._loaded = True
            # They register the code of operators when they are imported.
            from numba.cpython import (  # noqa: F401
                builtins,
                mathimpl,
                numbers,
                tupleobj,
            )

            self.install_registry(mathimpl.registry)
            self.install_registry(_core.imputils.builtin_registry)
            self.install_registry(_loops)

    def get_abi_sizeof(self, shape: Any) -> int:
        # numba has LLVM read a text to find it, for every variable that could be looked at
        # in a debugger, and with LLVM comes the lock of the one thread that it is in.
        if shape not in self._sizes:
            self._sizes[shape] = super().get_abi_sizeof(shape)
        return self._sizes[shape]

    def post_lowering(self, module: Any, library: Any) -> None:
        """Links no runtime: kernels count no references."""

    @cached_property
    def call_conv(self) -> Any:
        return _Convention(self)

    def pair_first(self, builder: Any, pair: Any, kind: Any) -> Any:
        return builder.extract_value(pair, 0)

    def pair_second(self, builder: Any, pair: Any, kind: Any) -> Any:
        return builder.extract_value(pair, 1)


class _Descriptor(_core.descriptors.TargetDescriptor):  # type: ignore[misc]
    """Where numba finds the contexts, which are made when they are needed."""

    options = _core.cpu.CPUTargetOptions

    @cached_property
    def typing_context(self) -> Any:
        return _KernelTypes()

    @cached_property
    def target_context(self) -> Any:
        context = _KernelContext(self.typing_context, _TARGET)
        model = _core.callconv.create_error_model("numpy", context)
        return context.subtarget(error_model=model)


class _Kernels(_extension.CPU):  # type: ignore[misc]
    """The name of the target in numba's registries."""

    targetdescr = _Descriptor(_TARGET)


def _refuse_overload(**options: Any) -> Any:
    # numba compiles some of its functions from Python. In kernels it would have to do
    # that for each of them, in more time than the kernel takes.
    raise NotImplementedError("kernels call intrinsics only")


_extension.target_registry[_TARGET] = _Kernels
_extension.dispatcher_registry[_Kernels] = _Kernels
_extension.jit_registry[_Kernels] = _refuse_overload


def make_flags() -> Any:
    """Makes numba's options for a kernel, and for functions that kernels call.

    Returns:
      Flags as numba's compiler takes them.
    """
    flags: Any = _core.compiler.Flags()
    flags.error_model = "numpy"
    # numba's helpers, such as that of `range`, are compiled with the same options.
    # Inlined at once, their checks of constants fold away, and with them the code that
    # would raise an exception.
    flags.forceinline = True
    flags.no_cpython_wrapper = True
    flags.no_compile = True
    return flags


def translate(function: Callable[..., None], signature: Any, name: str) -> Module:
    """Has numba read a function and write it in LLVM's language.

    Args:
      function: What to compile, in numba's nopython mode.
      signature: Types of its arguments; its result is void.
      name: The name the kernel is known by.

    Returns:
      The module, whose entry follows C's calling convention.

    Raises:
      numba.core.errors.NumbaError: If the function cannot be compiled.
    """
    descriptor = _Kernels.targetdescr
    typing, context = descriptor.typing_context, descriptor.target_context
    flags = make_flags()
    # The steps of numba's pipeline that the text of a kernel needs. It has no closures,
    # `with` blocks, branches on constants or arrays, so nothing looks for these. A name has
    # one type in all of a kernel: nothing is gained by telling its assignments apart, as
    # LLVM does again, nor by saying where the life of one ends, for there is no reference
    # to be given back.
    with (
        global_compiler_lock,
        _extension.target_override(_TARGET),
        _core.targetconfig.ConfigStack().enter(flags),
    ):
        typing.refresh()
        context.refresh()
        identity = _core.bytecode.FunctionIdentity.from_function(function)
        text = _core.interpreter.Interpreter(identity).interpret(
            _core.bytecode.ByteCode(identity)
        )
        types, result, calls, _ = _core.typed_passes.type_inference_stage(
            typing, context, text, signature.args, signature.return_type
        )
        description = _core.funcdesc.PythonFunctionDescriptor.from_specialized_function(
            text, types, result, calls, context.mangler, True, False, ()
        )
        library = context.codegen().create_library(name)
        with context.push_code_library(library):
            _core.lowering.Lower(context, library, description, text).lower()
    return Module(tuple(library.texts), description.llvm_func_name, name)
