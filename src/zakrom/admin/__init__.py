"""The admin door: users, keys, quotas, usage, jobs and the signal of freed space, as JSON under ``/api/v1``.

`app.create_app` makes the application; `gate` lets in who has signed; `calls` has the calls, a file by subject.
"""
