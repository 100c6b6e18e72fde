// The daemon's clock. A browser elsewhere may have another time, and "down for 5 min" is
// told by who says since when.

let ahead = 0; // of ours, in milliseconds

// adjust takes the time of an answer, which is of whole seconds.
export function adjust(date) {
  const off = Date.parse(date ?? '') - Date.now();
  if (!Number.isNaN(off) && Math.abs(off - ahead) > 2000) ahead = off;
}

export const now = () => Date.now() + ahead;
