"""Digests of settings, and of user code together with the outside values that it uses.

The source of a class or a function is its file and the user's own files that this file imports. To
compute a digest, files are read but not run. Imported files are looked up in the folder of the
user's file and in the entries of ``sys.path`` that contain no installed packages. An import whose
name is computed at run time is not detected.

The outside values of a function are its default arguments, its closure, the globals that it names
and the attributes of its object. If such a value is a function or a class of the user, its outside
values are included as well. A digest depends only on the content of values. The order of a set,
memory addresses and the identity of objects have no influence. Code of installed libraries is
identified by its name.
"""

import ast
import copyreg
import dis
import hashlib
import inspect
import json
import os
import sys
import sysconfig
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any
from weakref import ReferenceType

from surrogate_nas.core.errors import UserError, in_a_line


def json_digest(content: object) -> str:
    """Return the SHA-256 of a value, written as JSON with sorted keys, in 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def json_check(content: object) -> str:
    """Return a checksum of 32 hexadecimal digits, which files store to detect damage."""
    written = json.dumps(content, sort_keys=True).encode()
    return hashlib.blake2b(written, digest_size=16).hexdigest()


Sources = Mapping[str, str]
"""The texts of files by their paths relative to the folder of the user's file."""

_PACKAGE = Path(__file__).parents[1]


def source_of(kind: type | FunctionType) -> Sources:
    """Return the source of a class or a function: its file and the user's own files that this file
    imports.

    For code that was typed at a prompt or in a notebook, return the text of the definition alone,
    or its bytecode if there is no text.

    Example:
        >>> list(source_of(source_of))
        ['digests.py']
    """
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    # by `type`, which says that it is of the module abc
    is_standard = kind.__module__ in sys.stdlib_module_names
    if file is not None and os.path.isfile(file) and not is_standard:
        return with_imports(Path(file), is_script=kind.__module__ == "__main__")
    try:
        return {kind.__qualname__: inspect.getsource(kind)}
    except (OSError, TypeError):
        return {kind.__qualname__: "\n".join(_of_typed(kind))}


def _of_typed(kind: type | FunctionType) -> Iterator[str]:
    """Yield the bytecode of a class's functions, or of a function, whose text is not available."""
    functions = {"": kind} if isinstance(kind, FunctionType) else vars(kind)
    for name, value in sorted(functions.items()):
        if inspect.isfunction(value):
            yield f"{name} {_code(value.__code__)}".strip()


def _code(code: CodeType) -> str:
    constants = [
        _code(constant) if isinstance(constant, CodeType) else repr(constant)
        for constant in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def with_imports(file: Path, *, is_script: bool = False) -> Sources:
    """Return the text of a Python file and of the user's own files that it imports, directly or
    not.

    Args:
        file: Python source.
        is_script: Whether the file is the running script. If so, only the definitions in the script
            are included.
    """
    folder = file.absolute().parent
    searched = [Path(entry or ".").resolve() for entry in sys.path]
    folders = [folder, *filter(_is_own_folder, searched)]
    texts: dict[Path, str] = {}
    waiting = [file.absolute()]
    while waiting:
        path = waiting.pop()
        text = text_of(path)
        if path in texts or not text:
            continue
        with suppress(SyntaxError, ValueError, RecursionError):
            tree = ast.parse(text)
            if is_script and not texts:
                tree.body = list(filter(_defines, tree.body))
                text = ast.unparse(tree)
            waiting += _imported(tree, path, folders)
        texts[path] = text
    return {os.path.relpath(path, folder): text for path, text in sorted(texts.items())}


def _defines(node: ast.stmt) -> bool:
    is_main = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
    return not (is_main or isinstance(node, ast.Expr))


def _imported(tree: ast.Module, file: Path, folders: list[Path]) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from modules(alias.name.split("."), folders)
        elif isinstance(node, ast.ImportFrom):
            is_relative = 0 < node.level <= len(file.parents)
            start = [file.parents[node.level - 1]] if is_relative else folders
            names = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from modules([*names, alias.name], start)


def modules(names: list[str], folders: list[Path]) -> list[Path]:
    """Return the source files of a dotted module name, innermost module first.

    Folders after the first one with a matching file are ignored.
    """
    for path in folders:
        files: list[Path] = []
        for name in names:
            path /= name  # noqa: PLW2901 - from a package into the next
            files += filter(
                Path.is_file, (path / "__init__.py", path.with_suffix(".py"))
            )
        if files:
            return [file for file in files[::-1] if not file.is_relative_to(_PACKAGE)]
    return []


def _is_own_folder(folder: Path) -> bool:
    is_installed = folder.name in ("site-packages", "dist-packages")
    return folder.is_dir() and not is_installed and not _is_within(folder, _installed())


def _is_within(path: Path, folders: Iterable[Path]) -> bool:
    return any(map(path.is_relative_to, folders))


@cache
def _installed() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    names = "stdlib", "platstdlib", "purelib", "platlib"
    return tuple(Path(paths[name]).resolve() for name in names)


def text_of(file: Path) -> str:
    """Return the text of a file, or an empty text if it cannot be read.

    The error is reported when the file is run.
    """
    with suppress(OSError, ValueError):
        return (
            file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        )
    return ""


@cache
def is_own(file: str | None) -> bool:
    """Return whether code is the user's own, and not of an installed library."""
    # None is code that was typed in
    return file is None or not _is_within(
        Path(file).resolve(), (_PACKAGE, *_installed())
    )


_PROTOCOL = 4
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
_COMPILED = (
    BuiltinFunctionType,
    MethodDescriptorType,
    MethodWrapperType,
    WrapperDescriptorType,
)
_SLOTS = (GetSetDescriptorType, MemberDescriptorType)
_CACHED = type(cache(len))
_FILLED = (list, set, dict, deque)
_FILLING = {"add", "append", "appendleft", "extend", "update"}
_GENERATED = "<string>"
# the attributes that identify spaces and benchmarks
_OWN_DIGESTS = ("definition", "fingerprint")


def digest_of_function(function: Callable[..., Any], owner: object = None) -> str:
    """Compute a digest of a user's function from its source and the outside values that it uses.

    A list, set or dictionary that the code only adds to, such as a log, is not part of the digest.

    Args:
        function: Any callable.
        owner: The object that stores the digest. References to this object in the function are
            ignored.

    Raises:
        UserError: The function uses a value that has no digest, such as a lock or an open file.

    Example:
        >>> def times(factor):
        ...     return lambda value: factor["by"] * value
        >>> factors = {"by": 2}, {"by": 2}, {"by": 3}
        >>> twice, again, thrice = map(digest_of_function, map(times, factors))
        >>> twice == again, twice == thrice
        (True, False)
    """
    name = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        return _Values(owner, [name]).digest(function)
    except RecursionError as error:
        raise UserError(
            f"{name} uses a value that is nested too deeply for a digest."
        ) from error


@dataclass
class _Values:
    _owner: object
    # the names on the way to what is being read
    _names: list[str]
    _sources: dict[str, str] = field(default_factory=dict)
    # the objects that are being read by address, outermost first
    _open: dict[int, object] = field(default_factory=dict)
    # digests by address, with the object, so that no other takes its address
    _digests: dict[int, tuple[object, str]] = field(default_factory=dict)

    def _source(self, kind: type | FunctionType) -> str:
        has_file = hasattr(sys.modules.get(kind.__module__), "__file__")
        key = kind.__module__ if has_file else f"{kind.__module__} {kind.__qualname__}"
        if key not in self._sources:
            self._sources[key] = json_digest(dict(source_of(kind)))
        return self._sources[key]

    def digest(self, value: object) -> str:
        """Compute the digest of a value."""
        address = id(value)
        if address in self._open:
            return f"the object at {list(self._open).index(address)}"
        if address not in self._digests:
            self._open[address] = value
            total = sha256(type(value).__qualname__.encode())
            for part in self._parts(value):
                total.update(b"\0" + part.encode(errors="surrogatepass"))
            del self._open[address]
            self._digests[address] = value, total.hexdigest()
        return self._digests[address][1]

    def _named(self, name: str, value: object) -> str:
        self._names.append(name)
        digest = self.digest(value)
        self._names.pop()
        return f"{name} {digest}"

    def _parts(self, value: Any) -> Iterator[str]:
        kind = type(value)
        if kind in _PLAIN:
            yield repr(value)
        elif value is self._owner or isinstance(value, ReferenceType):
            return
        elif (
            kind.__module__ == "numpy"
            and hasattr(value, "tobytes")
            and not value.dtype.hasobject
        ):
            yield f"{value.dtype} {value.shape} {sha256(value.tobytes()).hexdigest()}"
        elif kind in (list, tuple):
            yield from map(self.digest, value)
        elif kind in (set, frozenset):
            # what two elements share is read for each, so that their order plays no part
            apart = (_Values(self._owner, [*self._names], self._sources) for _ in value)
            yield from sorted(map(_Values.digest, apart, value))
        elif kind in (dict, MappingProxyType):
            yield from self._of_items(value)
        elif isinstance(value, type):
            yield from self._of_class(value)
        elif isinstance(value, ModuleType):
            yield value.__name__
        else:
            yield from self._of_code(value)

    def _of_code(self, value: Any) -> Iterator[str]:
        if isinstance(value, FunctionType):
            yield from self._of_function(value)
        elif isinstance(value, MethodType):
            yield from map(self.digest, (value.__func__, value.__self__))
        elif isinstance(value, _COMPILED):
            yield value.__qualname__
            yield self.digest(getattr(value, "__self__", None))
        elif isinstance(value, _CACHED):
            yield self.digest(value.__wrapped__)
        else:
            yield from self._of_object(value)

    def _of_items(self, items: Mapping[Any, Any]) -> Iterator[str]:
        """Yield the items of a mapping, in their order if it is an `OrderedDict`."""
        keys = [(self.digest(key), key) for key in items]
        if not isinstance(items, OrderedDict):
            keys.sort(key=itemgetter(0))
        for digest, key in keys:
            yield digest
            yield (
                self._named(f"{key}", items[key])
                if isinstance(key, str)
                else self.digest(items[key])
            )

    def _of_function(self, function: FunctionType) -> Iterator[str]:
        code = function.__code__
        columns = [column for _, _, column, _ in code.co_positions() if column]
        # two functions of one name stand in two places
        yield f"{function.__qualname__} {code.co_firstlineno}:{min(columns, default=0)}"
        yield from map(self.digest, (function.__defaults__, function.__kwdefaults__))
        around: dict[str, Any] = {}
        for name, cell in zip(
            code.co_freevars, function.__closure__ or (), strict=True
        ):
            # a function that names itself before it is there
            with suppress(ValueError):
                around[name] = cell.cell_contents
        if is_own(code.co_filename):
            yield self._source(function)
            yield self.digest(vars(function))
            names = sorted({name for inner in _codes(code) for name in inner.co_names})
            namespace = function.__globals__
            for name in names:
                if name in namespace:
                    around.setdefault(name, namespace[name])
            for module in filter(_is_own_module, around.values()):
                yield from self._of_module(module, names)
        else:
            yield function.__module__
        for name, value in sorted(around.items()):
            if not (isinstance(value, _FILLED) and _is_only_filled(name, [code])):
                yield self._named(name, value)

    def _of_module(self, module: ModuleType, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            value = vars(module).get(name)
            if isinstance(value, ModuleType):
                if _is_own_module(value) and value is not module:
                    yield from self._of_module(value, names)
            elif name in vars(module):
                yield self._named(f"{module.__name__}.{name}", value)

    def _of_class(self, kind: type) -> Iterator[str]:
        if _is_library(kind):
            yield kind.__module__
            return
        yield ""
        yield self._source(kind)
        yield self.digest(kind.__bases__)
        for name, value in _attributes(kind):
            yield self._named(f"{kind.__qualname__}.{name}", value)

    def _of_object(self, value: Any) -> Iterator[str]:
        kind = type(value)
        yield self.digest(kind)
        if any(base.__module__.startswith("surrogate_nas.") for base in kind.__mro__):
            for name in _OWN_DIGESTS:
                if isinstance(digest := getattr(value, name, None), str):
                    yield digest
                    return
        try:
            reduced = _reduced(value)
        except Exception as error:
            raise UserError(self._refusal(kind, error)) from error
        if isinstance(reduced, str):
            yield reduced
            return
        make, arguments, state, elements, items = (*reduced, None, None, None)[:5]
        yield from map(self.digest, (make, arguments))
        yield from self._of_state(kind, state)
        yield self.digest(None if elements is None else list(elements))
        if items is not None:
            mapping = OrderedDict if isinstance(value, OrderedDict) else dict
            yield from self._of_items(mapping(items))

    def _of_state(self, kind: type, state: Any) -> Iterator[str]:
        """Yield the attributes of an object except those that its class fills while it runs."""
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            state = {**(state[0] or {}), **state[1]}  # slots
        if not isinstance(state, dict):
            yield self.digest(state)
            return
        own = [
            value
            for base in kind.__mro__
            if not _is_library(base)
            for _, value in _attributes(base)
        ]
        codes = [value.__code__ for value in own if isinstance(value, FunctionType)]
        for name, value in sorted(state.items(), key=str):
            is_log = isinstance(value, _FILLED) and _is_only_filled(name, codes)
            is_cached = isinstance(getattr(kind, str(name), None), cached_property)
            if not is_log and not is_cached:
                yield self._named(str(name), value)

    def _refusal(self, kind: type, error: Exception) -> str:
        function, *names = self._names
        what = f"a {kind.__qualname__}"
        if names:
            what = f"{'.'.join(names)}, {what},"
        return (
            f"{function} uses {what} from outside the function. Its content has no digest"
            f" ({in_a_line(error)}), so a change of it would not be noticed. Create it inside"
            " the function."
        )


def _reduced(value: Any) -> Any:
    kind = type(value)
    if hasattr(kind, "detach") and hasattr(kind, "dtype"):  # a tensor of PyTorch
        plain = value.detach().cpu()
        value = (plain.float() if "bfloat16" in str(plain.dtype) else plain).numpy()
    reduce = copyreg.dispatch_table.get(type(value))
    return reduce(value) if reduce else value.__reduce_ex__(_PROTOCOL)


def _attributes(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the functions and the values of a class by name, without those that Python adds."""
    for name, value in sorted(vars(kind).items()):
        is_pythons = name.startswith(("__", "_abc_"))
        for part in _behind(value):
            if isinstance(part, FunctionType):
                if part.__code__.co_filename != _GENERATED:
                    yield name, part
            elif not is_pythons and not isinstance(part, _SLOTS):
                yield name, part
    for declared in vars(kind).get("__dataclass_fields__", {}).values():
        if declared.default_factory is not MISSING:
            yield declared.name, declared.default_factory


def _behind(attribute: Any) -> list[Any]:
    if isinstance(attribute, staticmethod | classmethod):
        return [attribute.__func__]
    if isinstance(attribute, property):
        functions = attribute.fget, attribute.fset, attribute.fdel
        return [function for function in functions if function is not None]
    return [attribute.func] if isinstance(attribute, cached_property) else [attribute]


def _is_library(kind: type) -> bool:
    module = kind.__module__
    return module != "__main__" and not _is_own_module(sys.modules.get(module))


def _is_own_module(value: object) -> bool:
    file = getattr(value, "__file__", None) if isinstance(value, ModuleType) else None
    return file is not None and is_own(file)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_only_filled(name: str, codes: Iterable[CodeType]) -> bool:
    every = [inner for code in codes for inner in _codes(code)]
    uses = [use for code in every for use in _uses(name, code)]
    return bool(uses) and _FILLING >= {*uses}


def _uses(name: str, code: CodeType) -> Iterator[str]:
    """Yield the attribute that each use of a name in code reads from it, or an empty text."""
    steps = [
        s for s in dis.get_instructions(code) if s.opname not in ("CACHE", "PUSH_NULL")
    ]
    for step, following in pairwise(steps):
        is_load = step.opname.startswith("LOAD_") and step.opname != "LOAD_CLOSURE"
        if is_load and step.argval == name:
            is_attribute = following.opname in ("LOAD_METHOD", "LOAD_ATTR")
            yield following.argval if is_attribute else ""
