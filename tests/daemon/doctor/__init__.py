"""copierd doctor."""
