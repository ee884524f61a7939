"""Types for your own annotations: the options that fastem takes, what it calls back, and the arrays that it returns.

A checker refuses a variable of the type `str` where an option is expected. Annotate it with the option's own type:
``criterion: fastem.typing.Criterion``. Each type lists the values that are accepted at run time, and
`typing.get_args` returns them. The types of a family are in `fastem.families`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastem.em.accelerate import Acceleration, Hastening
from fastem.em.loop import Callback
from fastem.em.stopping import Criterion
from fastem.families.gaussian import CovarianceShape
from fastem.families.parameters import Array, FloatArray, IntArray, Parameters
from fastem.fitting.search import HasArray, Matrix, Start
from fastem.judging.bootstrap import BootstrapKind
from fastem.judging.criteria import SelectionCriterion
from fastem.judging.selection import Row
from fastem.model.mixing import Proportions
from fastem.model.starving import Policy, Starving
from fastem.starts.names import StartMethod

__all__ = [
    "Acceleration", "Array", "BootstrapKind", "Callback", "CovarianceShape", "Criterion", "FloatArray", "HasArray",
    "Hastening", "IntArray", "Matrix", "Parameters", "Policy", "Proportions", "RowCallback", "SelectionCriterion",
    "Start", "StartMethod", "Starving",
]  # fmt: skip

RowCallback = Callable[[Row], Any]
