"""Real data, small and offline-capable: text, pictures, and pairs of both (see `sources`)."""
