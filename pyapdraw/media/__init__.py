"""Photos and videos: what a file is, reading, writing."""
