// The map: we in the middle, our wires on the left, segments below us, the sites on the
// right. Cards are HTML, so that they wrap and can be walked by keyboard; the lines
// between them are SVG behind. Without room for three columns it is a list with a stem.
import { el, once, put, svg } from './dom.js';
import { kind, kinds, sign } from './state.js';
import { count, first, rate } from './text.js';

const most = 24; // sites drawn; more cannot be read

// shown are the sites that are drawn: all, or those in trouble and then the first ones,
// in the order of the configuration.
function shown(sites) {
  if (sites.length <= most) return sites;
  const rank = (s) => ({ down: 0, warn: 1, rising: 2 })[kind(s)] ?? 3;
  const chosen = new Set(sites.map((s, i) => [rank(s), i, s]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, most).map((x) => x[2]));
  return sites.filter((s) => chosen.has(s));
}

function wires(lan) {
  const routed = (lan.wires ?? []).map((w) => [w.name.slice(w.name.lastIndexOf('/') + 1), w.network === '00000000' ? 'no number yet' : w.network + (w.learned ? ', learned' : '')]);
  return lan.dosbox ? [...routed, ['DOSBox', `${count((lan.dosbox.clients ?? []).length)} connected`]] : routed;
}

const portOf = (port, lan) => port.name === lan.name || port.name.startsWith(`${lan.name}/`);

// callersOf says how many call a site that many may call.
export const callersOf = (s) => (s.pool ? `${count(s.pool.callers_now)} of ${count(s.pool.callers_limit)}` : '');

// plan is what is drawn, as plain data.
function plan(status, behind) {
  const segments = status.segments ?? [];
  const joined = (matches) => segments.flatMap((g, i) => (g.ports.some(matches) ? [i] : []));
  const lans = (status.lans ?? []).map((l) => ({
    name: l.name, device: l.device, up: l.up, trouble: (l.trouble ?? []).length > 0,
    wires: wires(l), segments: joined((p) => p.lan && portOf(p, l)),
  }));
  const drawn = shown(status.sites ?? []);
  const sites = drawn.map((s) => ({
    name: s.name, kind: kind(s), state: s.state, reason: s.reason ?? '', routes: s.ip?.routes ?? [],
    link: s.ipx?.segment ? '' : s.ipx?.network ?? '', networks: behind.get(s.name) ?? [], callers: callersOf(s),
    bridged: s.ipx?.segment ?? '', segments: joined((p) => !p.lan && p.name === s.name),
  }));
  return {
    name: status.name, lans, sites, more: (status.sites ?? []).length - drawn.length,
    segments: segments.map((g) => ({ name: g.name, network: g.network, stations: g.ports.reduce((n, p) => n + p.stations, 0), blocked: g.ports.some((p) => p.blocked_since) })),
  };
}

const small = (...children) => el('p', { class: 'small' }, ...children);
const row = (term, value) => el('p', { class: 'small pair' }, el('span', { class: 'muted' }, term), el('span', { class: 'code' }, value));

function siteCard(s) {
  const facts = [];
  if (s.callers) facts.push(row('callers', s.callers));
  if (s.routes.length) facts.push(row('IP', first(s.routes, 2)));
  if (s.bridged) facts.push(row('IPX', `bridged, ${s.bridged}`));
  else if (s.link || s.networks.length) facts.push(row('IPX', [s.link && s.link !== '00000000' ? `link ${s.link}` : '', first(s.networks, 2)].filter(Boolean).join('; ')));
  if (s.reason) facts.push(el('p', { class: 'small reason' }, s.reason));
  else facts.push(el('p', { class: 'small rate', 'data-rate': s.name }));
  const title = `${s.name}: ${s.state}${s.reason ? `, ${s.reason}` : ''}`;
  return el('a', { class: `node site is-${s.kind}`, href: '#traffic', 'data-site': s.name, 'data-key': `site ${s.name}`, title },
    el('p', { class: 'title' }, sign(s.kind), el('span', { class: 'name' }, s.name), el('span', { class: 'state' }, s.state)), ...facts);
}

function lanCard(l) {
  const k = !l.up ? 'down' : l.trouble ? 'warn' : 'up';
  const word = !l.up ? 'down' : l.trouble ? 'trouble' : 'up';
  return el('div', { class: `node lan is-${k}` },
    el('p', { class: 'title' }, sign(k), el('span', { class: 'name' }, l.name), el('span', { class: 'state' }, `LAN, ${word}`)),
    small(el('span', { class: 'muted' }, l.device)), ...l.wires.map(([frame, number]) => row(frame, number)),
    ...(l.wires.length ? [] : [small(el('span', { class: 'muted' }, l.segments.length ? 'bridged' : 'nothing routed'))]));
}

function segmentCard(g) {
  const k = g.blocked ? 'warn' : 'note';
  return el('div', { class: `node segment is-${k}` },
    el('p', { class: 'title' }, sign(k), el('span', { class: 'name' }, g.name), el('span', { class: 'state' }, g.blocked ? 'segment, loop' : 'segment')),
    row('network', g.network), row('stations', count(g.stations)));
}

// A Graph draws into parent.
export class Graph {
  constructor(parent, pick) {
    this.parent = parent;
    parent.addEventListener('click', (e) => {
      const card = e.target.closest('[data-site]');
      if (card) pick(card.dataset.site);
    });
    new ResizeObserver(() => this.lines()).observe(parent);
  }

  // update draws what has changed. behind maps a site to the networks learned from it.
  update(status, behind, history) {
    const p = plan(status, behind);
    const drawn = once(this.parent, p, () => this.draw(p));
    for (const e of this.rates ?? []) {
      const { in: i, out: o } = history.now(e.dataset.rate);
      put(e, `in ${rate(i)}, out ${rate(o)}`);
    }
    if (drawn) this.lines(); // cards stand where they stay
  }

  draw(p) {
    this.plan = p;
    this.back = svg('svg', { class: 'edges', 'aria-hidden': 'true' });
    this.self = el('div', { class: 'node self' }, el('p', { class: 'title' }, el('span', { class: 'name' }, p.name)), small('this daemon'));
    this.lans = p.lans.map(lanCard);
    this.segments = p.segments.map(segmentCard);
    this.sites = p.sites.map(siteCard);
    const more = p.more > 0 ? [el('a', { class: 'node more', href: '#sites', 'data-key': 'more' }, `and ${count(p.more)} more sites: the table has all`)] : [];
    const column = (name, label, cards) => el('div', { class: `column ${name}`, role: 'group', 'aria-label': label }, ...cards);
    const columns = [column('middle', 'This daemon and its segments', [this.self, ...this.segments]), column('sites', 'Sites', [...this.sites, ...more])];
    this.parent.classList.toggle('bare', !this.lans.length);
    this.parent.classList.toggle('tall', this.sites.length > 10);
    if (this.lans.length) columns.unshift(column('lans', 'LANs', this.lans));
    this.rates = columns.flatMap((c) => [...c.querySelectorAll('[data-rate]')]);
    return [this.back, ...columns];
  }

  // lines joins the cards where they have come to stand.
  lines() {
    if (!this.plan) return;
    const origin = this.parent.getBoundingClientRect();
    const box = (e) => {
      const r = e.getBoundingClientRect();
      return { left: r.left - origin.left, right: r.right - origin.left, top: r.top - origin.top, bottom: r.bottom - origin.top, middle: (r.top + r.bottom) / 2 - origin.top };
    };
    const self = box(this.self);
    const list = getComputedStyle(this.parent).getPropertyValue('--list').trim() === '1';
    const join = (e, k, from = self) => svg('path', { class: `edge is-${k}`, d: list ? stem(from, box(e)) : curve(from, box(e)) });
    const p = this.plan;
    const bridges = (all, cards) => all.flatMap((x, i) => x.segments.map((g) => join(cards[i], 'bridge', box(this.segments[g]))));
    const paths = [
      ...p.lans.flatMap((l, i) => (l.wires.length || !l.segments.length ? [join(this.lans[i], l.up ? 'up' : 'down')] : [])),
      ...p.sites.map((s, i) => join(this.sites[i], s.kind)),
      ...(list ? [] : [...bridges(p.lans, this.lans), ...bridges(p.sites, this.sites)]),
    ];
    this.back.replaceChildren(...paths);
  }
}

// curve goes from one card's side to the other's. To a card behind others it takes the gap
// between the rows.
function curve(from, to) {
  if (to.right <= from.left) {
    const half = (from.left + to.right) / 2;
    return `M${from.left} ${from.middle}C${half} ${from.middle} ${half} ${to.middle} ${to.right} ${to.middle}`;
  }
  const first = from.right + 56;
  if (to.left <= first + 8) return `M${from.right} ${from.middle}C${from.right + 28} ${from.middle} ${to.left - 28} ${to.middle} ${to.left} ${to.middle}`;
  const gap = to.top - 7;
  return `M${from.right} ${from.middle}C${from.right + 28} ${from.middle} ${first - 28} ${gap} ${first} ${gap}H${to.left - 18}C${to.left - 6} ${gap} ${to.left - 12} ${to.middle} ${to.left} ${to.middle}`;
}

// stem goes down at the left edge and branches off to a card.
const stem = (from, to) => `M${from.left + 14} ${from.bottom}V${to.middle}H${to.left}`;

export const legendOf = () => Object.entries(kinds).map(([k, { word }]) => el('li', {}, sign(k), word));
