"""What the api reads from MongoDB, and the few documents of its own that it writes."""
