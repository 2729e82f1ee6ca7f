"""How Kontor gets onto a machine: the locked set, the images, the embedded stack."""
