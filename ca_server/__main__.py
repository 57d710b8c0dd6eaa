"""Runs `warifu-ca` as `python -m ca_server`."""

from ca_server.cli import main

main()
