"""An index on an OpenSearch cluster, through opensearch-py."""
