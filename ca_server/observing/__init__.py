"""What a running service tells its watchers: metrics for Prometheus, and whether it is ready."""
