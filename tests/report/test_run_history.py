"""What the page of a training keeps of its iterations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from csptrain.report.run.history import MOST_WINDOWS, History, read_history
from csptrain.train.log import Record


def record(iteration: int, loss: float = 1.0, **beside: float) -> Record:
    heads = {4: {"iou": 0.5, "cost": loss}}
    return Record(iteration, loss, loss, 0.01, 0.5, 0.1, 4 * iteration, 32, 32, heads=heads, **beside)


def grown(count: int) -> History:
    history = History()
    for iteration in range(1, count + 1):
        history.add(record(iteration, float(iteration), map=0.5 if iteration % 100 == 0 else None), {"memory": 2.0})
    return history


def test_a_short_run_is_kept_as_it_was() -> None:
    history = grown(3)
    assert history.mean("loss").tolist() == [[1, 1], [2, 2], [3, 3]]
    assert history.mean("head.4.cost").tolist() == [[1, 1], [2, 2], [3, 3]]
    assert history.heads() == {4: ["cost", "iou"]}
    assert history.ratio("data_wait", "seconds")[:, 1] == pytest.approx([0.2] * 3)
    assert history.mean("nothing").shape == history.measure("map").shape == (0, 2)
    assert (history.last, history.total("seconds")) == (3, 1.5)


def test_a_long_run_takes_bounded_room_and_loses_no_iteration() -> None:
    count = 20 * MOST_WINDOWS + 7
    history = grown(count)
    assert len(history.windows) <= 2 * MOST_WINDOWS
    assert sum(window.count for window in history.windows) == count
    assert history.total("loss") == pytest.approx(count * (count + 1) / 2)
    ends, means = history.mean("loss").T
    starts = np.concatenate(([0], ends[:-1]))
    np.testing.assert_allclose(means, (starts + 1 + ends) / 2)
    assert len(history.measure("map")) == count // 100


def test_what_is_not_finite_is_left_out() -> None:
    history = History()
    history.add(record(1, math.nan), {"memory": math.inf})
    history.add(record(2, 3.0), {})
    assert history.mean("loss").tolist() == [[2, 3]]
    assert not len(history.mean("memory"))


@pytest.mark.parametrize("count", [5, 3 * MOST_WINDOWS])
def test_it_comes_back_from_its_page_without_what_is_done_again(count: int) -> None:
    history = grown(count)
    page = f"<p>before</p>{history.as_element()}<p>after</p>"
    again = read_history(page, count + 1)
    assert len(again.windows) == len(history.windows)
    np.testing.assert_allclose(again.mean("loss"), history.mean("loss"), rtol=1e-5)
    assert (again.measured, again.heads()) == (history.measured, {4: ["cost", "iou"]})
    for iteration in (count + 1, count + 2):
        again.add(record(iteration), {})
        history.add(record(iteration), {})
    np.testing.assert_allclose(again.mean("loss"), history.mean("loss"), rtol=1e-5)
    earlier = read_history(page, 4)
    assert earlier.last <= 3 and not earlier.measured


@pytest.mark.parametrize(
    "kept", ["{", "[]", '{"length": 1}', '{"length":1,"names":["a"],"windows":[[1]],"measured":[]}']
)
def test_a_page_that_holds_something_else_is_no_history(kept: str) -> None:
    element = History().as_element()
    damaged = element[: element.index(">") + 1] + kept + "</script>"
    assert read_history(damaged, 10).last == read_history("<html></html>", 10).last == 0


def test_nothing_within_ends_the_element() -> None:
    history = History()
    history.add(record(1), {"</script><b>": 1.0})
    element = history.as_element()
    assert element.count("</") == 1
    assert len(read_history(element, 2).mean("</script><b>")) == 1
