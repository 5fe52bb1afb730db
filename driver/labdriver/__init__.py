"""Measures and judges the labs. Knows the services by HTTP and manifests only, never by import."""
