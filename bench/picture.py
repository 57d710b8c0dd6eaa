"""Draws the findings (SVG): a panel for each column of a table, a bar for each row, a whisker over its rounds.

What is ours is blue and stands out, peers are grey; the colours are told apart by colour-blind people too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.figures import Claim, Findings, Row, Table, written
from bench.report import Machine

_WIDTH, _MARGIN, _GUTTER = 1080, 28, 36
_BAR, _GAP, _TITLE, _CAPTION = 16, 8, 30, 22
_NAME, _VALUE = 112, 74
_INK, _PALE_INK, _LINE = "#1a1a1a", "#595959", "#c9c9c9"
_OURS, _PEERS, _WHISKER = "#0072b2", "#9a9a9a", "#1a1a1a"
_GOOD, _ENOUGH, _MISSED = "#009e73", "#e69f00", "#d55e00"
_VERDICTS = {"aim": _GOOD, "least": _ENOUGH, "missed": _MISSED}
_PEER_NAMES = ("nginx", "cfssl", "openssl", "pebble")
_BOLD, _TO_THE_LEFT = ' font-weight="bold"', ' text-anchor="end"'
_FONTS = "'Noto Sans','Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif"


def drawn(where: Machine, found: Sequence[Findings]) -> str:
    """Return the picture."""
    tables = [table for each in found for table in each.tables if table.drawn]
    claims = [claim for table in tables for claim in table.claims]
    y = 108.0
    parts: list[str] = []
    if claims:
        parts += _claims(claims, y)
        y += _TITLE + len(claims) * 26 + 40
    for table in tables:
        parts += _table(table, y)
        y += _height(table)
    style = f"font-family:{_FONTS};font-size:12px;fill:{_INK}"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:.0f}" width="{_WIDTH}" height="{y:.0f}" '
            f'role="img" aria-labelledby="title" style="{style}">',
            f'<rect width="{_WIDTH}" height="{y:.0f}" fill="#fff"/>',
            *_head(where),
            *parts,
            "</svg>\n",
        )
    )


def _head(where: Machine) -> Iterator[str]:
    warning = " – QUICK RUN, not a measurement" if where.quick else " – ON A BUSY MACHINE" if where.is_busy else ""
    title = f"Warifu beside its peers{warning}"
    yield f'<text id="title" x="{_MARGIN}" y="38" font-size="22" font-weight="bold">{escape(title)}</text>'
    machine = f"{where.day} · {where.cores} cores of {where.processor} · {where.memory_gib} GiB · make bench"
    yield _text(_MARGIN, 60, machine, 12, _PALE_INK)
    x = float(_MARGIN)
    for colour, name in ((_OURS, "Warifu"), (_PEERS, "peer, in the same run")):
        yield f'<rect x="{x}" y="74" width="22" height="12" rx="2" fill="{colour}"/>'
        yield _text(x + 28, 84, name, 12)
        x += 44 + 7 * len(name)
    yield f'<path d="M{x} 80h22M{x} 76v8M{x + 22} 76v8" stroke="{_WHISKER}" fill="none"/>'
    yield _text(x + 28, 84, "least and most of the rounds; the bar is the median", 12)


@dataclass(frozen=True)
class _Scale:
    """Where a value lies on a line."""

    left: float
    width: float
    most: float

    def at(self, value: float) -> float:
        return self.left + self.width * min(value / self.most, 1)


def _claims(claims: Sequence[Claim], top: float) -> Iterator[str]:
    """Draw how far each claim is: the median from none to twice what is aimed at, on its own scale."""
    yield _text(_MARGIN, top + 16, "What must be shown, as ratios pair by pair", 15, more=_BOLD)
    yield from _verdicts(top + 16)
    for number, claim in enumerate(claims):
        y = top + _TITLE + number * 26
        yield _text(_MARGIN, y + 13, claim.work, 12)
        scale = _Scale(480, 330, 1.25 * max(*claim.ratio.values, claim.least, claim.aim))
        end = scale.at(claim.ratio.median)
        colour = _VERDICTS[claim.verdict]
        yield f'<rect x="{scale.left}" y="{y + 2}" width="{end - scale.left:.1f}" height="14" rx="2" fill="{colour}"/>'
        yield from _whisker(scale, claim.ratio.values, y + 9)
        for value, dash in ((claim.least, ' stroke-dasharray="3 2"'), (claim.aim, "")):
            yield f'<path d="M{scale.at(value):.1f} {y - 2}v22" stroke="{_INK}" stroke-width="1.5"{dash}/>'
        better = "≥" if claim.aim >= claim.least else "≤"
        wanted = f"{written(claim.ratio.median)}   (least {better} {claim.least:g}, aim {better} {claim.aim:g})"
        yield _text(scale.left + scale.width + 12, y + 13, wanted, 12)


def _verdicts(y: float) -> Iterator[str]:
    x = 480.0
    for colour, name in ((_GOOD, "aim reached"), (_ENOUGH, "least reached"), (_MISSED, "missed")):
        yield f'<rect x="{x}" y="{y - 10}" width="14" height="12" rx="2" fill="{colour}"/>'
        yield _text(x + 19, y, name, 11)
        x += 34 + 6.4 * len(name)
    yield f'<path d="M{x} {y - 12}v14" stroke="{_INK}" stroke-width="1.5" stroke-dasharray="3 2"/>'
    yield _text(x + 6, y, "least", 11)
    yield f'<path d="M{x + 46} {y - 12}v14" stroke="{_INK}" stroke-width="1.5"/>'
    yield _text(x + 52, y, "aim", 11)


def _height(table: Table) -> float:
    return _TITLE + _CAPTION + len(table.rows) * (_BAR + _GAP) + 26


def _table(table: Table, top: float) -> Iterator[str]:
    yield f'<path d="M{_MARGIN} {top - 4}H{_WIDTH - _MARGIN}" stroke="{_LINE}"/>'
    yield _text(_MARGIN, top + 17, table.title, 15, more=_BOLD)
    width = (_WIDTH - 2 * _MARGIN - (len(table.drawn) - 1) * _GUTTER) / max(len(table.drawn), 2)
    for number, column in enumerate(table.drawn):
        yield from _panel(table.rows, column, (_MARGIN + number * (width + _GUTTER), top + _TITLE, width))


def _panel(rows: Sequence[Row], column: str, place: tuple[float, float, float]) -> Iterator[str]:
    x, top, width = place
    having = [row for row in rows if column in row.figures]
    most = max((value for row in having for value in row.figures[column].values), default=1) or 1
    scale = _Scale(x + _NAME, width - _NAME - _VALUE, most)
    direction = "more is better" if column.endswith("/s") else "less is better"
    yield _text(scale.left, top + 13, f"{column} – {direction}", 12, _PALE_INK)
    bottom = top + _CAPTION + len(rows) * (_BAR + _GAP)
    yield f'<path d="M{scale.left - 1} {top + _CAPTION - 2}V{bottom}" stroke="{_LINE}"/>'
    for number, row in enumerate(having):
        y = top + _CAPTION + number * (_BAR + _GAP)
        is_peer = row.name.startswith(_PEER_NAMES)
        figure = row.figures[column]
        yield _text(scale.left - 8, y + 12.5, row.name, 12, more=_TO_THE_LEFT)
        length = max(scale.at(figure.median) - scale.left, 1)
        yield (
            f'<rect x="{scale.left}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2" '
            f'fill="{_PEERS if is_peer else _OURS}"><title>{escape(row.name)}: {figure} {escape(column)}</title></rect>'
        )
        yield from _whisker(scale, figure.values, y + _BAR / 2)
        yield _text(scale.at(max(figure.values)) + 8, y + 12.5, written(figure.median), 12)


def _whisker(scale: _Scale, values: Sequence[float], y: float) -> Iterator[str]:
    begins, ends = scale.at(min(values)), scale.at(max(values))
    if ends - begins >= 2:
        path = f"M{begins:.1f} {y}H{ends:.1f}M{begins:.1f} {y - 4}v8M{ends:.1f} {y - 4}v8"
        yield f'<path d="{path}" stroke="{_WHISKER}" fill="none"/>'


def _text(x: float, y: float, text: str, size: float, colour: str = _INK, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{more}>{escape(text)}</text>'
