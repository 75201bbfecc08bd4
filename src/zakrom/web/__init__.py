"""HTTP: a server's callback turned into a `Request`, a `Response` value turned into sends. Knows no bucket."""
