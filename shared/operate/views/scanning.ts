/** Rows that are read for one page of a list at most, if few of them are wanted. */
export const MOST_SCANNED = 5_000;
/** Rows that are read at a time, as many as the service gives for one request. */
export const ROWS_AT_ONCE = 1_000;
