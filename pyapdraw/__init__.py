"""Portraits into drawings."""
