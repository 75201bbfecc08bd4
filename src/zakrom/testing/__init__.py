"""What others may test with: a real server as a fixture, contract suites of the seams, and disks that forget and fail."""
