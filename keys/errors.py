"""What can go wrong with a key, each with a sentence that a person can act on, and the facts in it apart.

KeysError
├── UnsupportedKey      a kind of key that this service does not take
├── WeakKey             a kind it takes, but this one can be broken
├── BadSigningRequest   a PKCS#10 request that is malformed, unproven or asks for too much
├── BadSignature        a signature that does not verify
├── WrongPassphrase     a key file that does not open with what was given
├── KeystoreError       a key that cannot be written, read or kept
└── SealBroken          sealed bytes that no known secret opens
"""


class KeysError(Exception):
    """Stands above every error of this package, so that an edge can catch them together.

    `template` and `facts` are there for whoever says the sentence in another language.
    """

    def __init__(self, template: str = "", **facts: object) -> None:
        super().__init__(template.format_map(facts) if facts else template)
        self.template = template
        self.facts = facts


class UnsupportedKey(KeysError):
    """Names a key whose algorithm, curve or size is outside the table in `keys.algorithms`."""


class WeakKey(KeysError):
    """Names the weakness of a key whose kind would be accepted."""


class BadSigningRequest(KeysError):
    """Says what is wrong with a certificate signing request."""


class BadSignature(KeysError):
    """Says that a signature does not belong to the key and the bytes."""


class WrongPassphrase(KeysError):
    """Says that a key file needs another passphrase, or one at all."""


class KeystoreError(KeysError):
    """Says which file could not be written or read, and why."""


class SealBroken(KeysError):
    """Says that sealed bytes were altered, moved to another owner, or sealed with an unknown secret."""
