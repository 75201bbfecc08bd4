"""Contract suites: what each seam promises, as tests that every implementation inherits."""
