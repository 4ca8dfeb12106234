"""The inside of the Python sandbox: a supervisor process that shuts a program in, watches it and ends it with all its children.

    caller ── supervisor ── init ── program        with namespaces: init is process 1 of a process namespace that dies with it
    caller ── supervisor ── program                without: all of the program's processes stay in one process group

`sandbox.py` starts `supervise.main` in a fresh interpreter without site-packages, so everything here imports the standard library alone
and as little of it as will do: each module imported costs every call of the tool. (`escape.py` is the program of the self-test.)
"""
