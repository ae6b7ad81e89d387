"""The gateway put together: `chains` lists the links, `build` makes what serves a configuration, `gateway` starts, stops and reloads, `lifecycle` binds and
drains, `main` is a process of one, `workers` are several on one port.
"""
