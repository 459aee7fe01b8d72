"""Child processes: replies in order, a death costs its request, nothing stays behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import echo_child
from thyrosight.children import REQUESTS_AHEAD, replies
from thyrosight.errors import BundleError, InputError


def said(requests: list[dict[str, Any]], number: int = 2) -> list[Any]:
    return [reply.get("said", reply) for reply in replies(echo_child, {}, iter(requests), number)]


def test_replies_come_in_the_order_of_the_requests() -> None:
    assert said([{"say": index} for index in range(40)]) == list(range(40))
    assert said([]) == []


def test_a_name_that_is_no_text_arrives() -> None:
    name = os.fsdecode(b"\xff\xe9.png")
    assert said([{"say": name}], 1) == [name]


def test_a_death_costs_its_request_and_no_other() -> None:
    requests = [{"say": index, "die": index == 3} for index in range(9)]
    answers = said(requests)
    assert answers[3] == {"died": "signal 9"}
    assert [answer for index, answer in enumerate(answers) if index != 3] == [0, 1, 2, 4, 5, 6, 7, 8]


def test_a_child_that_was_killed_by_chance_costs_nothing(tmp_path: Path) -> None:
    assert said([{"say": index, "die_once": str(tmp_path / str(index))} for index in range(3)]) == [0, 1, 2]


def test_a_child_that_can_not_start_is_one_error() -> None:
    with pytest.raises(InputError, match="no child process starts"):
        list(replies(echo_child, {"is_broken": True}, iter([{"say": 1}]), 1))


def test_a_child_that_was_killed_as_it_started_costs_nothing(tmp_path: Path) -> None:
    settings = {"die_at_start_once": str(tmp_path / "mark")}
    assert list(replies(echo_child, settings, iter([{"say": 1}]), 1)) == [{"said": 1}]


def test_what_a_child_says_of_its_settings_is_raised_by_the_parent() -> None:
    with pytest.raises(BundleError, match="the model is another one"):
        list(replies(echo_child, {"is_refused": True}, iter([{"say": 1}]), 2))


def test_a_fault_of_the_requests_reaches_the_caller() -> None:
    def requests() -> Iterator[dict[str, Any]]:
        yield {"say": 1}
        raise InputError("the list ends here")

    with pytest.raises(InputError, match="ends here"):
        list(replies(echo_child, {}, requests(), 1))


def test_requests_are_not_read_far_ahead_and_children_end_with_the_iterator() -> None:
    num_read = 0

    def requests() -> Iterator[dict[str, Any]]:
        nonlocal num_read
        while True:
            num_read += 1
            yield {"say": num_read}

    with closing(replies(echo_child, {}, requests(), 1)) as answers:
        assert next(answers) == {"said": 1}
    assert num_read <= REQUESTS_AHEAD + 2


def test_a_child_has_one_thread_per_library() -> None:
    """There is a child per core: threads of NumPy's and OpenCV's own would wait for each other's cores."""
    wanted = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
    with closing(replies(echo_child, {}, [{"environment": list(wanted)}], 1)) as answers:
        assert next(answers)["environment"] == wanted
