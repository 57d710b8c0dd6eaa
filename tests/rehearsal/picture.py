"""Draws what was seen as a picture (SVG) that a manager reads: a row a PC, from the first day to the last.

A certificate is a bar, and its successor the bar on the row's other lane, so that both are seen side by side. The text
is Japanese and English; colours are told apart by colour-blind people too (Okabe and Ito's).
"""

import datetime
import itertools
from collections.abc import Iterator
from html import escape

from ca_server.clock import day_in_tokyo, start_of_day_in_tokyo
from tests.rehearsal.cast import Lot, Pc
from tests.rehearsal.chronicle import Chronicle, Event, Held, How
from tests.rehearsal.legend import COLOURS, GAP, INK, PALE, legend, mark
from tests.rehearsal.play import Play

WIDTH = 1280
_LEFT, _RIGHT = 92, 1000
_TOP, _ROW, _LANE = 140, 25, 9
_FONTS = "'Noto Sans JP','Noto Sans CJK JP','Hiragino Sans','Yu Gothic UI',Meiryo,IPAPGothic,sans-serif"
_MAILS = {"renewal-url": "mail", "renewal-reminder": "reminder"}
_EVENTS = {Event.STOLEN: "stolen", Event.SUSPENDED: "suspended", Event.REVOKED: "revoked"}

_NOTES = {
    Lot.BY_ITSELF: ("{off}日停止。再開後、自動で更新", "off {off} days, renewed by itself once on"),
    Lot.WRONG_PC: ("別の端末で更新 → DCM904で再発行", "renewed on the wrong PC → DCM904, new one"),
    Lot.STOLEN: ("盗難：電話で停止 → 申請書で失効", "stolen: held on a call → revoked by form"),
    Lot.DISPOSED: ("廃棄：DCM903の希望日に失効", "disposed of: revoked on the DCM903's date"),
}
_BY_MAIL = ("{off}日停止。届いたメールで更新", "off {off} days, renewed with the mailed pair")
_AFTER_END = ("期限後に、届いたメールで更新", "renewed with the mailed pair after its end")


def picture(play: Play) -> str:
    """Return the picture of a rehearsal that was played."""
    return _Sheet(play).drawn()


class _Sheet:
    """One picture: the time of its left and right edge, and what is drawn from them."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._seen: Chronicle = play.seen
        self._pcs = play.cast.pcs
        self._begins = start_of_day_in_tokyo(play.cast.begins)
        self._ends = start_of_day_in_tokyo(play.cast.ends + datetime.timedelta(days=1))
        self._bottom = _TOP + len(self._pcs) * _ROW

    def drawn(self) -> str:
        height = self._bottom + 190
        style = f"font-family:{_FONTS};font-size:11px;fill:{INK}"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-labelledby="title" style="{style}">',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *_patterns(self._bottom),
            *self._head(),
            *self._stripes(),
            *self._months(),
            *(line for place, pc in enumerate(self._pcs) for line in self._row(pc, _TOP + place * _ROW)),
            *legend(_LEFT, self._bottom + 30),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _head(self) -> Iterator[str]:
        seen, count = self._seen, len(self._pcs)
        hows = [each.how for each in seen.held]
        alone, by_mail = hows.count(How.AGENT), hows.count(How.MAILED_PAIR)
        asked = sum(letter.kind == "renewal-url" for letter in seen.letters)
        months = round((self._ends - self._begins) / 86_400 / 30.44)
        yield (
            f'<text id="title" x="24" y="36" font-size="21" font-weight="bold">証明書の更新：パソコン{count}台、'
            f"{months}か月の予行演習</text>"
        )
        yield _text(24, 57, f"Certificate renewal rehearsed: {count} PCs, {months} months, one row a PC", 13, "#555")
        yield _text(
            24,
            82,
            f"人手のいらない自動更新 {alone}件。自動更新できなかった{asked}台にだけメールが届き、"
            f"うち{by_mail}台はメールで更新しました。",
            13,
        )
        yield _text(
            24,
            99,
            f"{alone} renewals needed nobody. Mails went only for the {asked} PCs that had not renewed in time; "
            f"{by_mail} of them were renewed with the mail.",
            11,
            "#555",
        )

    def _months(self) -> Iterator[str]:
        day = self._play.cast.begins.replace(day=1)
        while day <= self._play.cast.ends:
            x = self._x(start_of_day_in_tokyo(day))
            after = (day + datetime.timedelta(days=31)).replace(day=1)
            middle = (x + self._x(start_of_day_in_tokyo(after))) / 2
            strong = day.month == 1 or day == self._play.cast.begins
            top = _TOP - (26 if strong else 14)
            yield f'<path d="M{x:.1f} {top}V{self._bottom}" stroke="{_grey(strong=strong)}"/>'
            yield _text(middle, _TOP - 4, str(day.month), 10, "#555", anchor="middle")
            if strong:
                yield _text(x + 4, _TOP - 16, f"{day.year}年", 11)
            day = after
        yield f'<path d="M{_RIGHT} {_TOP}V{self._bottom}" stroke="{_grey(strong=True)}"/>'

    def _stripes(self) -> Iterator[str]:
        for y in range(_TOP, self._bottom, 2 * _ROW):
            yield f'<rect x="20" y="{y}" width="{WIDTH - 40}" height="{_ROW}" fill="{PALE}"/>'

    def _row(self, pc: Pc, y: int) -> Iterator[str]:
        yield _text(24, y + 16, pc.host, 11)
        yield '<g clip-path="url(#chart)">'
        yield from self._off(pc, y)
        line = sorted((each for each in self._seen.held if each.of == pc.number), key=lambda each: each.at)
        for place, held in enumerate(line):
            yield from self._bar(pc, held, y + 3 + (place % 2) * (_LANE + 1))
        yield from self._gap(line, y)
        yield from self._marks(pc, y)
        yield "</g>"
        note = self._note(pc)
        if note is not None:
            yield _text(_RIGHT + 10, y + 11, note[0], 11, bold=True)
            yield _text(_RIGHT + 10, y + 22, note[1], 9.5, "#555")

    def _bar(self, pc: Pc, held: Held, y: float) -> Iterator[str]:
        """A bar from when the certificate came to its end; what a revocation took away is only outlined."""
        revoked = self._seen.marked(pc.number, Event.REVOKED) if held.cn == pc.cn else None
        ends = held.not_after if revoked is None else min(revoked, held.not_after)
        x, end, whole = self._x(held.at), self._x(ends), self._x(held.not_after)
        days = f"{day_in_tokyo(held.at)} – {day_in_tokyo(held.not_after)}"
        yield f"<g><title>{escape(held.cn)}: {held.how}, {days}</title>"
        if ends < held.not_after:
            yield (
                f'<rect x="{end:.1f}" y="{y + 0.5}" width="{whole - end:.1f}" height="{_LANE - 1}" fill="none" '
                f'stroke="#888" stroke-dasharray="3 2"/>'
            )
        yield (
            f'<rect x="{x:.1f}" y="{y}" width="{max(end - x, 1):.1f}" height="{_LANE}" rx="2" '
            f'fill="{COLOURS[held.how]}"/></g>'
        )

    def _off(self, pc: Pc, y: int) -> Iterator[str]:
        if pc.off is None:
            return
        begins, ends = pc.off
        x = self._x(start_of_day_in_tokyo(pc.day(begins)))
        last = pc.gone_on if ends is None else pc.day(ends)
        assert last is not None
        width = self._x(start_of_day_in_tokyo(last)) - x
        yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW}" fill="url(#off)"/>'

    def _gap(self, line: list[Held], y: int) -> Iterator[str]:
        for old, new in itertools.pairwise(line):
            if old.not_after < new.at:
                x, end = self._x(old.not_after), self._x(new.at)
                yield (
                    f'<rect x="{x:.1f}" y="{y + 2.5}" width="{end - x:.1f}" height="{_ROW - 5}" '
                    f'fill="{GAP}" fill-opacity=".25" stroke="{GAP}"/>'
                )

    def _marks(self, pc: Pc, y: int) -> Iterator[str]:
        middle = y + _ROW / 2
        for letter in self._seen.letters:
            if letter.cn == pc.cn and letter.kind in _MAILS:
                yield mark(_MAILS[letter.kind], self._x(letter.at), middle)
        for each in self._seen.marks:
            if each.of == pc.number and each.event in _EVENTS:
                yield mark(_EVENTS[each.event], self._x(each.at), middle)

    def _note(self, pc: Pc) -> tuple[str, str] | None:
        if pc.off is None:
            return None
        begins, ends = pc.off
        note = _NOTES.get(pc.lot) or (_AFTER_END if ends is not None and ends < 0 else _BY_MAIL)
        off = begins - (ends or 0)
        return note[0].format(off=off), note[1].format(off=off)

    def _x(self, at: int) -> float:
        return _LEFT + (at - self._begins) / (self._ends - self._begins) * (_RIGHT - _LEFT)


def _patterns(bottom: int) -> Iterator[str]:
    yield '<defs><pattern id="off" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    yield '<rect width="5" height="5" fill="#e4e4e4"/><path d="M0 0V5" stroke="#a9a9a9" stroke-width="2.4"/></pattern>'
    yield f'<clipPath id="chart"><rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{bottom - _TOP}"/>'
    yield "</clipPath></defs>"


def _text(
    x: float, y: float, text: str, size: float, colour: str = INK, *, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    at = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
    return f"<text {at}{weight}>{escape(text)}</text>"


def _grey(*, strong: bool) -> str:
    return "#999" if strong else "#e3e3e3"
