"""Backups: what goes into them and where, how they are written, and how they become a CA again in an empty folder."""
