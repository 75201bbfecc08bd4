"""A small reader of Dockerfiles, enough to check ours and to run its commands.

Source: Docker, "Dockerfile reference": comments, continuation lines, exec form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "ONBUILD", "RUN", "SHELL",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip


class Instruction(NamedTuple):
    """One instruction: its word, and the rest of its line."""

    word: str
    rest: str

    def exec_form(self) -> list[str]:
        """The list of a command in exec form. Raises ValueError for the shell form."""
        words = json.loads(self.rest[self.rest.index("[") :])
        assert all(isinstance(word, str) for word in words)
        return list(words)


def instructions(path: Path) -> Iterator[Instruction]:
    """All instructions of a file. Raises ValueError for a word that is none."""
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text("utf-8"))
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            if word not in INSTRUCTIONS:
                raise ValueError(f"{word} is no instruction")
            yield Instruction(word, rest.strip())


def stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage, FROM first; ARGs before the first FROM belong to none."""
    made: list[list[Instruction]] = []
    for instruction in instructions(path):
        if instruction.word == "FROM":
            made.append([])
        if made:
            made[-1].append(instruction)
    return made


def environment(stage: list[Instruction]) -> dict[str, str]:
    """What ENV sets in a stage."""
    pairs = (pair for one in stage if one.word == "ENV" for pair in one.rest.split())
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def last(stage: list[Instruction], word: str) -> Instruction:
    """The last instruction of that word: the one that counts."""
    return [one for one in stage if one.word == word][-1]
