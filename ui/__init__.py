"""How anything looks: the frame of every page and the parts that pages are made of."""
