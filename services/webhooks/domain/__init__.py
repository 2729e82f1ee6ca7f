"""Rules and documents: who hears of what, how it is signed, and what follows from an answer."""
