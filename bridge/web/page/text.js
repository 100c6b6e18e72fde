// Words and figures. Nothing here touches the page.

// plain makes text of others fit to be read: what cannot be seen, or turns the direction
// of what stands beside it, is shown as its number.
export const plain = (s) => String(s ?? '').replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

const prefixes = ['', 'k', 'M', 'G', 'T'];

// scaled writes n with three figures and a prefix: 1234567 is "1.23 M".
function scaled(n, unit) {
  let i = 0;
  for (; n >= 999.5 && i < prefixes.length - 1; i++) n /= 1000;
  const figures = n >= 99.95 || i === 0 ? 0 : n >= 9.995 ? 1 : 2;
  return `${n.toFixed(figures)} ${prefixes[i]}${unit}`;
}

// rate writes octets a second as bits a second, as lines are sold.
export const rate = (octets) => scaled(octets * 8, 'bit/s');
export const octets = (n) => scaled(n ?? 0, 'B');
export const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

const figures = new Intl.NumberFormat('en', { useGrouping: true });
export const count = (n) => figures.format(n ?? 0);

// span writes seconds: "42 s", "5 min 3 s", "3 h 20 min", "12 d 4 h".
export function span(s) {
  s = Math.max(0, Math.round(s));
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = parts.findIndex(([size]) => s >= size);
  if (first < 0) return '0 s';
  return parts.slice(first, first + 2)
    .map(([size, unit], i) => [Math.floor((i ? s % parts[first][0] : s) / size), unit])
    .filter(([n], i) => i === 0 || n > 0)
    .map(([n, unit]) => `${n} ${unit}`).join(' ');
}

// seconds since the time that a JSON text names; zero and absent times are null.
export function since(text, now) {
  const t = Date.parse(text);
  return !text || Number.isNaN(t) || t < 0 ? null : (now - t) / 1000;
}

export const ago = (text, now) => {
  const s = since(text, now);
  return s === null ? '' : `${span(s)} ago`;
};

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const timeOfDay = (ms) => clock.format(ms);
export const day = (text) => (text ?? '').slice(0, 10);

// milliseconds from nanoseconds, where there are any.
export const roundTrip = (ns) => (ns > 0 ? `${(ns / 1e6).toFixed(ns < 1e7 ? 1 : 0)} ms` : '');

// first names the first of all, and how many more there are.
export const first = (all, n) => all.slice(0, n).join(', ') + (all.length > n ? ` and ${count(all.length - n)} more` : '');

// none is what an address is that says nothing.
export const node = (s) => (!s || /^0*$/.test(s) ? '' : s);
