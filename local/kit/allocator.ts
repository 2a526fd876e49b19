/**
 * glibc's settings for a process whose memory is measured. The images set the same, so that the figures hold for them.
 */
export const ALLOCATOR = { MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "131072" };
