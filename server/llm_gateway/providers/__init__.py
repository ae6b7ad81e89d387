"""Kinds of provider: one a module, whose name it is; `rows` is what such a module says, `plugins` finds them and those of other packages."""
