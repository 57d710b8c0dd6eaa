"""Every figure that the README claims, by one command, peers beside us in the same run: `make bench`."""
