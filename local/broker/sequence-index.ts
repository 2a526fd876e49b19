/**
 * Keeps sequence numbers in ascending order. Looking up is a binary search. Adding at the end and taking from the front
 * cost next to nothing. A change in the middle only moves memory.
 */
export class SequenceIndex {
  readonly #numbers: number[] = [];

  get size(): number {
    return this.#numbers.length;
  }

  /** Adds a number that is not in it. */
  add(sequenceNumber: number): void {
    const last = this.#numbers.at(-1);
    if (last === undefined || last < sequenceNumber) this.#numbers.push(sequenceNumber);
    else this.#numbers.splice(this.#lowerBound(sequenceNumber), 0, sequenceNumber);
  }

  /** Removes a number. Does nothing if the number isn't in it. */
  remove(sequenceNumber: number): void {
    const at = this.#lowerBound(sequenceNumber);
    if (this.#numbers[at] === sequenceNumber) this.#numbers.splice(at, 1);
  }

  /** Takes the smallest number out; undefined if it is empty. */
  shift(): number | undefined {
    return this.#numbers.shift();
  }

  /** The numbers from this one on, at most `count`. */
  from(sequenceNumber: number, count: number): number[] {
    const start = this.#lowerBound(sequenceNumber);
    return this.#numbers.slice(start, start + count);
  }

  #lowerBound(sequenceNumber: number): number {
    let low = 0;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const number = this.#numbers[middle];
      if (number !== undefined && number < sequenceNumber) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
