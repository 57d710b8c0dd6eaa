"""The signing room: the only user of a CA key. Profiles, the linter, the issuer, the hierarchy, CRLs, OCSP answers."""
