"""Which addresses mails may go to."""

import pytest

from ca_server.domain.mail_address import UnsafeAddress, require_safe_address


@pytest.mark.parametrize(
    "address",
    [
        "hanako@bank.example",
        "hanako.yamada+shomei@sub.bank.example.jp",
        "o'neill_1-2@x9.example",
        "h@b.jp",
        "h" * 64 + "@bank.example",
        "h@" + "a" * 63 + ".example",
        "h" * 64 + "@" + "a." * 93 + "jp2",
        "hanako@xn--wgv71a119e.jp",
    ],
)
def test_a_plain_address_is_returned_as_it_is(address: str) -> None:
    assert require_safe_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "hanako",
        "hanako@",
        "@bank.example",
        "hanako@bank",
        "hanako@@bank.example",
        "a@b.example@c.example",
        "a@b.example,c@d.example",
        "a@b.example;c@d.example",
        "a@b.example c@d.example",
        "a b@bank.example",
        " a@bank.example",
        "a@bank.example ",
        "a@bank.example\r\nBcc: c@d.example",
        "a@bank.example\r\n",
        "a@bank.example\n",
        "a@bank.example\r",
        "a\0@bank.example",
        "a@bank.example\0",
        "a\t@bank.example",
        "a\x7f@bank.example",
        "a\u2028@bank.example",
        "a@bank.example\u2028",
        "a\u202e@bank.example",
        "a\u3000b@bank.example",
        "a＠bank.example",
        "花子@bank.example",
        "a@銀行.example",
        "a@bank。example",
        '"a b"@bank.example',
        '"a"@bank.example',
        '"a@b.example"@bank.example',
        "Hanako <a@bank.example>",
        "<a@bank.example>",
        "a@bank.example>",
        "<a@b.example><c@d.example>",
        "a(note)@bank.example",
        "-oQ/tmp@bank.example",
        "--@bank.example",
        "a@-bank.example",
        "a@bank-.example",
        "a@bank..example",
        "a@.bank.example",
        "a@bank.example.",
        ".a@bank.example",
        "a.@bank.example",
        "a..b@bank.example",
        "a@[192.0.2.1]",
        "a@192.0.2.1",
        "a@bank_x.example",
        "a\\b@bank.example",
        "h" * 65 + "@bank.example",
        "h@" + "a" * 64 + ".example",
        "h" * 64 + "@" + "a." * 94 + "jp",
        "h@" + "a." * 130 + "jp",
    ],
)
def test_anything_else_is_refused_in_a_sentence_that_does_not_repeat_it(address: str) -> None:
    with pytest.raises(UnsafeAddress) as refused:
        require_safe_address(address)
    assert str(refused.value).startswith(("A mail address", "The name", "The domain"))
    assert str(refused.value).endswith(".")
    assert len(address) < 6 or address not in str(refused.value)
