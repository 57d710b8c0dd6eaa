"""Publishes an agency's CRL once, in a process of its own, and prints the seconds that the publication took.

`python -m bench.press CONFIG`: the product's own way from the records to the file in place. What a running server has
done long before (reading the configuration, opening key and records) is not counted; the whole process is measured by
who starts it.
"""

import asyncio
import sys
import time
from pathlib import Path

from ca_server import keyring, store
from ca_server.clock import HOUR, SystemClock
from ca_server.config import load
from ca_server.operations import publication


async def publish(path: Path) -> float:
    """Publish, and return the seconds it took."""
    config = load(path)
    authority = config.authority
    signer = keyring.load_signer(
        authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file
    )
    file = f"{authority.issuer}.crl"
    press = publication.Press(
        authority.issuer,
        signer,
        config.server.public_folder / file,
        f"{config.server.http_url}/crl/{file}",
        authority.crl_hours * HOUR,
    )
    database = await store.Database.open(config.server.database)
    try:
        began = time.perf_counter()
        await publication.publish(database, [press], "bench", SystemClock())
        return time.perf_counter() - began
    finally:
        await database.close()


if __name__ == "__main__":
    print(asyncio.run(publish(Path(sys.argv[1]))))
