"""VideoChat-Embed: the end-to-end model of the paper's section 3.2."""
