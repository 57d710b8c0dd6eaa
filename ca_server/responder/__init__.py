"""OCSP answers, CRLs and CA certificates on the plain http address that certificates name."""
