"""HTTP: parsing, answering, problems, pages."""
