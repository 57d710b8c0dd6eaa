"""The use cases, one module a chapter of the manual; each operation one transaction, three procedures between them."""
