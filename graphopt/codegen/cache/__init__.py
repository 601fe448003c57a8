"""Object code on disk, and how it is loaded.

A script starts many times and its kernels are the same each time. `key` names a kernel
after everything that its code depends on, `entry` verifies every bit of what is stored,
`folder` keeps the total size within its limit, `object_code` checks what code calls and
loads it with llvmlite alone, `kernels` puts these together. There is no pickle and no index:
whatever is wrong with a file means compiling again.
"""
