"""The checks of infra/: `make infra-test` and `make infra-apply-local`."""
