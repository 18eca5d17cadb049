// Where many come and go: what waits for an outcome, thousands a second. A JavaScript Map or Set is made anew by V8 each
// time it is full of what was deleted, and the old table points to the next one. Once one old table is itself among what
// is collected rarely, all that ever passes through its successors is kept as long: requests that were answered are
// copied twice, and marked later. Here only keys and small numbers are in a Map: what goes leaves no more than its key
// behind.

/** Keeps values at places that are used again. No order. */
export class FreeList<Value extends object> implements Iterable<Value> {
  readonly #values: (Value | null)[] = [];
  readonly #free: number[] = [];

  /** Its place, by which it is found and removed. */
  add(value: Value): number {
    const place = this.#free.pop() ?? this.#values.length;
    this.#values[place] = value;
    return place;
  }

  at(place: number): Value | null {
    return this.#values[place] ?? null;
  }

  /** Nothing happens when it is not there any more, whoever is there now. */
  remove(place: number, value: Value): void {
    if (this.#values[place] !== value) return;
    this.#values[place] = null;
    this.#free.push(place);
  }

  /** Those that were there when it began. */
  [Symbol.iterator](): Iterator<Value> {
    return this.#values.filter((value) => value !== null).values();
  }
}

/** As a Map: fewer operations, no order. */
export class FreeListMap<Key, Value extends object> implements Iterable<Value> {
  readonly #places = new Map<Key, number>();
  readonly #values = new FreeList<Value>();

  get size(): number {
    return this.#places.size;
  }

  get(key: Key): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : (this.#values.at(place) ?? undefined);
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    this.#places.set(key, this.#values.add(value));
  }

  /** What is there, or what is made and put there. */
  getOrMake(key: Key, make: () => Value): Value {
    const found = this.get(key);
    if (found !== undefined) return found;
    const made = make();
    this.#places.set(key, this.#values.add(made));
    return made;
  }

  delete(key: Key): void {
    this.take(key);
  }

  /** What was there and is not any more. */
  take(key: Key): Value | undefined {
    const place = this.#places.get(key);
    const value = place === undefined ? null : this.#values.at(place);
    if (place === undefined || value === null) return undefined;
    this.#places.delete(key);
    this.#values.remove(place, value);
    return value;
  }

  /** The values that were there when it began. */
  [Symbol.iterator](): Iterator<Value> {
    return this.#values[Symbol.iterator]();
  }
}
