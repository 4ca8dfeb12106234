// Axes: where a value lies, and at which round values the marks stand.

const STEPS = [1, 2, 5, 10];
const WIDE = 12; // from the smallest to the largest value: beyond that, equal steps crowd the small ones together

/** A linear scale with at most `most` round ticks. */
function linear(low, high, most) {
  const size = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = STEPS.map((factor) => factor * size).find((one) => one * most >= (high - low) * 0.999);
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) ticks.push(Number((n * step).toPrecision(12)));
  return { low, high, ticks, logarithmic: false, place: (x) => (x - low) / (high - low) };
}

/** A logarithmic scale: 1, 2, 5 in each decade where that is few, else decades. */
function logarithmic(low, high) {
  const decades = Math.log10(high / low);
  const factors = decades <= 1.7 ? [1, 2, 3, 5] : decades <= 2.7 ? [1, 3] : [1];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const factor of factors) {
      const tick = factor * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(Number(tick.toPrecision(6)));
    }
  return { low, high, ticks, logarithmic: true, place: (x) => Math.log(x / low) / Math.log(high / low) };
}

/** The scale of costs: from zero, unless the range is wide. */
function costScale(values) {
  const positive = values.filter((x) => x > 0);
  const largest = Math.max(...positive, 0) || 1,
    smallest = Math.min(...positive, largest);
  if (largest / smallest > WIDE && positive.length === values.length) return logarithmic(smallest / 1.6, largest * 1.6);
  return linear(0, largest * 1.12, 6);
}

/** The scale of shares in 0 … 1, in percent, with some room around what it has to show. */
function percentScale(lows, highs) {
  const low = Math.min(...lows) * 100,
    high = Math.max(...highs) * 100;
  const room = Math.max((high - low) * 0.15, 4);
  return linear(Math.max(0, low - room), Math.min(100, high + room), 6);
}

/** A tick's words: 12k, 1.5M. */
function short(tick) {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ])
    if (Math.abs(tick) >= size) return `${Number((tick / size).toPrecision(4))}${unit}`;
  return `${Number(tick.toPrecision(4))}`;
}
