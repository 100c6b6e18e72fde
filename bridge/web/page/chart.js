// The throughput of one site: two lines over ten minutes at most, read by eye, mouse or keyboard.
import { el, put, set, svg } from './dom.js';
import { rate, span, timeOfDay } from './text.js';

const height = 220;
const margin = { top: 12, right: 12, bottom: 26, left: 78 };
const longestGap = 30_000; // a line does not bridge more
const minute = 60_000;
const spans = [[1, 4], [2, 4], [5, 5], [10, 5]]; // minutes that are shown, and marks below

// ceiling is the top of the scale above n octets a second: 1, 2 or 5 and zeros, in bits.
function ceiling(n) {
  const bits = Math.max(n * 8, 1000);
  const ten = 10 ** Math.floor(Math.log10(bits));
  return ([1, 2, 5, 10].find((m) => m * ten >= bits) * ten) / 8;
}

export class Chart {
  constructor(parent) {
    this.samples = [];
    this.width = 0;
    [this.minutes, this.marks] = spans[0];
    this.picture = svg('svg', { 'aria-hidden': 'true', height });
    this.readout = el('p', { class: 'readout' });
    this.box = el('div', { class: 'plot', tabindex: '0', role: 'slider', 'aria-label': 'Throughput over the last minutes; arrow keys move through the time', 'aria-valuemin': '0' }, this.picture);
    const legend = el('p', { class: 'keys' }, line('in'), 'in, from the peer', line('out'), 'out, to the peer');
    parent.append(el('div', { class: 'over' }, legend, this.readout), this.box);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  listen() {
    this.box.addEventListener('keydown', (e) => this.key(e));
    this.box.addEventListener('pointermove', (e) => this.point(e.clientX - this.box.getBoundingClientRect().left));
    this.box.addEventListener('pointerleave', () => this.choose(null));
    this.box.addEventListener('blur', () => this.choose(null));
  }

  update(samples, now) {
    this.samples = samples;
    this.now = now;
    const age = samples.length ? now - samples[0].at : 0;
    [this.minutes, this.marks] = spans.find(([m]) => age <= m * minute) ?? spans.at(-1);
    this.draw();
  }

  key(e) {
    const last = this.samples.length - 1;
    const i = this.index() ?? last;
    const to = { ArrowLeft: i - 1, ArrowDown: i - 1, ArrowRight: i + 1, ArrowUp: i + 1, PageUp: i + 15, PageDown: i - 15, Home: 0, End: last }[e.key];
    if (e.key === 'Escape') this.choose(null);
    if (to === undefined || last < 0) return;
    e.preventDefault();
    this.choose(this.samples[Math.max(0, Math.min(last, to))].at);
  }

  point(x) {
    const at = this.now - (1 - (x - margin.left) / this.inner()) * this.minutes * minute;
    const nearest = this.samples.reduce((best, s) => (!best || Math.abs(s.at - at) < Math.abs(best.at - at) ? s : best), null);
    this.choose(nearest?.at ?? null);
  }

  // choose reads the sample of a time; null: the newest.
  choose(at) {
    this.chosen = at;
    this.draw();
  }

  index() {
    const i = this.samples.findIndex((s) => s.at === this.chosen);
    return i < 0 ? null : i;
  }

  inner() {
    return Math.max(10, this.width - margin.left - margin.right);
  }

  draw() {
    this.width = this.box.clientWidth;
    if (!this.width || !this.now) return;
    const top = ceiling(Math.max(0, ...this.samples.map((s) => Math.max(s.in, s.out))));
    const x = (at) => margin.left + (1 - (this.now - at) / (this.minutes * minute)) * this.inner();
    const y = (n) => height - margin.bottom - (n / top) * (height - margin.top - margin.bottom);
    set(this.picture, 'width', this.width);
    this.picture.replaceChildren(...this.scale(top, x, y), this.area(x, y), ...['in', 'out'].map((way) => svg('path', { class: `line ${way}`, d: this.path(way, x, y) })), ...this.cross(x, y));
    this.read();
  }

  scale(top, x, y) {
    const across = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
      svg('line', { class: 'grid', x1: margin.left, x2: margin.left + this.inner(), y1: y(top * part), y2: y(top * part) }),
      svg('text', { class: 'tick', x: margin.left - 8, y: y(top * part) + 4, 'text-anchor': 'end' }, part ? rate(top * part) : '0'),
    ]);
    const marks = this.inner() < 420 ? 1 : this.marks;
    const below = Array.from({ length: marks + 1 }, (_, i) => {
      const before = (1 - i / marks) * this.minutes * minute;
      const anchor = i === 0 ? 'start' : i === marks ? 'end' : 'middle';
      return svg('text', { class: 'tick', x: x(this.now - before), y: height - 6, 'text-anchor': anchor }, before ? `${span(before / 1000)} ago` : 'now');
    });
    return [...across, ...below];
  }

  path(way, x, y) {
    let before = -Infinity;
    return this.samples.map((s) => {
      const step = s.at - before > longestGap ? 'M' : 'L';
      before = s.at;
      return `${step}${x(s.at).toFixed(1)} ${y(s[way]).toFixed(1)}`;
    }).join('');
  }

  // area fills what is below the line of what came in, where it has no gap.
  area(x, y) {
    const d = this.path('in', x, y);
    const whole = d && d.lastIndexOf('M') === 0;
    return svg('path', { class: 'area', d: whole ? `${d}L${x(this.samples.at(-1).at).toFixed(1)} ${y(0)}L${x(this.samples[0].at).toFixed(1)} ${y(0)}Z` : '' });
  }

  cross(x, y) {
    const s = this.samples[this.index()];
    if (!s) return [];
    return [
      svg('line', { class: 'cross', x1: x(s.at), x2: x(s.at), y1: margin.top, y2: height - margin.bottom }),
      svg('circle', { class: 'dot in', cx: x(s.at), cy: y(s.in), r: 4 }),
      svg('circle', { class: 'dot out', cx: x(s.at), cy: y(s.out), r: 4 }),
    ];
  }

  read() {
    const i = this.index();
    const s = this.samples[i ?? this.samples.length - 1];
    const when = !s ? '' : i === null ? 'now' : `${timeOfDay(s.at)}, ${span((this.now - s.at) / 1000)} ago`;
    const text = s ? `${when}: in ${rate(s.in)}, out ${rate(s.out)}` : 'measuring: two looks are needed';
    put(this.readout, text);
    set(this.box, 'aria-valuemax', Math.max(0, this.samples.length - 1));
    set(this.box, 'aria-valuenow', i ?? Math.max(0, this.samples.length - 1));
    set(this.box, 'aria-valuetext', text);
  }
}

const line = (way) => svg('svg', { class: 'key', viewBox: '0 0 28 8', 'aria-hidden': 'true' }, svg('path', { class: `line ${way}`, d: 'M0 4H28' }));
