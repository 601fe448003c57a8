"""The machine as a value: widths that are asked for, one place that asks, its code."""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from graphopt.codegen import kernels
from graphopt.codegen.cache import key as cache_key
from graphopt.codegen.cache.object_code import get_target_machine
from graphopt.codegen.compile import limits
from graphopt.codegen.compile.module import optimize
from graphopt.codegen.compile.vectors import FLOAT32
from graphopt.codegen.machine import (
    WIDTHS,
    assume,
    find_machine,
    get_machine,
    make_arm_machine,
)
from graphopt.codegen.matmul.layout import find_shape
from graphopt.config import config
from graphopt.schedule.steps import KernelRequest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "graphopt"
ON_X86 = platform.machine() == "x86_64"
TEXT = """
def kernel(args, lo, hi):
    x = pointer_float32(args[0])
    for i in range(lo, hi):
        x[i] = exp_float32(x[i]) * x[i]
"""


def ask(variable: str) -> subprocess.CompletedProcess[str]:
    """What a process says the machine is."""
    script = (
        "import graphopt\n"
        "from graphopt.codegen.machine import get_machine\n"
        "print(get_machine().vector_bits, graphopt.config.settings.vector_bits)"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "GRAPHOPT_VECTOR_BITS": variable, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("bits", WIDTHS)
def test_the_variable_decides_the_width(bits: int) -> None:
    assert ask(str(bits)).stdout.split() == [str(bits)] * 2


def test_without_the_variable_the_machine_has_its_own_width() -> None:
    assert ask("").stdout.split() == [str(find_machine().vector_bits), "0"]


@pytest.mark.parametrize("text", ["300", "wide", "64", "-256", "0"])
def test_other_widths_are_refused(text: str) -> None:
    asked = ask(text)
    assert asked.returncode
    message = f"GRAPHOPT_VECTOR_BITS is {text!r}; expected '128', '256' or '512'"
    assert message in asked.stderr
    if text.lstrip("-").isdigit() and int(text):
        with pytest.raises(ValueError, match="expected one of"):
            find_machine(int(text))


def test_the_width_cannot_change_while_a_process_runs() -> None:
    with (
        pytest.raises(TypeError, match="GRAPHOPT_VECTOR_BITS"),
        config(vector_bits=128),
    ):
        pass


@pytest.mark.parametrize("bits", WIDTHS)
def test_layouts_are_those_of_the_width(bits: int) -> None:
    with assume(find_machine(bits)):
        for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
            shape = find_shape(dtype, None)
            assert shape.lanes == bits // 8 // dtype.itemsize
            assert shape.fused == get_machine().is_fused
    assert (
        find_shape(np.dtype(np.float32), None).lanes == get_machine().vector_bits // 32
    )


def test_arm_has_the_tile_of_many_registers() -> None:
    with assume(make_arm_machine()):
        shape = find_shape(np.dtype(np.float32), None)
    assert (shape.lanes, shape.rows, shape.vectors, shape.fused) == (4, 12, 2, True)


def assemble() -> str:
    module = kernels._translate(KernelRequest("test", TEXT))
    return str(get_target_machine().emit_assembly(optimize(module)))


@pytest.mark.skipif(not ON_X86, reason="reads x86 assembly")
def test_narrower_code_has_nothing_of_wider_machines() -> None:
    if find_machine().vector_bits < 256:
        pytest.skip("this machine has no wider vectors")
    with assume(find_machine(128)):
        assembly = assemble()
        assert "%xmm" in assembly
        assert not re.search(r"%[yz]mm|\sv\w+p[sd]\s|%k\d", assembly)
    with assume(find_machine(256)):
        assembly = assemble()
        assert "%ymm" in assembly
        assert re.search(r"\svfn?m(add|sub)\d+ps\s", assembly)
        assert not re.search(r"%zmm|%k\d|mm(1[6-9]|[23]\d)\b", assembly)


@pytest.mark.parametrize("bits", WIDTHS)
def test_what_a_machine_can_do_at_most_is_measured_with_its_instructions(
    bits: int,
) -> None:
    with assume(find_machine(bits)) as machine:
        text = str(limits._emit(FLOAT32))
        assembly = get_target_machine().emit_assembly(llvm.parse_assembly(text))
        assert limits._multiply_add_rate(FLOAT32) > 0
    # Without the instruction it would be a call of the C library for each element.
    assert not re.search(r"\bfmaf?\b(@PLT)?$", assembly, re.MULTILINE)
    assert bool(re.search(r"= call .*llvm\.fma", text)) == machine.is_fused


def test_all_of_the_machine_is_in_the_key() -> None:
    machine = get_machine()
    others = [machine]
    for field in fields(machine):
        value = getattr(machine, field.name)
        other: object = f"{value}x" if isinstance(value, str) else value + 1
        others.append(replace(machine, **{field.name: other}))
    keys = set()
    for each in others:
        with assume(each):
            environment = cache_key.read_environment()
            keys.add(cache_key.content_key("family", "source", environment))
    assert len(keys) == len(others)


ASKING = {"get_host_cpu_name", "get_host_cpu_features", "get_process_triple"}
ASKING |= {"get_default_triple", "from_default_triple", "machine", "processor"}


def test_one_place_asks_what_the_machine_is() -> None:
    asking = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or node.attr not in ASKING:
                continue
            owner = getattr(node.value, "id", getattr(node.value, "attr", ""))
            if owner in ("platform", "llvm", "Target"):
                asking.add(path.relative_to(PACKAGE).as_posix())
    # The key of the cache says which interpreter it is for, and `doctor` tells the user.
    assert asking <= {
        "codegen/machine.py",
        "codegen/cache/key.py",
        "commands/doctor.py",
    }
