"""Plays powershell.exe for the client's scripts: reads the command line and the literal as PowerShell does, and does
what the .NET calls in the script say, on a `WindowsPc`.
"""

import base64
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from tests.client.stand_ins.windows_pc import (
    WindowsError,
    WindowsPc,
    certificate_of,
    point,
    row,
    sign_hash,
    thumbprint,
)

_QUOTES = "'‘’‚‛"
_LONGEST = 32_767

Answer = dict[str, Any]


def main(state: Path, arguments: list[str]) -> int:
    """Run one script."""
    script = decoded(arguments)
    pc = WindowsPc(state)
    if pc.traits.constrained:
        # Only what the mode allows: reading the mode, and writing.
        assert "$ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage'" in script
        print(single_quoted(script, script.index("Write-Output ") + len("Write-Output ")))
        return 0
    given = json.loads(single_quoted(script, script.index("ConvertFrom-Json ") + len("ConvertFrom-Json ")))
    try:
        answer = _act(script)(pc, script, given)
    except WindowsError as error:
        answer = {"error": "failed", "message": error.message, "code": f"0x{error.code:08X}"}
    print("何かの知らせ\nwarifu:" + json.dumps(answer))
    return 0


def decoded(arguments: list[str]) -> str:
    """Return the script of a command line that PowerShell would take."""
    *options, encoded = arguments
    assert options == ["-NoProfile", "-NonInteractive", "-OutputFormat", "Text", "-EncodedCommand"]
    assert len(subprocess.list2cmdline(["powershell.exe", *arguments])) < _LONGEST
    return base64.b64decode(encoded, validate=True).decode("utf-16-le")


def single_quoted(script: str, start: int) -> str:
    """Return the value of the single-quoted literal that begins at a place, by PowerShell's rules: any of five quotes
    ends it, unless two of them follow each other.
    """
    assert script[start] in _QUOTES
    value, place = "", start + 1
    while True:
        letter = script[place]
        if letter in _QUOTES:
            if script[place + 1] not in _QUOTES:
                return value
            place += 1
        value += letter
        place += 1


def _act(script: str) -> Callable[[WindowsPc, str, Answer], Answer]:
    """Return what a script does, told by the call that only it makes."""
    acts = {
        "GetMethod('CopyWithPrivateKey')": _probe,
        "::CopyWithPrivateKey(": _install,
        "[System.Security.Cryptography.CngKey]::Create(": _create,
        ".SignHash(": _sign,
        "GetECDsaPrivateKey": _list,
        ".InstallResponse(4, ": _respond,
        "$store.Remove(": _delete,
    }
    (act,) = [act for call, act in acts.items() if call in script]
    return act


def _probe(pc: WindowsPc, _: str, __: Answer) -> Answer:
    return {"modern": pc.traits.modern}


def _create(pc: WindowsPc, script: str, given: Answer) -> Answer:
    policy = re.search(r"ExportPolicy = \[System\.Security\.Cryptography\.CngExportPolicies\]::(\w+)", script)
    failures = []
    for provider in given["providers"]:
        try:
            if pc.key_exists(provider, given["name"]):
                pc.delete_key(provider, given["name"])
            exportable = policy is None or policy[1] != "None"
            key = pc.create_key(provider, given["name"], exportable=exportable)
        except WindowsError as error:
            failures.append(f"{provider}: {error.message}")
            continue
        try:
            pc.export_key(provider, given["name"])
        except WindowsError:
            blob = b"ECS1\x20\0\0\0" + point(key)[1:]
            return {"provider": provider, "public": base64.b64encode(blob).decode()}
        pc.delete_key(provider, given["name"])
        raise WindowsError(0x80131501, f"{provider} made a key that can be exported.")
    raise WindowsError(0x80131501, " ".join(failures))


def _sign(pc: WindowsPc, _: str, given: Answer) -> Answer:
    key = pc.open_key(given["provider"], given["name"])
    return {"signature": base64.b64encode(sign_hash(key, base64.b64decode(given["digest"]))).decode()}


def _install(pc: WindowsPc, script: str, given: Answer) -> Answer:
    assert "-ArgumentList 'My', 'CurrentUser'" in script
    key = pc.open_key(given["provider"], given["name"])
    leaf = x509.load_der_x509_certificate(base64.b64decode(given["certificate"]))
    if point(leaf) != point(key):
        raise WindowsError(0x80070057, "指定された秘密キーは、この証明書の公開キーと一致しません。")
    pc.add("My", thumbprint(leaf), row(leaf, given["friendlyName"], [given["provider"], given["name"]]))
    for each in given["issuers"]:
        issuer = x509.load_der_x509_certificate(base64.b64decode(each))
        pc.add("CA", thumbprint(issuer), row(issuer, "", None))
    return {"thumbprint": thumbprint(leaf)}


def _list(pc: WindowsPc, _: str, given: Answer) -> Answer:
    listed = []
    for _path, entry in pc.entries("My"):
        if re.search(given["pattern"], entry["name"]):
            provider, label = entry["key"] or (None, None)
            item = {"name": entry["name"], "certificate": entry["certificate"], "provider": provider, "label": label}
            listed.append(item)
    return {"certificates": listed}


def _delete(pc: WindowsPc, _: str, given: Answer) -> Answer:
    for path, entry in list(pc.entries("My")):
        if base64.b64encode(point(certificate_of(entry))).decode() == given["point"]:
            path.unlink()
    for provider in given["providers"]:
        try:
            there = pc.key_exists(provider, given["name"])
        except WindowsError:
            continue
        if there:
            pc.delete_key(provider, given["name"])
    return {"deleted": True}


def _respond(pc: WindowsPc, _: str, given: Answer) -> Answer:
    chain = pkcs7.load_der_pkcs7_certificates(base64.b64decode(given["response"]))
    pc.install_response(chain, given["friendlyName"], any_root=True)
    return {"installed": True}
