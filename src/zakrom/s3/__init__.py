"""The S3 door: S3's operations over a store."""
