"""A digest of what a function runs: of its bytecode and of the values that are part of it, not of its text.

The text on the disk may be another one than that which was imported, and what was typed has none. The digest is the
same in another process and in another run, and when the text moves to other lines or to another file. It is another
one under another version of Python, whose bytecode differs.
"""

import copyreg
import functools
import hashlib
import sys
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from minimal_gd._runtime import validate

# Not the name of the file, the numbers of the lines, nor what an interpreter notes beside the code.
_OF_CODE = (
    *("co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_exceptiontable"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags"),
)
_VERSIONED = sys.stdlib_module_names | {"minimal_gd", "numpy", "scipy", "numba"}
_HEAP_TYPE = 1 << 9  # the flag of a class that Python code can change


def code_digest(function: Any) -> str:
    """Return twelve hexadecimal digits that tell what `function` runs.

    They depend on its bytecode with constants, names and nested functions, on its defaults and on its closure; on the
    function within a decorated function, a `partial` or a method, and on the object of a method with the code of its
    class. They do not depend on what the function finds by a global name when it runs. Classes of Python, NumPy, SciPy,
    numba and this package count by their name, as these have versions.

    Raises
    ------
    ValueError
        If a value in its defaults, its closure or its object cannot be told apart from others: one that pickle does not
        take, such as a lock or an open file.
    """
    return _digest(function, ()).hex()[:12]


def _digest(value: Any, around: tuple) -> bytes:
    """The digest of one value within the values around it, of which it may be one again."""
    for depth, other in enumerate(around):
        if other is value:
            return _hash("around", [b"%d" % depth])
    kind, content = _content(value)
    parts = [part if type(part) is bytes else _digest(part, (*around, value)) for part in content]
    return _hash(kind, sorted(parts) if kind in ("set", "frozenset") else parts)


def _hash(kind: str, parts: list[bytes]) -> bytes:
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(b" %d " % len(part) + part)
    return digest.digest()


def _content(value: Any) -> tuple[str, list]:
    """What kind of value it is, and the bytes and the other values that tell it apart from others of its kind."""
    kind = type(value)
    if kind in (type(None), type(...), type(NotImplemented), bool, float, complex, str):
        return kind.__name__, [ascii(value).encode()]
    if kind is int:
        return "int", [b"%x" % value]
    if kind is bytes:
        return "bytes", [b"", value]
    if kind in (tuple, list, set, frozenset):
        return kind.__name__, list(value)
    if kind is dict:
        return "dict", [part for item in value.items() for part in item]
    if kind is CodeType:
        return "code", [getattr(value, name) for name in _OF_CODE]
    if kind is FunctionType:
        return "function", [value.__code__, value.__defaults__, value.__kwdefaults__, *(value.__closure__ or ())]
    if kind is MethodType:
        return "method", [value.__func__, value.__self__]
    if kind in (classmethod, staticmethod):
        return kind.__name__, [value.__func__]
    if kind is property:
        return "property", [value.fget, value.fset, value.fdel]
    if kind is functools.cached_property:
        return "property", [value.func]
    if kind in (GetSetDescriptorType, MemberDescriptorType):
        return "descriptor", [value.__qualname__]
    if kind is ModuleType:
        return "module", [value.__name__]
    if kind is CellType:
        return "cell", _in_cell(value)
    if isinstance(value, type):
        return "class", _in_class(value)
    if callable(value) and hasattr(value, "__wrapped__"):  # by functools.cache, numba and others
        return "wrapper", [kind, value.__wrapped__]
    return "object", _in_object(value)


def _in_cell(cell: Any) -> list:
    try:
        return [cell.cell_contents]
    except ValueError:  # nothing is in it yet
        return []


def _in_class(cls: type) -> list:
    if not cls.__flags__ & _HEAP_TYPE or cls.__module__.split(".")[0] in _VERSIONED:
        return [cls.__module__, cls.__qualname__]
    code = (FunctionType, classmethod, staticmethod, property)
    own = {  # what the interpreter adds to a class has names with underscores, and is no code
        name: value
        for name, value in vars(cls).items()
        if isinstance(value, code) or not name.startswith(("__", "_abc_"))
    }
    return [cls.__qualname__, cls.__bases__, own]


def _in_object(value: Any) -> list:
    """What pickle would write."""
    try:
        reduce = copyreg.dispatch_table.get(type(value))  # NumPy's functions
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception as error:
        raise ValueError(
            "measure must be made of what can be told apart in another process, as results of other code must not be "
            f"taken for its own, got {validate.describe(value)} in its defaults, its closure or its object"
        ) from error
    if isinstance(reduced, str):  # it is found by its name
        return [type(value), getattr(value, "__module__", None), reduced]
    return [list(part) if isinstance(part, Iterator) else part for part in reduced]
