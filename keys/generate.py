"""Makes private keys of the kinds in `keys.algorithms`, from the operating system's randomness (OpenSSL's DRBG)."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keys.algorithms import KEY_KINDS, PUBLIC_EXPONENT, PrivateKey
from keys.errors import UnsupportedKey


def generate(kind_name: str) -> PrivateKey:
    """Makes a fresh private key of the kind with this name, such as "P-256" or "RSA-3072".

    Raises UnsupportedKey when no kind has the name.
    """
    kind = next((kind for kind in KEY_KINDS if kind.name == kind_name), None)
    if kind is None:
        known = ", ".join(kind.name for kind in KEY_KINDS)
        raise UnsupportedKey(f"There is no kind of key called {kind_name!r}; the kinds are {known}.")
    if isinstance(kind.parameter, ec.EllipticCurve):
        return ec.generate_private_key(kind.parameter)
    if isinstance(kind.parameter, int):
        return rsa.generate_private_key(PUBLIC_EXPONENT, kind.parameter)
    return ed25519.Ed25519PrivateKey.generate()
