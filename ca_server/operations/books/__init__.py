"""The books, one module a chapter: each compares what the records say twice, or what they say with what is outside."""
