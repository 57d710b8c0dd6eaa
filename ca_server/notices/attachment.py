"""Attachments 添付ファイル: a mail that carries files is multipart/mixed, the text first (RFC 2046 §5.1.3)."""

import dataclasses
import re
from collections.abc import Iterable
from email.encoders import encode_base64
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.policy import Compat32

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A file that a mail carries; `parameters` are those of its type, such as the charset of a text.

    Raises ValueError when the name is not of ASCII letters, digits, dots, dashes and underscores: other names need
    RFC 2231, which mail programs read differently.
    """

    name: str
    content: bytes = dataclasses.field(repr=False)
    maintype: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("The name of an attachment has ASCII letters, digits, dots, dashes and underscores only.")

    def part(self, policy: Compat32) -> MIMEBase:
        """Return it as a part of a mail, in base64 whatever it is, so that it arrives to the byte."""
        part = MIMEBase(self.maintype, self.subtype, policy=policy, **dict(self.parameters))
        part.set_payload(self.content)
        encode_base64(part)
        part.add_header("Content-Disposition", "attachment", filename=self.name)
        return part


def enclose(text: Message, attachments: Iterable[Attachment], mail_id: str, policy: Compat32) -> MIMEMultipart:
    """Return the mail of a text and its attachments.

    The boundary comes from the mail's id, so that another try is the same to the byte; no base64 contains its `=_`.
    """
    parts = [text, *(attachment.part(policy) for attachment in attachments)]
    return MIMEMultipart("mixed", f"=_{mail_id}", parts, policy=policy)
