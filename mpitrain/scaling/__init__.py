"""How far data-parallel training scales: a step's time on many ranks, from tables of layers and prices of exchanges."""
