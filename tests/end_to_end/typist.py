"""Somebody at LibreOffice Calc: opens a workbook, types into its cells by the keyboard, looks at others, saves.

Debian's Python runs this file, for `uno` belongs to that one; spreadsheet.py starts it and hands it a JSON job a line.
The keys go to LibreOffice's own window through its interface for testing the user interface (com.sun.star.ui.test), so
that everything acts that acts on a person: sheet protection, the validation of entries, the reading of dates and wide
digits. Without a screen its message boxes show themselves to nobody and close, so that nothing waits for a click.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import uno
import unohelper
from com.sun.star.awt.PosSize import POSSIZE
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.datatransfer import DataFlavor, XTransferable
from com.sun.star.lang import DisposedException

_PIPE = f"typist-{os.getpid()}"
_START_SECONDS = 60
_WINDOW = (0, 0, 500, 400)  # x, y, width, height: every key draws all of it anew
_WINDOW_SECONDS = 10

# A Japanese desk: 2026/12/22 is a date there. What stands in other cells shall not finish what is typed.
_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>ja-JP</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Input"><prop oor:name="AutoInput" oor:op="fuse"><value>false</value></prop></item>
</oor:items>
"""  # noqa: E501 - a prop and its item stand on one line, for white space would be a value


class Clipping(unohelper.Base, XTransferable):
    """A text in the clipboard."""

    def __init__(self, text):
        self._text = text

    def getTransferData(self, _flavor):  # noqa: N802 - the names of the interface
        return self._text

    def getTransferDataFlavors(self):  # noqa: N802
        flavor = DataFlavor()
        flavor.MimeType, flavor.DataType = "text/plain;charset=utf-16", uno.getTypeByName("string")
        return (flavor,)

    def isDataFlavorSupported(self, flavor):  # noqa: N802
        return flavor.MimeType.startswith("text/plain")


class Typist:
    """The hands at a running LibreOffice."""

    def __init__(self, context):
        self._desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
        self._screen = context.ServiceManager.createInstanceWithContext("org.libreoffice.uitest.UITest", context)

    def do(self, job):
        """Do one job and return what came of it."""
        return self._print(**job) if "pdf" in job else self._fill(**job)

    def leave(self):
        """Close LibreOffice."""
        with contextlib.suppress(DisposedException):  # it goes while it answers
            self._desktop.terminate()

    def _fill(self, blank, filled, entries, look, copies):
        shutil.copyfile(blank, filled)
        document = self._load(filled)
        try:
            # Looked for once: a message box, of which without a screen nothing is seen, keeps the focus from then on.
            grid = self._window(document).getChild("grid_window")
            steps = []
            for entry in entries:
                took = _enter(document, grid, **entry)
                steps.append({"took": took, "shown": [_cell(document, *place).String for place in look]})
            if copies:
                document.unprotect("")
            for sheet, title in copies:
                document.Sheets.copyByName(sheet, title, document.Sheets.Count)
            document.store()
        finally:
            document.close(True)
        return {"steps": steps}

    def _window(self, document):
        """Return the workbook's window, brought to the front."""
        container = document.CurrentController.Frame.ContainerWindow
        container.setPosSize(*_WINDOW, POSSIZE)
        container.toFront()
        container.setFocus()
        deadline = time.monotonic() + _WINDOW_SECONDS
        while time.monotonic() < deadline:
            window = self._screen.getTopFocusWindow()
            if "grid_window" in window.getChildren():
                return window
            time.sleep(0.02)
        raise TimeoutError("the workbook's window did not come to the front")

    def _print(self, workbook, pdf):
        document = self._load(workbook, ReadOnly=True)
        try:
            document.storeToURL(Path(pdf).as_uri(), _values(FilterName="calc_pdf_Export"))
        finally:
            document.close(True)
        return {}

    def _load(self, path, **options):
        document = self._desktop.loadComponentFromURL(Path(path).as_uri(), "_blank", 0, _values(**options))
        if document is None:
            raise OSError(f"LibreOffice does not open {path}")
        return document


def _start(profile):
    """Start LibreOffice with a profile of its own."""
    settings = profile / "user" / "registrymodifications.xcu"
    settings.parent.mkdir(parents=True)
    settings.write_text(_SETTINGS, "utf-8")
    return subprocess.Popen(
        [
            "soffice", "--headless", "--norestore", "--nologo", "--nodefault", "--nofirststartwizard",
            f"-env:UserInstallation={profile.as_uri()}", f"--accept=pipe,name={_PIPE};urp;",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _connect(office):
    """Wait until LibreOffice answers; a new profile is set up first, for which it starts itself once more."""
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return resolver.resolve(f"uno:pipe,name={_PIPE};urp;StarOffice.ComponentContext")
        except NoConnectException:
            if office.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _enter(document, grid, sheet, cell, text, pasted):
    """Type or paste into a cell and tell whether it took what was entered."""
    view = document.CurrentController
    view.setActiveSheet(document.Sheets.getByName(sheet))
    target = _cell(document, sheet, cell)
    before = target.Formula
    view.select(target)
    if pasted:
        view.insertTransferable(Clipping(text))
    elif text:
        grid.executeAction("TYPE", _values(TEXT=text))
        grid.executeAction("TYPE", _values(KEYCODE="RETURN"))
    else:
        grid.executeAction("TYPE", _values(KEYCODE="DELETE"))
    return target.Formula != before


def _cell(document, sheet, cell):
    return document.Sheets.getByName(sheet).getCellRangeByName(cell)


def _values(**named):
    values = []
    for name, value in named.items():
        one = PropertyValue()
        one.Name, one.Value = name, value
        values.append(one)
    return tuple(values)


def main(profile):
    """Do the jobs of standard input, a line each, until it ends."""
    office = _start(Path(profile))
    typist = Typist(_connect(office))
    for line in sys.stdin:
        try:
            answer = typist.do(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    typist.leave()
    office.wait()


if __name__ == "__main__":
    main(sys.argv[1])
