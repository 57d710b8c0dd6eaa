"""The front: parses, authenticates, calls one operation, renders. With `responder` the only user of aiohttp here."""
