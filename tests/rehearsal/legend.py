"""What the colours and signs of the picture mean, and how they are drawn."""

from collections.abc import Iterator
from html import escape

from tests.rehearsal.chronicle import How

INK, PALE = "#1a1a1a", "#f4f6f8"
COLOURS = {
    How.ENROLLED: "#0072b2",
    How.AGENT: "#009e73",
    How.MAILED_PAIR: "#e69f00",
    How.WRONG_PC: "#cc79a7",
}
GAP = "#d55e00"
_RED = "#b00020"

_BARS = (
    (COLOURS[How.ENROLLED], "最初の証明書（URLとパスワードで取得）", "first certificate, by URL and password"),
    (COLOURS[How.AGENT], "自動で更新した証明書", "renewed by the PC itself"),
    (COLOURS[How.MAILED_PAIR], "届いたメールで更新した証明書", "renewed with the mailed URL and password"),
    (COLOURS[How.WRONG_PC], "別の端末で取得した証明書", "fetched on the wrong PC"),
)
_AREAS = (
    ("off", "停止中（自動更新できない）", "off: cannot renew by itself"),
    ("gap", "有効な証明書がない期間", "without a valid certificate"),
    ("lost", "失効により失われた期間", "time that a revocation took away"),
)
_SIGNS = (
    ("mail", "更新のお知らせ（期限の30日前）", "renewal mails, 30 days before the end"),
    ("reminder", "再度のお知らせ（14・7・1日前）", "reminder, 14, 7 and 1 days before"),
    ("stolen", "盗難", "stolen"),
    ("suspended", "電話による一時停止", "suspended on a call"),
    ("revoked", "失効", "revoked"),
)
_COLUMN, _LINE = 385, 27


def legend(x: float, y: float) -> Iterator[str]:
    """Draw the legend: bars, areas, signs, each a column."""
    for line, (colour, japanese, english) in enumerate(_BARS):
        top = y + line * _LINE
        yield f'<rect x="{x}" y="{top - 1}" width="30" height="9" rx="2" fill="{colour}"/>'
        yield from _said(x, top, japanese, english)
    for line, (kind, japanese, english) in enumerate(_AREAS):
        top = y + line * _LINE
        yield _area(kind, x + _COLUMN, top - 5)
        yield from _said(x + _COLUMN, top, japanese, english)
    for line, (kind, japanese, english) in enumerate(_SIGNS):
        top = y + line * _LINE
        yield mark(kind, x + 2 * _COLUMN + 15, top + 4)
        yield from _said(x + 2 * _COLUMN, top, japanese, english)
    beside = (
        "新旧の証明書は、古い方の期限まで同時に使えます（上下2段の線）。",
        "Old and new certificate work side by side until the old one ends: the two lanes of a row.",
    )
    yield from _said(x - 38, y + 4 * _LINE + 6, *beside)


def mark(kind: str, x: float, y: float) -> str:
    """Return one sign, its middle at a point."""
    shapes = {
        "mail": '<rect x="-6.5" y="-4.5" width="13" height="9" fill="#fff" stroke="#1a1a1a" stroke-width="1.2"/>'
        '<path d="M-6.5 -4.5L0 1L6.5 -4.5" fill="none" stroke="#1a1a1a" stroke-width="1.2"/>',
        "reminder": '<path d="M0 -4.5L4.5 4H-4.5Z" fill="#fff" stroke="#1a1a1a" stroke-width="1.2"/>',
        "stolen": f'<path d="M0 -7.5L7.5 0L0 7.5L-7.5 0Z" fill="{INK}"/>'
        '<path d="M0 -4.2V1M0 2.6V4.4" stroke="#fff" stroke-width="1.9"/>',
        "suspended": '<circle r="6.5" fill="#e69f00" stroke="#1a1a1a"/>'
        '<path d="M-2 -3V3M2 -3V3" stroke="#1a1a1a" stroke-width="1.8"/>',
        "revoked": f'<circle r="6.5" fill="{_RED}"/><path d="M-3 -3L3 3M3 -3L-3 3" stroke="#fff" stroke-width="2"/>',
    }
    return f'<g transform="translate({x:.1f} {y:.1f})">{shapes[kind]}</g>'


def _area(kind: str, x: float, y: float) -> str:
    fills = {
        "off": 'fill="url(#off)"',
        "gap": f'fill="{GAP}" fill-opacity=".25" stroke="{GAP}"',
        "lost": 'fill="none" stroke="#888" stroke-dasharray="3 2"',
    }
    return f'<rect x="{x}" y="{y}" width="30" height="17" {fills[kind]}/>'


def _said(x: float, y: float, japanese: str, english: str) -> Iterator[str]:
    yield f'<text x="{x + 38}" y="{y + 6}" font-size="11.5">{escape(japanese)}</text>'
    yield f'<text x="{x + 38}" y="{y + 18}" font-size="10" fill="#555">{escape(english)}</text>'
