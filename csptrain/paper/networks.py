"""The networks that stand for the paper's rows, planned once: their costs as each row counts them."""

from __future__ import annotations

from functools import cache

from csptrain.cfg import text
from csptrain.cost import NetworkCost, explore
from csptrain.graph import Graph, plan
from csptrain.zoo.contents import compose
from csptrain.zoo.figures import Figures
from csptrain.zoo.rows.row import Counting, Row


@cache
def planned(cfg: str, size: int) -> Graph:
    """A network of the zoo for a square input; raises CfgError."""
    return plan(text.parse(compose(cfg, size, size), f"{cfg}.cfg"))


@cache
def cost(cfg: str, size: int) -> NetworkCost:
    """What each of its layers costs."""
    return explore(planned(cfg, size))


@cache
def _figures(cfg: str, size: int, counting: Counting) -> Figures:
    return Figures.of(planned(cfg, size), counting)


def bflops(row: Row) -> float:
    """Billions of operations of one image, as the row counts them."""
    return _figures(row.cfg, row.size, row.counting).operations / 1e9


def millions(row: Row) -> float:
    """Millions of parameters, as the row counts them."""
    return _figures(row.cfg, row.size, row.counting).parameters / 1e6
