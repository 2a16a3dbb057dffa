"""A small benchmark that is run with every change: drawn clips and real speech, a hundred questions."""
