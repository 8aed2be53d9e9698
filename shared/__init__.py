"""The core: rules, records and use cases. No input or output, no environment, no wall clock."""
