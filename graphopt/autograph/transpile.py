"""The converted form of a function: its source, rewritten by diastatic-malt and compiled.

The library takes a syntax tree and puts calls in place of statements (`ag__.if_stmt` for an
`if`); what these calls do is in `operators.py`. Its own loader would write a file and import
it. Here the tree is compiled as lines of the user's file instead, so that tracebacks, the
sites of ops, warnings and debuggers speak of the line that the user wrote, at no cost.
"""

from __future__ import annotations

import ast
import copy
import importlib.util as importlib_util  # which diastatic-malt wants imported first
import inspect
import linecache
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from graphopt.autograph import verbosity
from graphopt.autograph.source import lambda_tree
from graphopt.autograph.status import Feature

assert importlib_util

from malt.converters import conditional_expressions  # noqa: E402
from malt.core import converter  # noqa: E402
from malt.core.converter import ConversionOptions  # noqa: E402
from malt.core.converter import Feature as MaltFeature  # noqa: E402
from malt.impl import api  # noqa: E402
from malt.pyct import (  # noqa: E402
    anno,
    errors,
    inspect_utils,
    naming,
    origin_info,
    parser,
    transformer,
    transpiler,
)

from graphopt.autograph import operators  # noqa: E402
from graphopt.autograph.prepare import prepare  # noqa: E402

# The name under which generated code sees the operators.
_NAMESPACE = "ag__"


class _Factory(transpiler._PythonFnFactory):  # type: ignore[misc]
    """Makes the functions of one piece of generated code."""

    def create(
        self,
        nodes: Any,
        namer: Any,
        inner_factory_name: str = "inner_factory",
        outer_factory_name: str = "outer_factory",
        future_features: Any = (),
        *,
        file: str = "",
        user_name: str = "",
        user_functions: frozenset[str] = frozenset(),
    ) -> None:
        """Compiles syntax trees as lines of the user's file."""
        inner = namer.new_symbol(inner_factory_name, ())
        outer = namer.new_symbol(outer_factory_name, ())
        nodes = transpiler._wrap_into_factory(
            nodes,
            self._name,
            inner,
            outer,
            self._freevars,
            self._extra_locals.keys(),
            future_features,
        )
        self.source = parser.unparse(nodes, include_encoding_marker=False)
        self.generated = parser.unparse(
            [n for n in _entity_nodes(nodes, inner)], include_encoding_marker=False
        )
        tree = ast.parse(self.source)
        _place(nodes, tree, file)
        code = compile(tree, file, "exec", dont_inherit=True)
        scope: dict[str, Any] = {}
        exec(_rename(code, user_name, user_functions), scope)
        self._unbound_factory = scope[outer]()

    def instantiate(
        self, globals_: Any, closure: Any, defaults: Any = None, kwdefaults: Any = None
    ) -> Any:
        """Makes the function of one closure.

        The code may use fewer variables of the functions around than the user's: what only
        `set_loop_options` has named is gone.
        """
        cells = dict(zip(self._freevars, closure, strict=True))
        code = self._unbound_factory.__code__
        bound = types.FunctionType(
            code,
            globals_,
            self._name,
            (),
            tuple(cells[name] for name in code.co_freevars),
        )
        made = bound(**self._extra_locals)
        made.__defaults__, made.__kwdefaults__ = defaults, kwdefaults
        return made


def _entity_nodes(nodes: Any, inner: str) -> Iterator[ast.AST]:
    """The statements that make the function, without what closes over its variables."""
    for root in nodes:
        for node in ast.walk(root):
            if isinstance(node, ast.FunctionDef) and node.name == inner:
                yield from node.body[:-1]


def _place(nodes: Any, tree: ast.Module, file: str) -> None:
    """Gives every part of a tree the line of what it was made of."""
    lines: dict[int, int] = {}
    pairs: list[tuple[Any, Any]] = list(zip(nodes, tree.body, strict=True))
    while pairs:
        made, parsed = pairs.pop()
        if type(made) is not type(parsed):
            continue
        origin = anno.getanno(made, anno.Basic.ORIGIN, default=None)
        # What has no line, as the `Load` of names, is one object for the whole tree.
        if origin is not None and hasattr(parsed, "lineno"):
            lines[id(parsed)] = origin.loc.lineno
        for field in parsed._fields:
            one, other = getattr(made, field, None), getattr(parsed, field, None)
            if isinstance(other, ast.AST) and isinstance(one, ast.AST):
                pairs.append((one, other))
            elif isinstance(other, list) and isinstance(one, (list, tuple)):
                pairs += [
                    (a, b)
                    for a, b in zip(one, other, strict=False)
                    if isinstance(a, ast.AST) and isinstance(b, ast.AST)
                ]
    first: dict[int, int] = {}
    for node in reversed(list(ast.walk(tree))):
        # Children come after their parents in a walk, so that theirs are known here.
        below = [first[id(c)] for c in ast.iter_child_nodes(node) if id(c) in first]
        line = lines.get(id(node)) or (min(below) if below else None)
        if line is not None and hasattr(node, "lineno"):
            first[id(node)] = line
    stack: list[tuple[ast.AST, int]] = [(tree, 1)]
    while stack:
        node, line = stack.pop()
        line = lines.get(id(node)) or first.get(id(node)) or line
        if hasattr(node, "lineno"):
            text = linecache.getline(file, line).rstrip().encode()
            node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
            node.col_offset = len(text) - len(text.lstrip())  # type: ignore[attr-defined]
            node.end_col_offset = len(text)  # type: ignore[attr-defined]
        stack += [(child, line) for child in ast.iter_child_nodes(node)]


def _rename(
    code: types.CodeType, name: str, user_functions: frozenset[str]
) -> types.CodeType:
    """Gives generated functions the name of the user's function that they are part of."""
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            plain = constant.co_name
            is_own = plain in user_functions or plain.startswith("<")
            constant = _rename(constant, plain if is_own else name, user_functions)
            if not is_own:
                constant = constant.replace(co_name=name, co_qualname=name)
        constants.append(constant)
    return code.replace(co_consts=tuple(constants))


class _Transpiler(api.PyToPy):  # type: ignore[misc]
    """diastatic-malt with our operators and loader."""

    def get_extra_locals(self) -> dict[str, Any]:
        """Returns what generated code sees beside the user's names."""
        return {_NAMESPACE: operators.namespace()}

    def transform_ast(self, node: Any, ctx: Any) -> Any:
        """Rewrites a tree; one conditional expression inside another, too."""
        node = super().transform_ast(node, ctx)
        while any(isinstance(part, ast.IfExp) for part in ast.walk(node)):
            # The library converts the outermost ones only.
            node = conditional_expressions.transform(node, ctx)
        return node

    def transform_function(self, fn: Any, user_context: Any) -> Any:
        """Returns the converted function and what made it; one for each code object."""
        key = self.get_caching_key(user_context)
        with self._cache_lock:
            if self._cache.has(fn, key):
                factory = self._cache[fn][key]
            else:
                factory = self._cache[fn][key] = self._make(fn, user_context)
        made = factory.instantiate(
            globals_=fn.__globals__,
            closure=fn.__closure__ or (),
            defaults=fn.__defaults__,
            kwdefaults=fn.__kwdefaults__,
        )
        return made, factory, None

    def _make(self, fn: Any, user_context: Any) -> _Factory:
        verbosity.tell(1, f"converting {fn!r}")
        tree, source = _source_of(fn)
        tree = prepare(tree, fn.__qualname__)
        own = frozenset(
            n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)
        )
        namespace = inspect_utils.getnamespace(fn)
        namer = naming.Namer(namespace)
        info = transformer.EntityInfo(
            name=namer.new_symbol(self.get_transformed_name(tree), ()),
            source_code=source,
            source_file="<fragment>",
            future_features=inspect_utils.getfutureimports(fn),
            namespace=namespace,
        )
        ctx = transformer.Context(info, namer, user_context)
        nodes = self.transform_ast(self._erase_arg_defaults(tree), ctx)
        if isinstance(nodes, ast.Lambda):
            target = ast.Name(ctx.info.name, ctx=ast.Store())
            nodes = ast.Assign(targets=[target], value=nodes)
        else:
            nodes.name = ctx.info.name
        factory = _Factory(
            ctx.info.name, fn.__code__.co_freevars, self.get_extra_locals()
        )
        factory.create(
            nodes,
            ctx.namer,
            future_features=ctx.info.future_features,
            file=fn.__code__.co_filename,
            user_name=fn.__code__.co_name,
            user_functions=own,
        )
        verbosity.tell(2, f"converted {fn!r}:\n{factory.generated}")
        return factory


def _source_of(function: Any) -> tuple[Any, str]:
    """Returns the tree and the source of a function, with the lines of its file noted."""
    code = function.__code__
    file = code.co_filename
    if function.__name__ != "<lambda>":
        features = inspect_utils.getfutureimports(function)
        tree, source = parser.parse_entity(function, future_features=features)
        origin_info.resolve_entity(tree, source, function)
        return tree, source
    tree = copy.deepcopy(lambda_tree(code))
    source = ast.unparse(tree)
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            at = origin_info.Location(file, node.lineno, node.col_offset)  # type: ignore[attr-defined]
            told = origin_info.OriginInfo(at, "<lambda>", source, None)
            anno.setanno(node, anno.Basic.ORIGIN, told)
    return tree, source


_transpiler = _Transpiler()


def _as_options(how: Any) -> ConversionOptions:
    recursive, requested, features = how
    wanted = tuple(
        MaltFeature[feature.name]
        for feature in features
        if feature not in (Feature.AUTO_CONTROL_DEPS, Feature.NAME_SCOPES)
    )
    return ConversionOptions(
        recursive=recursive, user_requested=requested, optional_features=wanted
    )


def convert_function(function: Any, how: Any) -> Callable[..., Any]:
    """Returns the converted form of a Python function.

    Args:
      function: A function; not a method.
      how: Whether to convert what it calls, whether the user has asked for it, and the
        features.

    Raises:
      Exception: It cannot be converted; `explain` says why.
    """
    if function.__code__.co_filename == "<string>":
        raise errors.InaccessibleSourceCodeError("It is dynamic code (exec).")
    context = converter.ProgramContext(options=_as_options(how))
    made, factory, _ = _transpiler.transform_function(function, context)
    made.__name__, made.__qualname__ = function.__name__, function.__qualname__
    made.__module__, made.__doc__ = function.__module__, function.__doc__
    made.__annotations__ = function.__annotations__
    made.ag_factory = factory
    operators.mark(made)
    found: Callable[..., Any] = made
    return found


def explain(function: Any, error: Exception) -> str:
    """Says why a function was not converted."""
    if isinstance(error, (errors.InaccessibleSourceCodeError, OSError)):
        return (
            "Its source cannot be had, as for what is typed at a prompt or made by exec: "
            "put it into a file."
        )
    return f"{type(error).__name__}: {error}"


def code_of(function: Any) -> str:
    """Returns the source of a converted function."""
    return textwrap.dedent(function.ag_factory.generated)


def unwrap(entity: Any) -> Any:
    """Returns the plain function of a method or a function.

    Raises:
      ValueError: It is something else.
    """
    if inspect.ismethod(entity):
        entity = entity.__func__
    if not hasattr(entity, "__code__"):
        raise ValueError(
            "Cannot apply autograph to a function that doesn't expose a __code__ object. "
            "If this is a @tf.function, try passing f.python_function instead."
        )
    return entity
