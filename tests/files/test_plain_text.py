"""Text of any origin: a terminal shows it and does not obey it."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thyrosight.files.plain_text import PrintableStream, is_printable, printable, printable_json

EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202egnp\x7f"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("text", ["plain", "Größe 3 × 4 µm²", "結節", "a\tb\nc", "\u00a0\u200b", "👍🏽"])
def test_what_is_harmless_stays(text: str) -> None:
    assert printable(text) == text
    assert is_printable(text)


def test_what_steers_a_terminal_is_shown() -> None:
    assert printable(EVIL) == r"\x1b]0;pwned\x07\x1b[2J\x9b31m\u202egnp\x7f"
    assert printable("\udcff\r") == r"\udcff\x0d"


@given(st.text())
def test_once_is_enough(text: str) -> None:
    assert is_printable(printable(text))
    assert printable(printable(text)) == printable(text)


@given(st.text(st.characters(codec="utf-8")))
def test_json_says_the_same(text: str) -> None:
    document = printable_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert is_printable(document)
    assert json.loads(document) == {text: [text]}


def test_a_stream_into_a_file_or_pipe_obeys_nothing() -> None:
    stream = io.StringIO()
    PrintableStream(stream).write(f"\x1b[1mbold\x1b[0m {EVIL}\n")
    assert stream.getvalue() == rf"\x1b[1mbold\x1b[0m {printable(EVIL)}" + "\n"


def test_a_terminal_keeps_colours_and_bars_alone() -> None:
    stream = Terminal()
    own = "\x1b[1;31mred\x1b[0m\r\x1b[2K\x1b[1A\x1b[?25l\x1b[?25h"
    PrintableStream(stream).write(own + EVIL)
    assert stream.getvalue() == own + printable(EVIL)
