/**
 * Preloaded into one process (`NODE_OPTIONS=--import …`), so that its clock is off by `CLOCK_SHIFT_MS` for everything
 * that asks `Date`. It says so, for a test that has to know that it was loaded.
 */
const RealDate = Date;
const shiftMs = Number(process.env.CLOCK_SHIFT_MS ?? 0);

class ShiftedDate extends RealDate {
  constructor(...given: readonly unknown[]) {
    if (given.length === 0) super(RealDate.now() + shiftMs);
    else super(...(given as [number]));
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
}

globalThis.Date = ShiftedDate as DateConstructor;
console.log(`The clock is off by ${shiftMs} ms.`);
