"""`catalens ui`: a page to work in, before a service of this process or of another machine.

The page is plain HTML, CSS and ECMAScript modules without a build step, and calls the routes of `serving` like any
other client: limits, keys and batching are the service's own, and nothing of a user is kept on the server.
"""
