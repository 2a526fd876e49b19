/**
 * The lowest sequence number that only a partitioned entity gives: its top 16 bits name the partition. Such numbers pass 2^53, so that a
 * JavaScript number could not hold them exactly. An entity without partitions never counts so far.
 */
export const FIRST_PARTITIONED_NUMBER = 2 ** 48;
