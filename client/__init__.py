"""THE PC'S SIDE: the command `warifu`. Enrols, keeps, renews and revokes the certificates of this PC over ACME."""
