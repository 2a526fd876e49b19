/** So many runs of a line, and so many that wait for their time, are counted. Beyond that, there are "more". */
export const MOST_COUNTED = 1_000;
