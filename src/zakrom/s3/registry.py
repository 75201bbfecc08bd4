"""All operations: importing this room's files declares them. A new subject is a new file in `ops` and nothing else."""

from __future__ import annotations

import importlib
import pkgutil

from zakrom.s3 import ops
from zakrom.s3.operation import REGISTRY

for _module in pkgutil.iter_modules(ops.__path__):
    importlib.import_module(f"{ops.__name__}.{_module.name}")
importlib.import_module("zakrom.s3.unserved")

OPERATIONS = REGISTRY
"""Every operation by its name."""
