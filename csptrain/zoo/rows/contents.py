"""The tables by number, each row in the paper's order."""

from __future__ import annotations

from csptrain.zoo.rows.row import Row
from csptrain.zoo.rows.table1 import ROWS as TABLE1
from csptrain.zoo.rows.table2 import ROWS as TABLE2
from csptrain.zoo.rows.table3 import ROWS as TABLE3
from csptrain.zoo.rows.table4 import ROWS as TABLE4
from csptrain.zoo.rows.table5 import ROWS as TABLE5

TABLES: dict[int, tuple[Row, ...]] = {1: TABLE1, 2: TABLE2, 3: TABLE3, 4: TABLE4, 5: TABLE5}
