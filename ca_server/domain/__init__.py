"""The rules, pure: frozen values and functions of facts and the moment. No I/O, no clock, no SQL, no HTTP."""
