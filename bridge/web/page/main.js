// The page asks the daemon again and again, and shows what has changed.
import { Chart } from './chart.js';
import { adjust, now } from './clock.js';
import { byId, el, once, put, set } from './dom.js';
import { History } from './history.js';
import { Graph, callersOf, legendOf } from './map.js';
import { kind, kinds, sign } from './state.js';
import { makeTables } from './tables.js';
import { ago, count, first, many, octets, rate, roundTrip, since, span, timeOfDay } from './text.js';
import { nextTry, troubles } from './troubles.js';

const often = 2000; // between two looks at the status
const seldom = 10_000; // between two looks at the tables of IPX
const listed = 6; // troubles, until somebody asks for all

const seen = { status: null, ipx: { routes: [], services: [], nodes: [] }, services: {}, answered: 0, picked: '' };
const history = new History();
const chart = new Chart(byId('chart'));
const graph = new Graph(byId('graph'), pick);
const tables = makeTables(history, pick);
const chooser = byId('pick');

byId('legend').append(...legendOf());
chooser.addEventListener('change', () => pick(chooser.value));
byId('more-troubles').addEventListener('click', () => {
  seen.allTroubles = !seen.allTroubles;
  drawTroubles();
});

// pick chooses the site whose traffic is shown.
function pick(name) {
  seen.picked = name;
  chooser.value = name;
  drawTraffic();
}

function drawHead() {
  const s = seen.status;
  put(byId('name'), s.name);
  put(byId('about'), `sitebridge ${s.version}, running for ${span(since(s.started, now()) ?? 0)}`);
  document.title = `${s.name}: ${summary(s.sites ?? [])}`;
  const sums = sumKinds(s.sites ?? []);
  const counts = Object.entries(kinds).filter(([k]) => sums[k] || k === 'up' || k === 'down');
  once(byId('counts'), counts.map(([k]) => [k, sums[k]]), () => counts.map(([k, { word }]) => el('li', { class: `is-${k}` }, sign(k), el('b', {}, String(sums[k])), ` ${word}`)));
}

function sumKinds(sites) {
  const sums = Object.fromEntries(Object.keys(kinds).map((k) => [k, 0]));
  for (const s of sites) sums[kind(s)]++;
  return sums;
}

const summary = (sites) => {
  const sums = sumKinds(sites);
  return sums.down ? `${many(sums.down, 'site')} down` : `${many(sums.up + sums.warn, 'site')} up`;
};

function drawTroubles() {
  const all = troubles(seen.status);
  const list = byId('troubles');
  const top = seen.allTroubles ? all : all.slice(0, listed);
  once(list, top.map(({ next, ...t }) => t), () => {
    if (!all.length) return [el('li', { class: 'fine' }, sign('up'), el('p', {}, 'Nothing. All links are as they should be.'))];
    return top.map(troubleItem);
  });
  const more = byId('more-troubles');
  more.hidden = all.length <= listed;
  set(more, 'aria-expanded', Boolean(seen.allTroubles));
  put(more, seen.allTroubles ? 'Show the first ones' : `Show all ${count(all.length)}`);
  [...list.querySelectorAll('.when')].forEach((e, i) => put(e, whenOf(top[i])));
}

function troubleItem(t) {
  const what = t.site === undefined ? el('b', {}, t.what) : el('a', { href: '#traffic', 'data-key': t.key }, t.what);
  if (t.site !== undefined) what.addEventListener('click', () => pick(t.site));
  const level = { down: 'Down', warn: 'Trouble', note: 'Note' }[t.level];
  return el('li', { class: `is-${t.level}` }, sign(t.level), el('div', {},
    el('p', { class: 'what' }, el('span', { class: 'level' }, level), what, el('span', { class: 'when muted' })), el('p', { class: 'text' }, t.text)));
}

const whenOf = (t) => {
  const s = since(t.since, now());
  return [s === null ? '' : `for ${span(s)}`, nextTry(t, now())].filter(Boolean).join(', ');
};

function drawTraffic() {
  const s = seen.status;
  if (!s) return;
  const names = (s.sites ?? []).map((x) => x.name);
  once(chooser, names, () => [el('option', { value: '' }, 'all sites'), ...names.map((n) => el('option', { value: n }, n))]);
  if (seen.picked && !names.includes(seen.picked)) seen.picked = '';
  chooser.value = seen.picked;
  chart.update(history.of(seen.picked), seen.answered);
  const flow = history.now(seen.picked);
  put(byId('now'), `in ${rate(flow.in)}, out ${rate(flow.out)}`);
  const facts = factsOf((s.sites ?? []).find((x) => x.name === seen.picked));
  const list = byId('facts');
  once(list, facts.map(([term]) => term), () => facts.map(([term]) => el('div', {}, el('dt', {}, term), el('dd'))));
  [...list.querySelectorAll('dd')].forEach((dd, i) => put(dd, facts[i][1]));
}

// factsOf is what an operator asks first of a site.
function factsOf(s) {
  if (!s) return [];
  const t = s.tunnel;
  const p = t?.ppp;
  return [
    ['State', `${s.state} for ${span(since(s.since, now()) ?? 0)}`],
    ['Reason', s.reason],
    ['History', `up ${many(s.ups, 'time')}, dialled ${many(s.dials, 'time')}, ${many(s.calls_refused, 'call')} refused`],
    ['Callers', callersOf(s) && [callersOf(s), first((s.callers ?? []).map((c) => [c.name, c.address].filter(Boolean).join(' at ')), 8)].filter(Boolean).join(': ')],
    ['Call', t && `${t.local} to ${t.peer}, ${t.dialed ? 'by us' : 'by the peer'}, ${ago(t.began, now())}`],
    ['Peer', t && [t.peer_host, t.peer_vendor].filter(Boolean).join(', ')],
    ['Carrier', t && t.carrier && `${t.carrier === 'udp' ? `UDP, peer's port ${t.peer_udp_port}` : 'GRE'}: ${t.carrier_reason}`],
    ['Proved by', p && [p.method, p.peer?.name].filter(Boolean).join(', ')],
    ['Encryption', p && (p.encryption.agreed || p.encryption.method || 'none')],
    ['Round trip', roundTrip(p?.round_trip_ns)],
    ['Heard', ago(p?.last_heard, now())],
    ['GRE', t && `in ${octets(t.gre.octets_received)}, out ${octets(t.gre.octets_sent)}; lost ${t.gre.lost}, reordered ${t.gre.reordered}`],
    ['IP', s.ip && [s.ip.device, s.ip.mtu && `MTU ${s.ip.mtu}`, first(s.ip.routes ?? [], 6)].filter(Boolean).join(', ')],
    ['IPX', s.ipx && (s.ipx.segment ? `bridged, segment ${s.ipx.segment}` : [`network ${s.ipx.network}`, s.ipx.exchange, s.ipx.ticks && many(s.ipx.ticks, 'tick')].filter(Boolean).join(', '))],
  ].filter(([, value]) => value);
}

// behind lists the networks that were learned from each site.
function behind() {
  const map = new Map();
  for (const r of seen.ipx.routes) {
    if (!r.site || r.down) continue;
    if (!map.has(r.site)) map.set(r.site, []);
    map.get(r.site).push(r.network);
  }
  return map;
}

async function ask(path) {
  const r = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(15_000) });
  if (!r.ok) throw new Error(`the daemon answered ${r.status}`);
  adjust(r.headers.get('Date'));
  return r.json();
}

async function lookAtStatus() {
  seen.status = await ask('v1/status');
  seen.answered = Date.now();
  history.add(seen.status.sites ?? [], seen.answered);
  drawHead();
  drawTroubles();
  graph.update(seen.status, behind(), history);
  drawTraffic();
  tables.status(seen.status);
}

async function lookAtIPX() {
  if (!Object.keys(seen.services).length) seen.services = await ask('v1/services');
  seen.ipx = await ask('v1/ipx');
  tables.ipx(seen.ipx, seen.services, seen.status?.segments ?? []);
}

// keep looks again and again. What takes long is asked for less often.
async function keep(look, every) {
  for (;;) {
    const began = performance.now();
    try {
      await look();
    } catch (e) {
      if (!(e instanceof TypeError || e instanceof DOMException || e instanceof Error)) throw e;
      seen.failed = e.message;
    }
    tellStale();
    const took = performance.now() - began;
    await new Promise((done) => setTimeout(done, Math.max(every, 4 * took)));
  }
}

// tellStale says since when the daemon has been silent. What is shown is of then.
function tellStale() {
  const silent = Date.now() - seen.answered;
  const box = byId('stale');
  const stale = silent > 3 * often;
  if (box.hidden === stale) box.hidden = !stale;
  document.body.classList.toggle('is-stale', stale);
  if (stale) put(box, seen.answered ? `The daemon has not answered since ${timeOfDay(seen.answered)}. What you see is of then.` : 'The daemon does not answer.');
}

setInterval(tellStale, 1000);
keep(lookAtStatus, often);
keep(lookAtIPX, seldom);
