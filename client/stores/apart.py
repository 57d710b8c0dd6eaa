"""Calls the libraries of tokens in one thread of their own.

Such libraries use the OpenSSL that Python's TLS uses, and leave errors in its queue, of which each thread has one. TLS
would find them there at its next read and take the connection for lost (SoftHSM2 leaves "no such engine"). One thread
is also one call at a time, which most tokens want.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_THREAD: Final = ThreadPoolExecutor(1, "tokens")


def apart(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Have a function run in the tokens' thread; it must not call another such function."""

    @functools.wraps(function)
    def called(*arguments: _Given.args, **named: _Given.kwargs) -> _Result:
        return _THREAD.submit(function, *arguments, **named).result()

    return called
