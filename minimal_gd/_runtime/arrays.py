"""The type of an array in declarations: of any shape and dtype, which the docstrings say."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
