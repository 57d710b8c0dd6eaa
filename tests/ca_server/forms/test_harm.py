"""Files made to do harm: each is refused before it costs a second or 200 MB, as a process of its own measures."""

import dataclasses
import random
import struct
import subprocess
import sys
from collections.abc import Callable

import pytest

from ca_server.domain.applications import Kind
from ca_server.forms.package import MOST_BYTES, MOST_PARTS
from tests.ca_server.forms.workbooks import MAIN, complete, filled, packed, parts

FILLED = filled(Kind.ISSUANCE, complete(Kind.ISSUANCE))
PARTS = parts(FILLED)
SHEET = "xl/worksheets/sheet1.xml"
DAMAGED = "This file is damaged."
NO_WORKBOOK = "This file is no Excel workbook (.xlsx)."
TAKEN_FOR_A_BLANK_FORM = "申請書 D9 申込日"
PICTURE = random.Random(3).randbytes(600_000)
TOO_LARGE = "This file is larger than a filled form can be."


def with_sheet(text: str) -> bytes:
    """Return a workbook of which one sheet is this text; a picture keeps it from being refused for its growth."""
    text = text.replace("<worksheet", f'<worksheet xmlns="{MAIN}"', 1)
    return packed(PARTS | {SHEET: text.encode(), "xl/media/image1.png": PICTURE})


def rows(count: int) -> bytes:
    rows = "".join(f'<row r="{n}"/>' for n in range(1, count + 1))
    return with_sheet(f"<worksheet><sheetData>{rows}</sheetData></worksheet>")


def lying_bomb() -> bytes:
    content = bytearray(with_sheet("<worksheet>" + " " * 20_000_000 + "</worksheet>"))
    start = content.rindex(SHEET.encode()) - 46
    struct.pack_into("<I", content, start + 24, 20_000)
    return bytes(content)


def directory(count: int, told: int) -> bytes:
    """Return an archive that is all directory: of `count` empty entries, of which its end tells otherwise."""
    entry = struct.Struct("<4s6H3L5H2L").pack(b"PK\x01\x02", 20, 20, *(0,) * 4, *(0,) * 3, 6, *(0,) * 4, 0, 0)
    entries = b"".join(entry + b"%06d" % n for n in range(count))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told, told, told * len(entry + b"000000"), 4, 0)
    return b"PK\x03\x04" + entries + end


LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
HARM: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb that grows a thousandfold": (lambda: packed(PARTS | {SHEET: b" " * 9_000_000}), TOO_LARGE),
    "a bomb of one part": (lambda: with_sheet("<worksheet>" + " " * 20_000_000 + "</worksheet>"), TOO_LARGE),
    "a bomb beside the parts": (lambda: packed(PARTS | {"xl/media/image1.png": bytes(51_000_000)}), TOO_LARGE),
    "a bomb that lies of its size": (lying_bomb, DAMAGED),
    "a billion laughs": (
        lambda: with_sheet(f"<!DOCTYPE w [<!ENTITY l0 'ha'>{LAUGHS}]><worksheet>&l9;</worksheet>"),
        DAMAGED,
    ),
    "quadratic blow-up": (
        lambda: with_sheet(f"<!DOCTYPE w [<!ENTITY a '{'a' * 100_000}'>]><worksheet>{'&a;' * 10_000}</worksheet>"),
        DAMAGED,
    ),
    "an external entity": (
        lambda: with_sheet(f"<!DOCTYPE w [<!ENTITY x SYSTEM 'file://{__file__}'>]><worksheet>&x;</worksheet>"),
        DAMAGED,
    ),
    "an external document type": (
        lambda: with_sheet("<!DOCTYPE worksheet SYSTEM 'http://127.0.0.1:9/x.dtd'><worksheet/>"),
        DAMAGED,
    ),
    "a million rows": (lambda: rows(1_000_000), TOO_LARGE),
    "as many rows as fit": (lambda: rows(28_000), TAKEN_FOR_A_BLANK_FORM),
    "a cell in the farthest corner": (
        lambda: with_sheet(
            '<worksheet><sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
        ),
        TOO_LARGE,
    ),
    "elements tens of thousands deep": (
        lambda: with_sheet("<worksheet>" + "<c>" * 28_000 + "</c>" * 28_000 + "</worksheet>"),
        TAKEN_FOR_A_BLANK_FORM,
    ),
    "more attributes than fit": (
        lambda: with_sheet("<worksheet " + " ".join(f'a{n}=""' for n in range(90_000)) + "/>"),
        TOO_LARGE,
    ),
    "as many attributes as fit": (
        lambda: with_sheet("<worksheet " + " ".join(f'a{n}=""' for n in range(50_000)) + "/>"),
        TAKEN_FOR_A_BLANK_FORM,
    ),
    "one text as long as fits": (
        lambda: with_sheet(
            '<worksheet><sheetData><row><c r="D9" t="str"><v>'
            + "x\n" * 900_000
            + "</v></c></row></sheetData></worksheet>"
        ),
        TAKEN_FOR_A_BLANK_FORM,
    ),
    "very many parts": (lambda: packed(PARTS | {f"x{n}": b"" for n in range(MOST_PARTS)}), TOO_LARGE),
    "a directory of very many parts": (lambda: directory(150_000, 65_535), TOO_LARGE),
    "a directory that says it is short": (lambda: directory(150_000, 20), NO_WORKBOOK),
    "more bytes than may come": (lambda: FILLED + bytes(MOST_BYTES), TOO_LARGE),
}

MEASURE = """
import datetime, re, sys, time
from pathlib import Path
from ca_server.domain.calendar import Calendar
from ca_server.domain.forms import Rules
from ca_server.errors import Refusal
from ca_server.forms.reading import read_workbook
rules = Rules(Calendar(), datetime.date(2026, 12, 1))
for file in sys.argv[1:]:
    content, before = Path(file).read_bytes(), time.perf_counter()
    try:
        read_workbook(content, rules)
    except Refusal as refused:
        print(time.perf_counter() - before, refused, sep="\\t")
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())  # ru_maxrss counts the parent's too
print(int(peak[1]) // 1000)
"""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What it cost to refuse the files, one after the other in one process."""

    seconds: dict[str, float]
    refusals: dict[str, str]
    peak_megabytes: int


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Every file made to do harm, refused."""
    files = [tmp_path_factory.mktemp("harm") / "form.xlsx" for _ in HARM]
    for file, (make, _) in zip(files, HARM.values(), strict=True):
        file.write_bytes(make())
    ran = subprocess.run([sys.executable, "-c", MEASURE, *files], capture_output=True, text=True, check=True)
    *lines, peak = ran.stdout.splitlines()
    told = dict(zip(HARM, (line.split("\t") for line in lines), strict=True))
    seconds = {what: float(each[0]) for what, each in told.items()}
    return Measured(seconds, {what: each[1] for what, each in told.items()}, int(peak))


@pytest.mark.parametrize("what", HARM)
def test_a_file_made_to_do_harm_is_refused_at_once(what: str, measured: Measured) -> None:
    assert measured.refusals[what].startswith(HARM[what][1])
    assert measured.seconds[what] < 3, "it takes a quarter of a second at most, on a machine that does nothing else"


def test_no_file_made_to_do_harm_costs_200_megabytes(measured: Measured) -> None:
    assert measured.peak_megabytes < 200
