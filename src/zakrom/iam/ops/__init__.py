"""IAM's and STS's actions, one file a subject: pure functions from an account as it is to what becomes of it."""
