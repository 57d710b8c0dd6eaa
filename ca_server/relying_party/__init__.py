"""The relying-party kit: configurations that let the right PC into a relying system, written for one CA."""
