"""What leaves this repository: the package, the container, the service."""
