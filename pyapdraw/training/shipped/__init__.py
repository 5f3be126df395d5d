"""How the weights of this package were made: trainers and converters that nobody else needs."""
