"""`python -m client` is `warifu`, for a schedule that has no other way to name it."""

from client.cli import main

main()
