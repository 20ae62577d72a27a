"""The server around the pages: what is let in, which headers go out, and the few routes of our own."""
