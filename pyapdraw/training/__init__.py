"""Trainings of the systems' networks, which need torch; `shipped`: how the package's own small ones were made."""
