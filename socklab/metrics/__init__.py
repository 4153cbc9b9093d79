"""What the server does, in numbers for Prometheus."""
