"""Runs one program and writes what it used to a pipe: seconds, CPU seconds, peak memory in KiB.

A process of its own, and a small one, because Linux counts the memory of whoever starts a program to its peak. Run with
`python -I -S`, so it imports the standard library alone.
"""

import os
import sys
import time

pipe, command = int(sys.argv[1]), sys.argv[2:]
os.set_inheritable(pipe, False)
began = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
took = time.perf_counter() - began
os.write(pipe, f"{took} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
