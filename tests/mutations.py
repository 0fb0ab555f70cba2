"""The mutants of a file: which ones there are, and cosmic-ray's session that keeps what became of them."""

import ast
import difflib
import hashlib
import os
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, WorkerOutcome, WorkResult

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "minimal_gd"
SESSIONS = ROOT / "build" / "mutants"

# One change for every operator, and two for an inequality: its border and its direction. A decorator is not removed,
# nor are the options of njit changed, for plain Python does not see them. Of the changes of a number, + 1 is made.
_OPERATORS = {
    "core/" + name
    for name in (
        *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul")),
        *(f"ReplaceBinaryOperator_{pair}" for pair in ("FloorDiv_Mul", "Mod_FloorDiv", "LShift_RShift")),
        *(f"ReplaceBinaryOperator_{pair}" for pair in ("BitOr_BitAnd", "BitAnd_BitOr")),
        *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "Lt_Gt", "LtE_Lt", "LtE_GtE")),
        *(f"ReplaceComparisonOperator_{pair}" for pair in ("Gt_GtE", "Gt_Lt", "GtE_Gt", "GtE_LtE")),
        *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
        *(f"ReplaceUnaryOperator_Delete_{operator}" for operator in ("USub", "Not", "Invert")),
        *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
        *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "ZeroIterationForLoop"),
        "NumberReplacer",
    )
}


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def session_of(path: Path) -> Path:
    """Another source has another session."""
    return SESSIONS / f"{'-'.join(path.relative_to(PACKAGE).with_suffix('').parts)}-{digest_of(path)}.sqlite"


def mutated(path: Path, mutation: MutationSpec) -> str:
    return mutate_code(path.read_text(encoding="utf-8"), get_operator(mutation.operator_name)(), mutation.occurrence)


def changed_line(path: Path, mutation: MutationSpec) -> tuple[str, str]:
    """The line as it is, and as the mutation makes it."""
    before, after = path.read_text(encoding="utf-8").splitlines(), mutated(path, mutation).splitlines()
    lines = [line for line in difflib.ndiff(before, after) if line[0] in "-+"]
    was, becomes = ([line[2:].strip() for line in lines if line[0] == sign] for sign in "-+")
    return " ".join(was), " ".join(becomes)


def _unseen(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where types, decorators, options of numba's compiler and the 1 of reshape(-1) stand, positions in characters."""
    lines = source.splitlines()

    def position(line: int, column: int) -> tuple[int, int]:
        return line, len(lines[line - 1].encode()[:column].decode())

    nodes = list(ast.walk(ast.parse(source)))
    unseen = [getattr(node, name, None) for node in nodes for name in ("annotation", "returns")]
    unseen += [decorator for node in nodes for decorator in getattr(node, "decorator_list", [])]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    unseen += [call for call in calls if ast.unparse(call.func) == "njit"]
    # NumPy takes -2 for -1 there
    sizes = [size for call in calls if ast.unparse(call.func).endswith(".reshape") for size in call.args]
    unseen += [size.operand for size in sizes if isinstance(size, ast.UnaryOp)]
    return [(position(n.lineno, n.col_offset), position(n.end_lineno, n.end_col_offset)) for n in unseen if n]


def is_meant(path: Path, mutation: MutationSpec, unseen: list) -> bool:
    """Whether a mutation is one of ours: of _OPERATORS, of what runs, and Python at all."""
    if mutation.operator_name not in _OPERATORS:
        return False
    if mutation.operator_name == "core/NumberReplacer" and mutation.occurrence % 2:
        return False
    line, column = mutation.start_pos
    if path.read_text(encoding="utf-8").splitlines()[line - 1][column:].startswith("*,"):  # of a signature
        return False
    if any(start <= mutation.start_pos < end for start, end in unseen):
        return False
    try:
        compile(mutated(path, mutation), str(path), "exec")
    except SyntaxError:
        return False
    return True


def start_session(path: Path) -> None:
    """List the mutants of a file, unless that is done."""
    if session_of(path).exists():
        return
    unfinished = session_of(path).with_suffix(f".{os.getpid()}")
    with use_db(unfinished) as session:
        init([path], session, {})
        unseen = _unseen(path.read_text(encoding="utf-8"))
        others = [item.job_id for item in session.work_items if not is_meant(path, item.mutations[0], unseen)]
        session.set_multiple_results(others, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    unfinished.rename(session_of(path))
