"""How a process that trains asks glibc to hold its memory, by variables that are read when the process starts."""

# glibc returns freed memory to the system, and every page that is needed again costs a page fault: up to a quarter of a
# training step. 32 MiB is the largest threshold that older versions accept; with a larger one they return even more
KEEP_FREED = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": f"{2**25}", "MALLOC_TRIM_THRESHOLD_": f"{2**32}"}
