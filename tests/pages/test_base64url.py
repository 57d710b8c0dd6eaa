"""base64url is written and read by the page as by the server."""

import base64

from hypothesis import strategies as st

from protocol import base64url
from tests.pages.page import Refused, call, examples


def test_the_page_writes_what_the_server_writes_and_reads_it_again() -> None:
    values = examples(st.binary(max_size=100), 500)
    texts = call("base64url", "encode", *([value] for value in values))

    assert texts == [base64url.encode(value) for value in values]
    assert call("base64url", "decode", *([text] for text in texts)) == values


def test_the_page_reads_a_text_only_if_the_server_does() -> None:
    letters = st.text("AQgwZz09-_+/= \n", max_size=9)
    texts = sorted({*examples(letters, 1000), "AB", "AA", "A", "AA==", "A A", "é", "AAA\n", "+/+/"})

    assert call("base64url", "decode", *([text] for text in texts)) == [_read(text) for text in texts]


def test_what_is_longer_than_a_call_has_arguments_is_written() -> None:
    octets = bytes(range(256)) * 1000

    assert call("base64url", "encode", [octets]) == [base64.urlsafe_b64encode(octets).decode().rstrip("=")]


def _read(text: str) -> bytes | Refused:
    try:
        return base64url.decode(text)
    except ValueError:
        return Refused("SyntaxError")
