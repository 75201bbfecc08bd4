"""S3's language, sans-I/O: targets, XML, dates, ETags, checksums, headers, signatures, aws-chunked bodies, error codes.

Nothing here awaits, opens, looks up a secret or reads a clock: bytes and ``now`` come as arguments, values and `errors` go out.
"""
