"""Reads a policy's own text, Markdown or plain: its sections and sentences, what they promise, and what they leave out."""
