"""The image and its surroundings, tested as they will run: `make image-test`, `make integration`."""
