"""The configuration: one TOML file, read once into frozen values, every fault of it named before anything starts.

`conf/warifu.toml` shows every field. Relative paths start at the folder of the file.
"""

from ca_server.config.contradictions import address_of
from ca_server.config.faults import BadConfiguration
from ca_server.config.reading import load
from ca_server.config.sections import Config, IssuingAuthority, Operator, Responder

__all__ = ["BadConfiguration", "Config", "IssuingAuthority", "Operator", "Responder", "address_of", "load"]
