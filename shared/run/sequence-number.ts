/**
 * The lowest sequence number that only a partitioned entity gives, because its top 16 bits name the partition. Such a
 * number passes 2^53, so that a JavaScript number could not hold it exactly. No other entity ever counts so far.
 */
export const FIRST_PARTITIONED_NUMBER = 2 ** 48;
