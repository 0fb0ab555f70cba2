"""What is kept of compiled kernels, and when it is renewed, on a package of two modules; and what is said about it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from minimal_gd._runtime import compiling
from minimal_gd._runtime.compiling import _Files, _Notice

ROOT = Path(__file__).parent.parent
CALLEE = "from numba import njit\n\n@njit\ndef weight(x):\n    return 2 * x\n"
CALLER = """
from minimal_gd._runtime.compiling import kernel
from minimal_gd.callee import weight

@kernel
def total(x, y):
    return weight(x) + y
"""


# ------------------------------------------------------------------ what is said


def compilation(module):
    """The event of a function of this module."""
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


@pytest.fixture
def said(monkeypatch, capsys):
    monkeypatch.delenv("MINIMAL_GD_QUIET", raising=False)
    return lambda: capsys.readouterr().err


def test_the_first_kernel_of_the_package_is_announced_and_no_other(said):
    notice = _Notice()
    notice.on_start(compilation("minimal_gd.limits.kernels"))
    assert "minimal_gd compiles its kernels" in said()
    for module in ("minimal_gd.limits.kernels", "minimal_gd.activations.compiled", "another"):
        notice.on_start(compilation(module))
        assert said() == ""


def test_what_others_compile_is_not_announced(said):
    notice = _Notice()
    for module in ("another", "minimal_gd_of_another"):
        notice.on_start(compilation(module))
        assert said() == ""
    notice.on_start(compilation("minimal_gd.limits.kernels"))
    assert said() != ""


def test_that_nothing_can_be_kept_is_said_once_and_why(said):
    notice = _Notice()
    notice.on_start(compilation("minimal_gd.limits.kernels"))
    assert "cannot keep" not in said()
    notice.not_kept(OSError("the disk is full"))
    assert "cannot keep" in (text := said())
    assert "the disk is full" in text
    notice.not_kept(OSError("it still is"))
    assert said() == ""


def test_with_minimal_gd_quiet_nothing_is_announced(said, monkeypatch):
    monkeypatch.setenv("MINIMAL_GD_QUIET", "1")
    notice = _Notice()
    notice.on_start(compilation("minimal_gd.limits.kernels"))
    notice.not_kept(OSError("the disk is full"))
    assert said() == ""


# ------------------------------------------------------------------ what is kept


@pytest.fixture
def package(tmp_path):
    """A package of the same name, with the same `compiling.py`, whose one kernel calls a function in another file."""
    folder = tmp_path / "site" / "minimal_gd"
    (folder / "_runtime").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "callee.py").write_text(CALLEE, encoding="utf-8")
    (folder / "caller.py").write_text(CALLER, encoding="utf-8")
    shutil.copy(compiling.__file__, folder / "_runtime")
    return folder


def run(path, code="from minimal_gd.caller import total; print(total(1.0, 3.0))", **variables):
    """What a process prints that finds the package in `path`, and what it says on stderr."""
    environment = os.environ | {"PYTHONPATH": str(path), "NUMBA_DISABLE_JIT": "0"} | variables
    for name in {"MINIMAL_GD_QUIET", "NUMBA_CACHE_DIR"} - {*variables}:
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment, cwd=path.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def kept(package):
    return sorted(file.name for file in (package / "__pycache__").glob("*.nb?"))


def test_a_kernel_is_renewed_when_a_function_of_another_file_or_an_option_changes_and_nothing_piles_up(package):
    assert run(package.parent)[0] == "5.0"
    first = kept(package)
    assert len(first) == 2
    printed, stderr = run(package.parent)
    assert (printed, stderr) == ("5.0", "")  # from the disk

    (package / "callee.py").write_text(CALLEE.replace("2 * x", "20 * x"), encoding="utf-8")
    assert run(package.parent)[0] == "23.0"
    second = kept(package)
    assert len(second) == 2
    assert not {*first} & {*second}

    options = (package / "_runtime" / "compiling.py").read_text(encoding="utf-8")
    (package / "_runtime" / "compiling.py").write_text(options.replace("nogil=True", "nogil=False"), encoding="utf-8")
    printed, stderr = run(package.parent)
    assert printed == "23.0"
    assert "compiles its kernels" in stderr
    assert len(kept(package)) == 2


def test_a_damaged_file_is_compiled_again(package):
    run(package.parent)
    for name in kept(package):
        file = package / "__pycache__" / name
        file.write_bytes(file.read_bytes()[:20])
        printed, stderr = run(package.parent)
        assert printed == "5.0"
        assert "compiles its kernels" in stderr
    assert run(package.parent) == ("5.0", "")


def test_every_signature_and_every_code_of_the_package_has_files_of_its_own(tmp_path, monkeypatch):
    """So two processes that save at the same time cannot mix up theirs, in whatever order they come."""
    monkeypatch.setattr(compiling, "package_code", lambda: "a" * 64)
    files = _Files(str(tmp_path), "module.function-7.py311")
    files.save(("float32",), "single")
    single = {*tmp_path.iterdir()}
    files.save(("float64",), "double")
    assert [files.load((key,)) for key in ("float32", "float64", "int64")] == ["single", "double", None]
    double = {*tmp_path.iterdir()} - single
    assert len(single) == len(double) == 2

    monkeypatch.setattr(compiling, "package_code", lambda: "b" * 64)
    assert files.load(("float64",)) is None
    for name in ("module.function_of_another-7.py311.nbi", "module.function-7.py310.nbi", "module.function-7.txt"):
        (tmp_path / name).touch()
    (tmp_path / "module.function-8.py311.1.nbc").touch()  # numba's own, of another line
    files.save(("float64",), "new")
    assert files.load(("float64",)) == "new"
    assert not (single | double) & {*tmp_path.iterdir()}
    assert len({*tmp_path.iterdir()}) == 2 + 3
    files.flush()
    assert files.load(("float64",)) is None
    assert len({*tmp_path.iterdir()}) == 3


def test_the_digest_depends_on_the_name_and_the_text_of_every_module(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling.resources, "files", lambda package: tmp_path)
    digests = []

    def note():
        digests.append(compiling.package_code.__wrapped__())

    (tmp_path / "a.py").write_bytes(b"1")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.py").write_bytes(b"2")
    note()
    (tmp_path / "inner" / "b.py").write_bytes(b"3")
    note()
    (tmp_path / "inner" / "b.py").rename(tmp_path / "b.py")
    note()
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    note()
    assert len({*digests}) == 4
    (tmp_path / "data.npz").write_bytes(b"4")
    note()
    assert digests[-1] == digests[-2]


# ------------------------------------------------------------------ where nothing can be kept

nowhere = pytest.mark.skipif(os.name == "nt", reason="the user's folder is not told by the environment on Windows")


def without_a_home(home="/dev/null"):
    return {"HOME": home, "XDG_CACHE_HOME": home}


@nowhere
@pytest.mark.parametrize("when", ["before the import", "before the first call"])
def test_without_a_folder_kernels_are_compiled_and_that_they_are_not_kept_is_said_once(package, when):
    """A file stands where the folder should be, as even root cannot write to that."""
    code = "from minimal_gd import caller\n"
    if when == "before the import":
        (package / "__pycache__").touch()
    else:
        code += f"import shutil; shutil.rmtree({str(package / '__pycache__')!r})\n"
        code += f"open({str(package / '__pycache__')!r}, 'w').close()\n"
    code += "print(caller.total(1.0, 3.0), caller.total(1, 3))"
    variables = without_a_home() | {"PYTHONDONTWRITEBYTECODE": "1"}
    printed, stderr = run(package.parent, code, **variables)
    assert printed == "5.0 5"
    assert stderr.count("cannot keep") == 1
    assert stderr.count("NUMBA_CACHE_DIR") == 1
    (package / "__pycache__").unlink(missing_ok=True)
    (package / "__pycache__").touch()
    printed, stderr = run(package.parent, MINIMAL_GD_QUIET="1", **variables)
    assert (printed, stderr) == ("5.0", "")


@nowhere
@pytest.mark.parametrize("name", ["minimal_gd.whl", "minimal_gd.zip"])
def test_the_package_can_be_imported_from_a_zip_file(tmp_path, name):
    """Without a folder to keep kernels in; and its data are found."""
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for file in (ROOT / "minimal_gd").rglob("*"):
            if file.suffix in (".py", ".npz"):
                archive.write(file, file.relative_to(ROOT).as_posix())
    code = """if True:
        import minimal_gd as mgd
        from minimal_gd.sweeps.results import versions
        X, y = mgd.data.digits(4, seed=0)
        net = mgd.TwoLayerReLU(X.shape[1], 3)
        print(net.predict(net.init(0), X).shape, mgd.__file__, len(versions()["minimal_gd's code"]))
    """
    printed, stderr = run(tmp_path / name, code, **without_a_home())
    assert printed == f"(4,) {tmp_path / name / 'minimal_gd' / '__init__.py'} 12"
    assert stderr.count("cannot keep") == 1
