"""The repair of mistakes that have one clear answer; all else of the text stays byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from typing import Any

from csptrain.cfg.draft import Draft
from csptrain.cfg.fields import Malformed, keys
from csptrain.cfg.text import INVISIBLE, Option, Section
from csptrain.layers.anchors import AnchorHead
from csptrain.layers.base import COMMON_INERT, Layer
from csptrain.layers.contents import BY_NAME
from csptrain.layers.convolutional import Convolutional
from csptrain.lint.check import Checked, check
from csptrain.net import INERT, NAMES, Net

_LONGEST_WORD = 80
_LIKE = 0.78  # least likeness of a misspelt word
_CLEARLY = 0.1  # how much more it must be like the right word than like the next one
_SECTION_AND_COMMENT = re.compile(r"\s*(\[[^\]#;]+\])\s*([#;].*)", re.DOTALL)
_ROUNDS = 5  # one repair can uncover another: the key, then its value, then the filters that follow


def repair(text: str, path: str = "<cfg>") -> str:
    """The text with its clear mistakes repaired.

    These are: invisible characters, comments behind a value, misspelt sections, keys and words with one near match,
    keys given twice (the first stays, as in Darknet), `num` that does not count the anchors, and `filters` before a
    head (or the one `classes` that differs from all other heads). Raises CfgError for a text that is no cfg.
    """
    for _ in range(_ROUNDS):
        draft = Draft(text)
        _repair_lines(draft, text)
        if draft.text == text:
            checked = check(text, path)
            _repair_options(draft, checked.sections)
            _repair_heads(draft, checked)
        if draft.text == text:
            break
        text = draft.text
    return text


def clear_match(word: str, legal: Iterable[str]) -> str | None:
    """The one legal word that ``word`` is a misspelling of, or None where there is doubt."""
    known = sorted(set(legal))
    if len(word) > _LONGEST_WORD:
        return None
    for same in (str.lower, sorted):  # capitals, then letters in the wrong order
        found = [candidate for candidate in known if same(candidate) == same(word)]
        if len(found) == 1:
            return found[0]
    matcher = SequenceMatcher(b=word)
    ratios = []
    for candidate in known:
        matcher.set_seq1(candidate)
        ratios.append((matcher.ratio(), candidate))
    ratios.sort(reverse=True)
    if not ratios or ratios[0][0] < _LIKE:
        return None
    return ratios[0][1] if len(ratios) == 1 or ratios[0][0] - ratios[1][0] >= _CLEARLY else None


def _repair_lines(draft: Draft, text: str) -> None:
    """What is wrong with a line whatever it says."""
    for number in range(1, text.count("\n") + 2):
        line = draft.line(number)
        if line.lstrip()[:1] in ("#", ";"):
            continue
        match = _SECTION_AND_COMMENT.fullmatch(line)
        if match:
            draft.replace(number, [*_comment(match[2]), match[1]])
        elif INVISIBLE.search(line):
            draft.replace(number, [INVISIBLE.sub("", line)])


def _comment(text: str) -> list[str]:
    """The comment as a line of its own; none where it says nothing."""
    words = text.strip().lstrip("#;").strip()
    return [f"# {words}"] if words else []


def _legal(section: Section, index: int) -> tuple[dict[str, Callable[[str], Any]], set[str]]:
    """Readers of the keys with a value, and all keys, of a section."""
    kind: type[Any] | None = Net if index == 0 else BY_NAME.get(section.kind)
    if kind is None:
        return {}, set()
    readers = {key: reader for key, (_, reader) in keys(kind).items()}
    if issubclass(kind, Layer):
        return readers, {*readers, *COMMON_INERT, *kind.inert, *kind.untrained, *kind.refused}
    return readers, {*readers, *INERT}


def _all_keys() -> set[str]:
    """The keys of all sections: one that stands in the wrong section is not misspelt."""
    return {*keys(Net), *INERT, *COMMON_INERT}.union(
        *({*keys(kind), *kind.inert, *kind.refused} for kind in BY_NAME.values())
    )


def _repair_options(draft: Draft, sections: tuple[Section, ...]) -> None:
    everywhere = _all_keys()
    for index, section in enumerate(sections):
        names = NAMES if index == 0 else tuple(BY_NAME)
        match = None if section.kind in names else clear_match(section.kind, names)
        if match:
            draft.set_kind(section.line, match)
        readers, legal = _legal(section, index)
        for option in _without_repeats(draft, section):
            if option.key in readers:
                _repair_value(draft, option, readers[option.key])
            elif legal and option.key not in legal and option.key not in everywhere:
                match = clear_match(option.key, legal)
                if match and section.get(match) is None:
                    draft.set_key(option.line, match)


def _without_repeats(draft: Draft, section: Section) -> Iterator[Option]:
    """The options that count; the others are deleted."""
    seen = set()
    for option in section.options:
        if option.key in seen:
            draft.replace(option.line, [])
        else:
            seen.add(option.key)
            yield option


def _repair_value(draft: Draft, option: Option, reader: Callable[[str], Any]) -> None:
    try:
        reader(option.value)
    except Malformed as bad:
        head, _, raw = draft.line(option.line).partition("=")
        mark = re.search("[#;]", raw)
        if mark:
            draft.replace(option.line, [*_comment(raw[mark.start() :]), f"{head}={raw[: mark.start()].rstrip()}"])
            return
        trimmed = option.value.rstrip(",")
        match = clear_match(option.value, bad.choices) if bad.choices else trimmed
        if match and match != option.value and _reads(reader, match):
            draft.set_value(option.line, match)


def _reads(reader: Callable[[str], Any], value: str) -> bool:
    try:
        reader(value)
    except Malformed:
        return False
    return True


def _repair_heads(draft: Draft, checked: Checked) -> None:
    heads = [layer for layer in checked.layers if isinstance(layer, AnchorHead)]
    for head in heads:
        if _repair_num(draft, head) or head.index == 0:
            continue
        before = checked.layers[head.index - 1]
        if isinstance(before, Convolutional) and before.filters != head.filters_needed:
            others = {other.classes for other in heads if other is not head}
            classes = before.filters // head.boxes_per_cell - head.box_entries
            if others == {classes} and before.filters == head.boxes_per_cell * (classes + head.box_entries):
                _set(draft, head.section, "classes", classes)
            else:
                _set(draft, before.section, "filters", head.filters_needed)


def _repair_num(draft: Draft, head: AnchorHead) -> bool:
    """Whether ``num`` was wrong and is now the number of anchors."""
    count = len(head.anchors or ()) // 2
    if head.anchors is None or len(head.anchors) != 2 * count or head.num == count or not count:
        return False
    _set(draft, head.section, "num", count)
    return True


def _set(draft: Draft, section: Section, key: str, value: int) -> None:
    option = section.get(key)
    if option is None:
        draft.add_after(section.line, f"{key}={value}")
    elif not draft.touched(option.line):
        draft.set_value(option.line, str(value))
