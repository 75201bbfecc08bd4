"""What S3 can do, a file by subject. Each file declares its operations; `registry` imports them all."""
