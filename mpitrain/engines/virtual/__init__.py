"""A virtual world: hundreds of ranks in one process, on a modelled network, under a seeded clock."""
