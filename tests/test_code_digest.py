"""What tells the code of a measure apart: it is the same in every run, and another one wherever the code differs."""

import functools
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from numba import njit

from minimal_gd.sweeps.code_digest import code_digest

CODE = """
import functools, math
import numpy as np
import minimal_gd as mgd

class Base:
    slope = 2.0
    def twice(self, x): return 2 * x

class Model(Base):
    __slots__ = ("bias",)
    def __init__(self): self.bias = 1.0
    @property
    def doubled(self): return self.twice(self.bias)
    def run(self, seed): return {"x": self.doubled}

def decorated(function):
    @functools.wraps(function)
    def wrapper(*given, **named): return function(*given, **named)
    return wrapper

@decorated
def measure(seed, scale=1.5, *, kind="tanh", flag=True, names=frozenset({"a", "b", "c"}), table={"k": [1, 2]},
            array=np.eye(2), half=functools.partial(pow, 2), model=Model(), sine=np.sin, net=mgd.ResNet(2, 3, 2)):
    def inner(x): return inner(x - 1) + 3 if x in {"u", "v", "w"} else x ** 2
    total = sum(inner(z) for z in range(4))
    try: return {"x": math.exp(total) if total > 0 else None}
    except ValueError: return {}

@functools.cache
def cached(seed): return {"x": 5}
"""


def defined(text):
    space = {"__name__": "a_script"}
    exec(compile(text, "a_script.py", "exec"), space)
    return space["measure"], space["cached"], space["Model"]().run


def digests(text):
    return [code_digest(function) for function in defined(text)]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_digest_is_the_same_in_another_process_whatever_its_hashes_and_the_place_of_the_text(tmp_path, seed):
    (tmp_path / "elsewhere.py").write_text(f"# a comment\n\n\n{CODE}", encoding="utf-8")
    script = (
        "from elsewhere import *; from minimal_gd.sweeps.code_digest import code_digest as d\n"
        "print(d(measure), d(cached), d(Model().run))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split() == digests(CODE)


@pytest.mark.parametrize(
    ("old", "new", "which"),
    [
        ("x ** 2", "x ** 3", 0),  # a constant of a nested function
        ("inner(x - 1) + 3", "inner(x - 1) - 3", 0),  # an operator
        ("math.exp", "math.sin", 0),  # a name
        ('{"u", "v", "w"}', '{"u", "v", "t"}', 0),  # a set in the constants
        ("range(4)", "range(5)", 0),
        ("except ValueError: return {}", "except TypeError: return {}", 0),
        ("scale=1.5", "scale=-1.5", 0),
        ('kind="tanh"', 'kind="relu"', 0),
        ("flag=True", "flag=1", 0),  # equal, and yet another one
        ('frozenset({"a", "b", "c"})', 'frozenset({"a", "b", "d"})', 0),
        ("[1, 2]", "[12]", 0),
        ("np.eye(2)", "np.eye(2, dtype='f')", 0),
        ("partial(pow, 2)", "partial(pow, 3)", 0),
        ("partial(pow, 2)", "partial(max, 2)", 0),
        ("sine=np.sin", "sine=np.cos", 0),
        ("mgd.ResNet(2, 3, 2)", "mgd.ResNet(2, 3, 1)", 0),
        ("mgd.ResNet(2, 3, 2)", "mgd.FullyConnected(2, 3, 2)", 0),
        ("function(*given, **named)", "function(*given)", 0),  # what decorates
        ('{"x": 5}', '{"x": 6}', 1),
        ("self.bias = 1.0", "self.bias = 1.5", 2),  # the object of a method
        ("self.twice(self.bias)", "-self.twice(self.bias)", 2),  # a property that it reads
        ("return 2 * x", "return 3 * x", 2),  # what its class inherits
        ("slope = 2.0", "slope = 2.5", 2),
        ('{"x": self.doubled}', '{"y": self.doubled}', 2),
    ],
)
def test_the_digest_differs_where_the_code_does(old, new, which):
    assert CODE.count(old) == 1
    changed = digests(CODE.replace(old, new))
    assert changed[which] != digests(CODE)[which]
    if which:
        assert changed[3 - which] == digests(CODE)[3 - which]


def test_comments_blank_lines_and_another_layout_change_nothing():
    assert digests(CODE.replace("\n    total", "\n\n    # the sum\n    total").replace("x - 1", "x-1")) == digests(CODE)


def test_it_is_the_same_before_and_after_the_function_has_run():
    measure, *_ = defined(CODE)
    before = code_digest(measure)
    for _ in range(100):  # Python makes its bytecode quicker on the way
        measure(0)
    assert code_digest(measure) == before


def test_a_compiled_function_is_told_by_what_was_compiled():
    def plus(number):
        return njit(lambda x: x + number)

    assert code_digest(plus(1)) == code_digest(plus(1)) != code_digest(plus(2))


def test_a_function_that_refers_to_itself_has_a_digest():
    def endless(number):
        def again():
            return again, number

        return again

    assert code_digest(endless(1)) == code_digest(endless(1)) != code_digest(endless(2))


@pytest.mark.parametrize("value", [threading.Lock(), (number for number in range(3))], ids=["a lock", "a generator"])
def test_what_cannot_be_known_is_refused(value):
    with pytest.raises(ValueError, match=r"^measure must be made of what can be told apart in another process, .* got"):
        code_digest(functools.partial(np.sum, value))


# ------------------------------------------------------------------ in a sweep


def run(cwd, *arguments, **how):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(cwd), *sys.path])}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        **how,
    )
    return done.stdout + done.stderr


def test_two_functions_that_are_typed_under_one_name_do_not_share_results(tmp_path):
    typed = """
        from concurrent.futures import ThreadPoolExecutor
        from minimal_gd.sweeps import sweep
        def measure(seed): return {"x": seed}

        print(sweep(measure, [{"seed": 3}], "out", executor=ThreadPoolExecutor(1)))
        def measure(seed): return {"x": 10 * seed}

        print(sweep(measure, [{"seed": 3}], "out", executor=ThreadPoolExecutor(1), outdated="recompute"))
        sweep(measure, [{"seed": 3}], "out", executor=ThreadPoolExecutor(1))
        def measure(seed): return {"x": seed}

        sweep(measure, [{"seed": 3}], "out", executor=ThreadPoolExecutor(1))
    """
    said = run(tmp_path, "-", input=textwrap.dedent(typed))
    assert "3" in said.splitlines()[0]
    assert "30" in said.splitlines()[1]
    assert "ValueError: outdated must be 'recompute' or 'keep'" in said.splitlines()[-1]
    assert "line 13" in said  # the last call alone


def test_a_module_that_is_edited_after_its_import_files_no_old_result_under_the_new_text(tmp_path):
    """Worker processes import the new text: what they compute is not what the process that sweeps has."""
    (tmp_path / "edited.py").write_text("def measure(seed): return {'x': seed}\n", encoding="utf-8")
    script = """
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        import edited
        from minimal_gd.sweeps import sweep

        if __name__ == "__main__":
            Path("edited.py").write_text("def measure(seed): return {'x': 1000 + seed}\\n", encoding="utf-8")
            print(sweep(edited.measure, [{"seed": 3}], "out", executor=ThreadPoolExecutor(1)))
            try:
                sweep(edited.measure, [{"seed": 4}], "out", workers=1)
            except RuntimeError as error:
                print(error)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script), encoding="utf-8")
    first = run(tmp_path, "script.py").splitlines()
    assert "3" in first[0]
    assert first[1].startswith("workers must have the versions of this process, got measure's code")
    again = "from edited import *; from minimal_gd.sweeps import *; import concurrent.futures as c\n"
    again += "sweep(measure, [{'seed': 3}], 'out', executor=c.ThreadPoolExecutor(1))"
    assert "ValueError: outdated must be" in run(tmp_path, "-c", again)
