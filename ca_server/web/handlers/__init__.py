"""One module a resource; a handler parses, calls one operation, renders."""
