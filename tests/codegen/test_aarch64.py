"""Every family of kernels compiles for 64-bit ARM, on whatever machine this is."""

from __future__ import annotations

import dataclasses
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, get_args

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

import graphopt as tf
from graphopt.codegen import kernels
from graphopt.codegen.cache.object_code import get_target_machine
from graphopt.codegen.compile import limits
from graphopt.codegen.compile.module import Module, emit_object
from graphopt.codegen.compile.vectors import FLOAT32
from graphopt.codegen.kernel import Kernel
from graphopt.codegen.lower import FAMILIES, lower_operation
from graphopt.codegen.machine import Machine, assume, make_arm_machine
from graphopt.codegen.matmul.gemm import make_kernel
from graphopt.codegen.matmul.layout import KernelName, find_shape
from graphopt.codegen.movement.moves import copy_tensor
from graphopt.codegen.tape import tape, workers
from graphopt.codegen.tape.jumps import declare_jumps
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import REGISTRY, Elementwise, Family, OpSpec
from graphopt.graph.program import Program
from graphopt.rewrite.resolve_shapes import resolve_shapes
from graphopt.schedule.steps import KernelRequest, Lowered, Word
from tests.codegen.conftest import ALLOWED_SYMBOLS, read_undefined_symbols
from tests.helpers import as_tuple

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")

AARCH64 = 0xB7
NATIVE = [
    spec
    for spec in REGISTRY.values()
    if isinstance(spec.kernel, Elementwise | Family) and spec.outputs != 0
]
# Of each family of kernels that an op has.
MOST_KERNELS = 2


@pytest.fixture(autouse=True)
def machine() -> Iterator[Machine]:
    with assume(make_arm_machine()) as machine:
        yield machine


def lower_samples(spec: OpSpec) -> Iterator[Lowered]:
    for sample in spec.samples():
        with tf.Graph().as_default() as graph:
            inputs = [tf.constant(x) for x in sample.inputs]
            outputs = as_tuple(call(spec, *inputs, **sample.attrs))
            fetches = tuple(t for t in outputs if t is not None)
        # Ops that ask another tensor for its shape are others before they are lowered.
        program = resolve_shapes.function(Program(graph, (), fetches, ()))
        yield from map(lower_operation, {t.op: None for t in program.fetches})


def requests_of(lowered: Lowered) -> Iterator[KernelRequest]:
    for each in lowered.calls:
        yield each.kernel
        for word in each.arguments:
            if isinstance(word, Word) and word.kernel is not None:
                yield word.kernel


def compile_for_arm(module: Module) -> bytes:
    """Compiles a module; LLVM would end the process at an instruction of another family."""
    text = "\n".join(module.texts)
    assert "llvm.x86" not in text
    assert 'target triple = "aarch64' in text
    return check_object(emit_object(module))


def check_object(code: bytes) -> bytes:
    assert struct.unpack_from("<H", code, 18) == (AARCH64,)
    return code


@pytest.mark.parametrize("spec", NATIVE, ids=lambda spec: spec.name)
def test_kernels_of_ops(spec: OpSpec) -> None:
    found = {each.key: each for low in lower_samples(spec) for each in requests_of(low)}
    taken: Counter[str] = Counter()
    for request in found.values():
        taken[request.family] += 1
        if taken[request.family] <= MOST_KERNELS:
            code = compile_for_arm(kernels._translate(request))
            assert read_undefined_symbols(code) <= ALLOWED_SYMBOLS


def test_every_family_is_among_them() -> None:
    kernels = [k for spec in NATIVE for k in (spec.kernel, spec.integer_kernel)]
    used = {kernel.name for kernel in kernels if isinstance(kernel, Family)}
    # Some ops write variables, and return nothing; they share their kernels. The
    # header of a step returns nothing either.
    writes = {"assign_gathered", "resource_scatter"}
    assert set(FAMILIES) - used <= {*writes, "step_header"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", get_args(KernelName))
def test_products_need_nothing_from_outside(kernel: KernelName, dtype: str) -> None:
    request = make_kernel(kernel, dtype, find_shape(dtype)).request
    code = compile_for_arm(kernels._translate(request))
    # A multiply-add that the machine does not have would be a call.
    assert not read_undefined_symbols(code) - {"memcpy", "memset"}


def test_jumps() -> None:
    values = vars(declare_jumps(copy_tensor)).values()
    requests = [value.request for value in values if isinstance(value, Kernel)]
    assert len(requests) > 5
    for request in requests:
        compile_for_arm(kernels._translate(request))


EMITTED: dict[str, Callable[[ir.Module], Any]] = {
    "tape": tape._emit,
    "workers": workers._emit_workers,
}


def write(name: str) -> str:
    module = ir.Module(name)
    module.triple = get_target_machine().triple
    EMITTED[name](module)
    return str(module)


@pytest.mark.parametrize("name", EMITTED)
def test_loops_around_kernels(name: str) -> None:
    text = write(name)
    assert "llvm.aarch64" in text
    assert "llvm.x86" not in text
    check_object(get_target_machine().emit_object(llvm.parse_assembly(text)))


@pytest.mark.parametrize("name", EMITTED)
def test_other_machines_do_without_instructions_of_one_family(name: str) -> None:
    other = dataclasses.replace(
        make_arm_machine(), family="other", triple="riscv64-unknown-linux-gnu"
    )
    with assume(dataclasses.replace(other, cpu="", features="")):
        text = write(name)
    assert "llvm.aarch64" not in text
    assert "llvm.x86" not in text


def test_the_loop_that_measures_the_machine() -> None:
    text = str(limits._emit(FLOAT32))
    code = get_target_machine().emit_object(llvm.parse_assembly(text))
    assert read_undefined_symbols(check_object(code)) == set()
