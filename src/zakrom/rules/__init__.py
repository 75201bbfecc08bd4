"""What *should* happen: pure functions from values to values. No await, no clock, no randomness; raises only `errors`."""
