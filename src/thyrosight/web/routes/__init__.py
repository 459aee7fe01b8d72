"""HTTP requests -> the service's answers; one file per family of paths."""
