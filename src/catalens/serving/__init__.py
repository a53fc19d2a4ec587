"""HTTP service over the pipelines: schemas, batching, worker processes and routes.

Nothing is imported here, so that the client can use the schemas without loading the server.
"""
