"""What this service reads besides documents by their id."""
