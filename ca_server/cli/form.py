"""`warifu-ca form`: the blank application forms (申請書の様式), as Excel workbooks."""

from pathlib import Path

import click

from ca_server.cli.front import Group
from ca_server.cli.options import common, settings
from ca_server.cli.output import answer
from ca_server.domain.applications import Kind
from ca_server.errors import Invalid
from ca_server.language import CODES, choose, sentence


@click.group(cls=Group)
@common
def form() -> None:
    """Draw blank application forms (申請書の様式)."""


@form.command()
@click.argument("kind", type=click.Choice([kind.value for kind in Kind], case_sensitive=False))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Where to write it.")
@click.option("--language", type=click.Choice(CODES), help="The language of the form (else yours).")
@common
def new(kind: str, output: Path, language: str | None) -> None:
    """Write a blank form that institutions fill in.

    DCM902 new certificates, DCM903 revocation, DCM904 revocation and new
    issuance, DCM905 change of administrator.
    """
    from ca_server.domain.forms import FORMS
    from ca_server.forms import layout
    from ca_server.forms.drawing import draw
    from ca_server.pages import stationery_of

    config = settings().config()
    chosen = settings().language if language is None else choose(language, {})
    content = draw(FORMS[Kind(kind)], stationery_of(config), chosen)
    try:
        with output.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise Invalid({"output": sentence("{path} exists; it is never overwritten.", path=output)}) from error
    answer(
        {"kind": kind, "version": layout.VERSION, "language": chosen.code, "output": str(output)},
        [sentence("{path} is the blank form {kind}.", path=output, kind=kind)],
    )
