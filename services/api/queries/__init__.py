"""What the api reads from MongoDB and Kafka, and the few documents of its own that it writes."""
