"""Ships the containers' log lines to the search store: ``python -m demo.shipper``.

Does what Filebeat does for container logs: follows Docker's json-file logs through rotation and
truncation, remembers how far it got, sends in batches, waits when the store is down. Delivery is
at least once; the document ids are made from the lines, so a line that is sent twice is stored once.
Memory is bounded: one batch at a time is read, and nothing more is read until the store has it.
"""
