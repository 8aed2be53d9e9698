"""What is taken in from before Pledge: how one row of each kind is read, and what it changes."""
