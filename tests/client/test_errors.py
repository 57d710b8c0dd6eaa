"""What a file or key that cannot be used is to the person: what happened to which file, and the way out."""

import errno
import os
from pathlib import Path

import pytest

from client.errors import ClientError, from_keys
from client.language import Language, japanese
from keys.errors import KeysError
from keys.generate import generate
from keys.keystore import load_key, save_key

NO_ROOM = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/home/pc/key.pem")


def said(error: ClientError, language: Language) -> str:
    return " ".join(language.say(each, **error.facts) for each in (error.sentence, error.remedy) if each)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, ("ディスクに空きがありません: /home/pc/key.pem。", "失われたものはありません")),
        (errno.EACCES, ("権限がありません", "証明書を使うユーザーで実行")),
        (errno.EROFS, ("/home/pc/key.pem のあるディスクには書き込めません。",)),
        (errno.ENOENT, ("/home/pc/key.pem がないか",)),
        (errno.ELOOP, ("/home/pc/key.pem を使えません（",)),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_way_out(number: int, words: tuple[str, ...]) -> None:
    told = said(from_keys(OSError(number, os.strerror(number), "/home/pc/key.pem")), japanese())
    assert [word for word in words if word not in told] == []


def test_a_key_that_cannot_be_written_is_named_not_the_passing_file_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "key.pem"
    with pytest.raises(KeysError) as caught:
        save_key(path, generate("P-256"), None)
    assert said(from_keys(caught.value), japanese()).startswith(f"{path} がないか、")


def test_what_is_wrong_with_a_key_is_said_in_the_readers_language(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    save_key(path, generate("P-256"), "a passphrase")
    with pytest.raises(KeysError) as caught:
        load_key(path, None)
    assert said(from_keys(caught.value), japanese()) == f"{path} は暗号化されています。パスフレーズが必要です。"


@pytest.mark.parametrize("words", ["The token said {0x5}.", "There is no key b}c."])
def test_braces_in_what_a_token_says_are_no_places_for_facts(words: str) -> None:
    assert said(from_keys(KeysError(words)), japanese()) == words
