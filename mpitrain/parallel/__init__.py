"""Where networks meet ranks."""
