"""What the services say to each other: one module per service that owns the messages."""
