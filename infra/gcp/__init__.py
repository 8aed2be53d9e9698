"""Google Cloud's adapters: the twins of `infra.local`."""
