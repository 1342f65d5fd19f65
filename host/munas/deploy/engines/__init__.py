"""The inference engines' host side: what turns a model, or upstream sources, into firmware."""
