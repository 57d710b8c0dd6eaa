"""The wire: the words and shapes that server and client both speak. No I/O; imports nothing of ours but `keys`."""
