"""What commands print and write as JSON, where that is long."""
