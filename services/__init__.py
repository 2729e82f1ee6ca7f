"""The services of Kontor, one folder each, on one shared chassis."""
