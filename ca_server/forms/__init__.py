"""The four workbooks (DCM902–905) have their place here: they draw and read cells; fields and rules are the domain's."""
