"""HTTP requests -> the service's answers."""
