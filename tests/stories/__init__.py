"""Stories: what S3 means, told through the whole door without a socket."""
