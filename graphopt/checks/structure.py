"""What is wrong with a graph as it was built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from graphopt.autodiff.cotangents import explain_unconnected
from graphopt.checks.findings import Finding
from graphopt.graph.effects import variable_of
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.opspec import Effect
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.traversal import find_ancestors, sources_of
from graphopt.graph.words import plural
from graphopt.ops.creation import CONST, PLACEHOLDER
from graphopt.ops.elementwise import CAST
from graphopt.ops.state import NO_OP

# More accesses of one variable than that are not compared with each other.
MOST_ACCESSES = 2000


def unused_variables(graph: Graph, run: Iterable[Operation]) -> list[Finding]:
    """Finds trainable variables that nothing reads and nothing updates.

    Args:
      graph: The graph.
      run: What is fetched or run besides, whose use counts.
    """
    fetched = set(run)
    used: set[Any] = set()
    read_by = Counter(t.op for op in graph.operations for t in op.inputs)
    for op in graph.operations:
        for tensor in op.inputs:
            is_read = op.spec.effect is Effect.READ
            if (
                tensor.op.spec.is_handle
                and not op.attrs.get("initializer")
                and not (is_read and not read_by[op] and op not in fetched)
            ):
                used.add(variable_of(tensor))
    return [
        Finding(
            "unused-variable",
            "warning",
            f"variable {variable.key.name!r} is never used",
            str(variable.key.site or ""),
            "using it, or leaving it out",
            variable.key.name,
        )
        for variable in graph.variables
        # Of an optimizer's rates and counters some are not for every setting.
        if variable.trainable
        and variable.key not in used
        and variable.handle.op not in fetched
    ]


def missing_gradients(
    graph: Graph, walks: Sequence[tuple[Any, Any, Any]]
) -> list[Finding]:
    """Finds variables that were to get a gradient and did not, and why.

    Args:
      graph: The graph.
      walks: Of each walk the targets, the sources and what was found for them.
    """
    names = {id(v.handle): v for v in graph.variables}
    findings: dict[str, Finding] = {}
    reached: set[int] = set()
    for targets, sources, found in walks:
        for source, gradient in zip(sources, found, strict=True):
            variable = names.get(id(source))
            if variable is None:
                continue
            reached.add(id(source))
            if gradient is None and isinstance(targets[0], GraphTensor):
                name = variable.key.name
                findings.setdefault(name, _no_gradient(graph, variable, targets[0]))
    if walks and reached:
        losses = [t.op for targets, _, _ in walks for t in targets if _is_in(t, graph)]
        needed = find_ancestors(losses)
        for variable in graph.get_collection("trainable_variables"):
            if id(variable.handle) in names and id(variable.handle) not in reached:
                name = variable.key.name
                findings.setdefault(
                    name,
                    Finding(
                        "not-trained",
                        "warning" if variable.handle.op in needed else "note",
                        f"variable {name!r} is trainable, but no optimizer was given it",
                        str(variable.key.site or ""),
                        "var_list with it, or trainable=False",
                        name,
                    ),
                )
    return list(findings.values())


def _is_in(tensor: Any, graph: Graph) -> bool:
    return isinstance(tensor, GraphTensor) and tensor.op.graph is graph


def _no_gradient(graph: Graph, variable: Any, target: GraphTensor) -> Finding:
    why = explain_unconnected(list(graph.operations), target, variable.handle)
    remedy = "a differentiable op in its place, or leaving the variable out of var_list"
    if why is None:
        why = f"{target.op.name!r} does not depend on it"
        remedy = "using the variable in the loss, or leaving it out of var_list"
    return Finding(
        "no-gradient",
        "warning",
        f"variable {variable.key.name!r} gets no gradient: {why}",
        str(variable.key.site or ""),
        remedy,
        variable.key.name,
    )


def dead_operations(graph: Graph, run: Iterable[Operation]) -> list[Finding]:
    """Finds ops that nothing that was run needs; one finding for a line of the user's.

    Args:
      graph: The graph.
      run: All that was fetched or run.
    """
    ran = {op for op in run if op.graph is graph}
    roots = ran | {op for op in graph.operations if op.attrs.get("initializer")}
    alive = find_ancestors(roots)
    dead = [op for op in graph.operations if op not in alive and _is_work(op, alive)]
    used = {t.op for op in dead for t in op.inputs}
    used |= {control for op in dead for control in op.control_inputs}
    # What a function of ours made besides what was asked of it is no mistake of the user's.
    busy = {op.site_text for op in find_ancestors(ran)}
    by_site: dict[str, list[Operation]] = {}
    for op in dead:
        is_by_product = op.spec.effect is not Effect.WRITE and op.site_text in busy
        if op not in used and not is_by_product:
            by_site.setdefault(op.site_text, []).append(op)
    findings = []
    for site, ops in by_site.items():
        last = ops[-1]
        others = sum(op.site_text == site for op in dead) - 1
        more = f", like {plural(others, 'other op')} made there" if others else ""
        writes = last.spec.effect is Effect.WRITE
        findings.append(
            Finding(
                "dead-op",
                "warning" if writes else "note",
                f"{last.name!r} ({last.type}) was never run{more}"
                + ("; the variable was not updated by it" if writes else ""),
                site,
                "tf.control_dependencies or a fetch" if writes else "leaving it out",
                last.name,
            )
        )
    return findings


def _is_work(op: Operation, alive: set[Operation]) -> bool:
    """Whether somebody wanted what an op does; much is built on the way to it."""
    if op.spec in (CONST, PLACEHOLDER, NO_OP) or op.spec.is_handle:
        return False
    # Derivatives by what needs none, and reads that were made in passing.
    parts = op.name.split("/")
    is_derivative = any(p == "gradients" or p.endswith("_grad") for p in parts)
    return not is_derivative and op.spec.effect is not Effect.READ


def unordered_accesses(wanted: Sequence[Operation]) -> list[Finding]:
    """Finds accesses of a variable that only the order of their creation orders.

    It is what counts here; in TensorFlow they are a race.

    Args:
      wanted: What the step runs.
    """
    if not wanted:
        return []
    inside = find_ancestors(wanted)
    ordered = [op for op in wanted[0].graph.operations if op in inside]
    accesses: dict[Any, list[Operation]] = {}
    for op in ordered:
        if op.spec.effect in (Effect.READ, Effect.WRITE) and not op.attrs.get(
            "initializer"
        ):
            accesses.setdefault(variable_of(op.inputs[0]), []).append(op)
    contested = {
        key: ops
        for key, ops in accesses.items()
        if len(ops) > 1
        and any(op.spec.effect is Effect.WRITE for op in ops)
        and len(ops) <= MOST_ACCESSES
    }
    # For each op the accesses before it, as bits of one number.
    bits = {op: 1 << i for i, op in enumerate(o for v in contested.values() for o in v)}
    before: dict[Operation, int] = {}
    for op in ordered:
        mask = 0
        for source in sources_of(op):
            mask |= before[source] | bits.get(source, 0)
        before[op] = mask
    findings = []
    for key, ops in contested.items():
        pair = _unordered_pair(ops, before, bits)
        if pair is not None:
            findings.append(_race(key, *pair))
    return findings


def _unordered_pair(
    ops: Sequence[Operation], before: dict[Operation, int], bits: dict[Operation, int]
) -> tuple[Operation, Operation] | None:
    """The first two accesses without an order: two writes rather than read and write."""
    writes = [op for op in ops if op.spec.effect is Effect.WRITE]
    reads = [op for op in ops if op.spec.effect is Effect.READ]
    for write in writes:
        for other in (*writes, *reads):
            if other is write:
                continue
            if not (before[write] & bits[other] or before[other] & bits[write]):
                return write, other
    return None


def _race(key: Any, write: Operation, other: Operation) -> Finding:
    if other.spec.effect is Effect.WRITE:
        return Finding(
            "race",
            "warning",
            f"variable {key.name!r} is written twice in one step, by {other.name!r} "
            f"({other.site_text}) and {write.name!r}, and nothing but the order of their "
            "creation orders the two",
            write.site_text,
            "tf.control_dependencies",
            write.name,
        )
    first = other.index < write.index
    return Finding(
        "race",
        "note",
        f"{other.name!r} reads variable {key.name!r} in the step in which {write.name!r} "
        f"({write.site_text}) writes it; made {'before' if first else 'after'} the "
        f"write, it sees the {'old' if first else 'new'} value",
        other.site_text,
        "tf.control_dependencies, which says what is meant",
        other.name,
    )


def lossy_casts(wanted: Sequence[Operation]) -> list[Finding]:
    """Finds casts that drop digits of what trains: fractions, or integers too large.

    Args:
      wanted: What the step runs.
    """
    findings = []
    for op in sorted(find_ancestors(wanted), key=lambda each: each.index):
        if op.spec is not CAST:
            continue
        have, want = op.inputs[0].dtype, op.outputs[0].dtype
        if have.is_floating and want.is_integer:
            what = "drops fractions"
        elif have.is_integer and want.is_integer and want.size < have.size:
            what = "wraps around what is too large"
        else:
            continue
        findings.append(
            Finding(
                "lossy-cast",
                "note",
                f"{op.name!r} casts {have.name} to {want.name}, which {what}",
                op.site_text,
                "tf.round before it, or a wider dtype",
                op.name,
            )
        )
    return findings
