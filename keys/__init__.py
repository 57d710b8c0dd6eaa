"""KEYS. Make, judge, keep and use a key: no I/O but the key's own file or token; imports nothing else of ours."""
