"""`warifu-ca relying-party`: a configuration that lets the right PC into a relying system (業務支援統合システム)."""

from pathlib import Path

import click

from ca_server.cli.front import Command
from ca_server.cli.options import common, not_a_code, settings
from ca_server.cli.output import answer, warn
from ca_server.errors import Invalid
from ca_server.language import Sentence, sentence
from ca_server.relying_party.kit import ROOT, SERVERS, Authority, Kit, NotPlain, write

_EXAMPLE = "www.example.jp"


@click.command("relying-party", cls=Command)
@click.argument("server", type=click.Choice(SERVERS))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="An empty folder, or a new one.")
@click.option("--server-name", default=_EXAMPLE, show_default=True, metavar="NAME", help="The system's host name.")
@click.option("--institution", "institutions", multiple=True, metavar="CODE", help="Let in this one only (repeatable).")
@click.option(
    "--upstream",
    default="http://127.0.0.1:8000",
    show_default=True,
    metavar="URL",
    help="The system behind the server.",
)
@common
def relying_party(server: str, output: Path, server_name: str, institutions: tuple[str, ...], upstream: str) -> None:
    """Write a configuration that lets PCs with a valid certificate in.

    For nginx, apache or haproxy; with `python`, a module that verifies
    certificates in your own program. README.md in the folder explains it.
    """
    kit = Kit(server, output.absolute(), server_name, _codes(institutions), upstream)
    authority = _authority()
    try:
        files = write(kit, authority)
    except NotPlain as error:
        raise Invalid({error.name: _remedy(error)}) from error
    except FileExistsError as error:
        raise Invalid({"output": sentence("{path} is not an empty folder.", path=output)}) from error
    if server_name == _EXAMPLE and server != "python":
        warn(sentence("{name} is an example; give the system's own name by --server-name.", name=server_name))
    for name in (ROOT, *authority.issuing):
        if name not in authority.crls:
            warn(sentence("There is no CRL {name}.crl yet: run fetch-crls before you start the server.", name=name))
    answer(
        {"server": server, "output": str(kit.folder), "files": [str(path) for path in files]},
        [sentence("{path} holds the kit for {server}; read its README.md first.", path=kit.folder, server=server)],
    )


def _remedy(error: NotPlain) -> Sentence:
    """Return what is to be done about a value that cannot stand in a configuration."""
    if error.name == "upstream":
        return sentence("{value!r} is not of the form http://host:port.", value=error.value)
    return sentence("{value!r} may have ASCII letters, digits and : / . _ - only.", value=error.value)


def _codes(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return institutions' codes. Raises Invalid when a text is none."""
    from protocol.names import BadName, InstitutionCode

    codes = []
    for text in texts:
        try:
            codes.append(str(InstitutionCode.parse(text)))
        except BadName as error:
            raise Invalid({"institution": not_a_code(text)}) from error
    return tuple(dict.fromkeys(codes))


def _authority() -> Authority:
    """Return what the configuration says of the CA. Raises KeystoreError when a certificate cannot be read."""
    from ca_server import keyring

    config = settings().config()
    issuing = {each.issuer: keyring.load_certificate(each.issuing_certificate) for each in config.authorities}
    published = {name: config.server.public_folder / f"{name}.crl" for name in (ROOT, *issuing)}
    operator = config.operator
    return Authority(
        organization=config.authority.organization,
        http_url=config.server.http_url,
        root=keyring.load_certificate(config.authority.root_certificate),
        issuing=issuing,
        crls={name: path.read_bytes() for name, path in published.items() if path.exists()},
        ocsp_answer_minutes=config.authority.ocsp_answer_minutes,
        contact=f"{operator.contact_name} · {operator.telephone} · {operator.mail} · {operator.hours}",
    )
