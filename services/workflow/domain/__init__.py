"""Rules of the workflow service: state and message in, state and messages out."""
