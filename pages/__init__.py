"""The pages: each registers its path, returns a skeleton, and fills it by callbacks of inputs → frame → figure."""
