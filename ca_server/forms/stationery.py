"""What the operator puts on the forms: its name, to whom they go, and what the applicant agrees to."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Stationery:
    """The operator's part of a blank form."""

    organization: str
    addressees: tuple[str, ...]
    """To whom the form is addressed, a line each."""
    cps_url: str
    """Where the CP/CPS is read that the applicant accepts."""
    privacy_url: str | None = None
    """Where the privacy policy is read, when there is one."""
    most_certificates: int = 100
    """Certificates that one application may ask for."""
