"""One module a source: asks with a deadline, answers with typed frames or records, or raises ``SourceError``."""
