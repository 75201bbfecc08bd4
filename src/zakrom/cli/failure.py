"""How a command fails: one line on stderr that says what to do, and an exit code that scripts can rely on.

The third dress of an error, beside S3's XML and the admin API's JSON. One table: a branch of `errors` is an exit code.
"""

from __future__ import annotations

from zakrom import errors

EXIT_CODES: dict[type[errors.Error], int] = {
    errors.Error: 1,
    errors.Invalid: 2,
    errors.NotFound: 3,
    errors.Denied: 4,
    errors.Conflict: 5,
    errors.Exhausted: 6,
    errors.Unavailable: 7,
    errors.Corrupt: 8,
}

MEANINGS: dict[int, str] = {
    0: "done",
    1: "it failed, and no better word was found",
    2: "the command, a setting or a value is not valid: change it",
    3: "what was named does not exist",
    4: "denied: wrong key, or not allowed",
    5: "conflict: the state of the store forbids it now",
    6: "no room, or a quota is used up",
    7: "the server cannot answer now: try again",
    8: "stored data is damaged: look at the log",
    130: "interrupted",
}

INTERRUPTED = 130  # 128 + SIGINT, what shells report


def exit_code(error: errors.Error) -> int:
    """The exit code of an error: that of its branch."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def line(error: errors.Error) -> str:
    """The one line that an operator reads: ``error: message: bucket=b (hint)``.

    Fields that the message already contains are not repeated; nothing of an error is a secret.
    """
    facts = {name: value for name, value in error.fields.items() if name != "hint" and value is not None}
    unsaid = ", ".join(f"{name}={value}" for name, value in facts.items() if str(value) not in error.message)
    hint = error.fields.get("hint")
    return "".join(("error: ", error.message, f": {unsaid}" if unsaid else "", f" (hint: {hint})" if hint else ""))
