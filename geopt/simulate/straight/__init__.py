"""The straight street, until the city takes its place."""
