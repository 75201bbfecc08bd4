"""Who is it? A signature held against a stored key. Both doors ask; neither may, or may not, is decided here."""
