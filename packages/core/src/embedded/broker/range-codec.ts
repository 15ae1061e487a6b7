/** Packs an ascending list of integers: each as the distance from the one before, base-128, low bits first. */
export function packRanges(flat: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  let before = 0;
  for (const value of flat) {
    let left = value - before;
    before = value;
    while (left >= 0x80) {
      bytes.push((left % 0x80) | 0x80);
      left = Math.floor(left / 0x80);
    }
    bytes.push(left);
  }
  return Uint8Array.from(bytes);
}

/** Unpacks what `packRanges` made. */
export function unpackRanges(packed: Uint8Array): number[] {
  const flat: number[] = [];
  let before = 0;
  let value = 0;
  let factor = 1;
  for (const byte of packed) {
    value += (byte & 0x7f) * factor;
    factor *= 0x80;
    if (byte < 0x80) {
      before += value;
      flat.push(before);
      value = 0;
      factor = 1;
    }
  }
  return flat;
}
