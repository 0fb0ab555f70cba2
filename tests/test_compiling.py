"""The line that says that kernels are compiled; test_project.py compiles some."""

from types import SimpleNamespace

import pytest

from minimal_gd.compiling import _Notice


def compilation(module):
    """The event of a function of this module."""
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


@pytest.fixture
def said(monkeypatch, capsys):
    monkeypatch.delenv("MINIMAL_GD_QUIET", raising=False)
    return lambda: capsys.readouterr().err


def test_the_first_kernel_of_the_package_is_announced_and_no_other(said):
    notice = _Notice()
    notice.on_start(compilation("minimal_gd.kernels"))
    assert "minimal_gd compiles its kernels" in said()
    for module in ("minimal_gd.kernels", "minimal_gd.fused", "another"):
        notice.on_start(compilation(module))
        assert said() == ""


def test_what_others_compile_is_not_announced(said):
    notice = _Notice()
    for module in ("another", "minimal_gd_of_another"):
        notice.on_start(compilation(module))
        assert said() == ""
    notice.on_start(compilation("minimal_gd.kernels"))
    assert said() != ""


def test_with_minimal_gd_quiet_nothing_is_announced(said, monkeypatch):
    monkeypatch.setenv("MINIMAL_GD_QUIET", "1")
    _Notice().on_start(compilation("minimal_gd.kernels"))
    assert said() == ""
