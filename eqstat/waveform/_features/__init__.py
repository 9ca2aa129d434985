"""Features of windows: of a batch, of a stream, as a table."""
