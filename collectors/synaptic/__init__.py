"""The service itself: health and readiness of each replica and of the balancer."""
