"""The IAM door: IAM and STS as AWS's clients speak them, on the port of S3. What an account may know and change of itself."""
