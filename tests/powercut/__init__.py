"""Power cuts: what a running program has written and synced, and the disks that a cut at any moment would have left."""
