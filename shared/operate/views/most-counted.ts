/**
 * So many runs of a line, and so many that wait for their time, are counted. Beyond that, there are "more". One more row
 * tells whether there are more, and the service gives 1,000 rows in one answer.
 */
export const MOST_COUNTED = 999;
