"""The service: command `warifu-ca`, the certificate authority that the institutions' PCs enrol with."""
