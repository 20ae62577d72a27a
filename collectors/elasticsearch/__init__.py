"""The log store: Elasticsearch, or what answers as it does."""
