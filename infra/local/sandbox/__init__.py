"""The sandbox: a process of its own that behaves like the vendors' APIs, for the same connectors and SDKs."""
