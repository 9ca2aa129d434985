"""What tells of the shell itself: schemas of its JSON, completion of its commands."""
