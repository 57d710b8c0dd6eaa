"""The file of a workbook: a ZIP archive of XML parts (ISO/IEC 29500-2), opened as if a stranger had sent it.

The sizes are judged before anything is unpacked, first by the archive's end record, so that a hostile directory is not
even listed; what is unpacked is never more than was announced. A part is parsed without document types and thereby
without entities, and only after its marks were counted: the tree of a form is small.
"""

import struct
import zipfile
import zlib
from io import BytesIO
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ca_server.forms.errors import UnreadableForm
from ca_server.language import Sentence, sentence

MOST_BYTES: Final = 10_000_000
MOST_BYTES_UNPACKED: Final = 50_000_000
MOST_PARTS: Final = 200
MOST_EXPANSION: Final = 100
"""Times that a whole archive may grow: the XML of a form grows tenfold."""
MOST_BYTES_PARSED: Final = 2_000_000
"""In all the parts that are parsed; a form of ten sheets has 200 kB."""
MOST_MARKS: Final = 60_000
"""Tags and attributes in all the parts that are parsed, each some 4 µs; a form of ten sheets has 13,000."""
_MOST_DIRECTORY_BYTES: Final = 65_536

_END_RECORD = struct.Struct("<4s4H2LH")  # APPNOTE 4.3.16
_END = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"  # APPNOTE 4.3.15, 20 bytes right before the end record
_ZIP = b"PK\x03\x04"
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # MS-CFB 2.2
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO 2.3.4.4
_ENCRYPTED_ENTRY = 0x1 | 0x40  # APPNOTE 4.4.4

_CONTENT_TYPES = "[Content_Types].xml"
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"

TOO_LARGE: Final = sentence(
    "This file is larger than a filled form can be. Download the blank form again and fill that in."
)
DAMAGED: Final = sentence(
    "This file is damaged. Open it in Excel, save it again as an Excel workbook (.xlsx), send that."
)
_ENCRYPTED: Final = sentence("This workbook asks for a password to open it. Take the password off, save it, send that.")
_OTHER_FORMAT: Final = sentence(
    "This is a spreadsheet in another format. Save it as an Excel workbook (.xlsx) and send that."
)
_MACROS: Final = sentence(
    "This workbook holds macros, which no form does. Save it as an Excel workbook (.xlsx) without macros, send that."
)
_NO_WORKBOOK: Final = sentence(
    "This file is no Excel workbook (.xlsx). Send the filled form itself, as Excel saved it."
)


class Package:
    """The parts of a workbook's file, by their names; each is unpacked and parsed when it is asked for."""

    def __init__(self, content: bytes) -> None:
        """Open a file. Raises UnreadableForm when it is no workbook, or none that a form can be."""
        _require_archive(content)
        try:
            self._archive = zipfile.ZipFile(BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise UnreadableForm(DAMAGED) from error
        self._bytes_left = MOST_BYTES_PARSED
        self._marks_left = MOST_MARKS
        self._parts = _require_sound(self._archive.infolist(), len(content))
        self.main = self._require_workbook()

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._parts

    def xml(self, name: str) -> Element:
        """Return the root of a part. Raises UnreadableForm when it is missing, damaged or too large."""
        content = self._unpacked(name)
        self._marks_left -= content.count(b"<") + content.count(b"=")
        if self._marks_left < 0:
            raise UnreadableForm(TOO_LARGE)
        try:
            root: Element = fromstring(content, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError, LookupError) as error:  # LookupError: an unknown encoding
            raise UnreadableForm(DAMAGED) from error
        return root

    def _unpacked(self, name: str) -> bytes:
        info = self._parts.get(name.casefold())
        if info is None:
            raise UnreadableForm(DAMAGED)
        self._bytes_left -= info.file_size
        if self._bytes_left < 0:
            raise UnreadableForm(TOO_LARGE)
        try:
            with self._archive.open(info) as part:
                content = part.read(info.file_size + 1)  # its end is met, so that the checksum is looked at
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise UnreadableForm(DAMAGED) from error
        if len(content) != info.file_size:
            raise UnreadableForm(DAMAGED)
        return content

    def _require_workbook(self) -> str:
        """Return the name of the part that is the workbook's, by its content type (ISO/IEC 29500-2 §7.2.3)."""
        if _CONTENT_TYPES.casefold() not in self._parts:
            raise UnreadableForm(_OTHER_FORMAT if "mimetype" in self._parts else _NO_WORKBOOK)
        types = self.xml(_CONTENT_TYPES)
        kinds = {each.get("PartName", ""): each.get("ContentType", "") for each in types.findall("{*}Override")}
        if any(".binary." in kind for kind in kinds.values()):
            raise UnreadableForm(_OTHER_FORMAT)
        if any("macro" in kind.casefold() or "vba" in kind.casefold() for kind in kinds.values()) or any(
            name.endswith("vbaproject.bin") for name in self._parts
        ):
            raise UnreadableForm(_MACROS)
        found = [name for name, kind in kinds.items() if kind == _WORKBOOK]
        if len(found) != 1:
            raise UnreadableForm(_NO_WORKBOOK)
        return found[0].removeprefix("/")


def _require_archive(content: bytes) -> None:
    """Require a ZIP archive of which the end record promises no more than a form has."""
    if len(content) > MOST_BYTES:
        raise UnreadableForm(TOO_LARGE)
    if not content.startswith(_ZIP):
        raise UnreadableForm(_other_than_an_archive(content))
    if content[-_END_RECORD.size :][:4] != _END or content[-42:-38] == _ZIP64_LOCATOR:
        raise UnreadableForm(DAMAGED)
    _, _, _, _, parts, directory_bytes, _, _ = _END_RECORD.unpack(content[-_END_RECORD.size :])
    if parts > MOST_PARTS or directory_bytes > _MOST_DIRECTORY_BYTES:
        raise UnreadableForm(TOO_LARGE)


def _other_than_an_archive(content: bytes) -> Sentence:
    if not content.startswith(_COMPOUND_FILE):
        return _NO_WORKBOOK
    return _ENCRYPTED if _ENCRYPTED_PACKAGE in content else _OTHER_FORMAT


def _require_sound(infos: list[zipfile.ZipInfo], packed: int) -> dict[str, zipfile.ZipInfo]:
    """Return the parts by their names, which know no case (ISO/IEC 29500-2 §6.2.2.3). Raises UnreadableForm."""
    unpacked = sum(info.file_size for info in infos)
    if len(infos) > MOST_PARTS or unpacked > min(MOST_BYTES_UNPACKED, MOST_EXPANSION * packed):
        raise UnreadableForm(TOO_LARGE)
    if any(info.flag_bits & _ENCRYPTED_ENTRY for info in infos):
        raise UnreadableForm(_ENCRYPTED)
    parts = {info.filename.casefold(): info for info in infos}
    if len(parts) < len(infos) or not all(_is_sound(info) for info in infos):
        raise UnreadableForm(DAMAGED)
    return parts


def _is_sound(info: zipfile.ZipInfo) -> bool:
    name = info.orig_filename
    return (
        info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        and not name.startswith("/")
        and ".." not in name.split("/")
        and "\\" not in name
        and ":" not in name
        and name.isprintable()
    )
