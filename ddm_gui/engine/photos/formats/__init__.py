"""A file per kind of photo: what is in it, decoded and encoded. `photo` alone calls them."""
