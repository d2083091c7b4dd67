"""What moves: collective algorithms, written rank by rank. Pure: imports nothing but itself."""
