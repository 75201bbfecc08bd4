"""What the operations of a store mean: bytes durable first, then the fact. The only room that imports catalog and blobs."""

from zakrom.store.core import Store, StoreOptions

__all__ = ["Store", "StoreOptions"]
