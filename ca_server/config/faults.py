"""What is wrong with a configuration, all of it named at once."""

from pathlib import Path

from ca_server.language import sentence


class BadConfiguration(Exception):
    """The file cannot be used; `faults` names every field that is wrong and what it should be."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        self.summary = sentence("{path} cannot be used:", path=path)
        self.faults = faults
        super().__init__("\n".join([self.summary, *(f"  {fault}" for fault in faults)]))


def at(place: str, fault: str) -> str:
    """Return a fault with the setting it is found at."""
    return sentence("{place}: {fault}", place=place, fault=fault)
