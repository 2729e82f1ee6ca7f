"""The published language: orders, their parts, and the messages about them."""
