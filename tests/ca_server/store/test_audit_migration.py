"""Records of before the tree come into it whole: in their order, with the hashes and ids that it needs."""

import hashlib
import json
import sqlite3
from pathlib import Path

from tests.ca_server.databases import file_of

CERTIFICATE = (
    "INSERT INTO certificate (serial, status, issuer, cn, order_id, account_id, spki_sha256, not_before, not_after,"
    " tbs_sha256, der, planned_at, issued_at, address, agent, server, lease_until, attempts)"
    " VALUES (?, ?, 'issuing-1', 'F123456-001', 'o', 'a', '', 0, 0, '', ?, 0, 50, '', '', '', 0, 0)"
)


def test_entries_of_before_keep_their_order_and_say_what_the_tree_needs(tmp_path: Path) -> None:
    path = tmp_path / "warifu.db"
    file_of(path, "0005")
    entries = [  # ids fall, so that the order can only come from the writing
        ("officer added", "佐藤", {"role": "ra"}),
        ("certificate issued", "F123456-001", {"serial": "ab"}),
        ("wrong password", "F123456-001", {}),
        ("mail dead", "F123456-001", {}),
        ("officer refused", "佐藤", {}),
    ]
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO officer VALUES ('o1', '佐藤', '佐藤', 'ra', NULL, 0, NULL)")
        raw.execute(CERTIFICATE, ("ab", "issued", b"one"))
        raw.execute(CERTIFICATE, ("cd", "revoked", b"other"))
        for number, (action, subject, detail) in enumerate(entries):
            identity = f"{'zyxwv'[number]}{'0' * 25}"
            row = (identity, None, 50, "login:root", action, subject, json.dumps(detail))
            raw.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    raw.close()
    file_of(path, "0006")
    with sqlite3.connect(path) as raw:
        rows = raw.execute("SELECT action, subject, result, detail, place, salt FROM audit ORDER BY id").fetchall()
    raw.close()
    digests = [hashlib.sha256(der).hexdigest() for der in (b"one", b"other")]
    assert [(action, subject, result, json.loads(detail)) for action, subject, result, detail, *_ in rows] == [
        ("officer added", "officer:o1", "done", {"role": "ra", "name": "佐藤"}),
        ("certificate issued", "F123456-001", "done", {"serial": "ab", "sha256": digests[0]}),
        ("wrong password", "F123456-001", "refused", {}),
        ("mail dead", "F123456-001", "failed", {}),
        ("officer refused", "officer", "refused", {"name": "佐藤"}),
        ("certificate stored", "F123456-001", "done", {"serial": "cd", "sha256": digests[1]}),
    ]
    assert {row[4:] for row in rows} == {(None, None)}
