"""Everything that touches the world: Google Cloud, the laptop, vendors, pages, settings."""
