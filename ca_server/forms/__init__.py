"""The four workbooks (DCM902–905) belong here: they draw and read cells; fields and rules are the domain's."""
