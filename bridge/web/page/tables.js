// What the tables have in their columns.
import { now } from './clock.js';
import { el, once, put, set, svg } from './dom.js';
import { kind, kinds, sign } from './state.js';
import { Table } from './table.js';
import { ago, day, first, many, node, rate, roundTrip, since, span } from './text.js';

// spark draws the last minutes of a site: how much went both ways.
function spark(cell, samples) {
  let picture = cell.firstChild;
  if (!picture) cell.append((picture = svg('svg', { class: 'spark', viewBox: '0 0 80 20', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, svg('path'))));
  const all = samples.slice(-40);
  const top = Math.max(1, ...all.map((s) => s.in + s.out));
  set(picture.firstChild, 'd', all.map((s, i) => `${i ? 'L' : 'M'}${(80 * i) / Math.max(1, all.length - 1)} ${(19 - (18 * (s.in + s.out)) / top).toFixed(1)}`).join(''));
}

function stateCell(cell, s) {
  const k = kind(s);
  once(cell, [k, s.state], () => [el('span', { class: `badge is-${k}` }, sign(k), s.state)]);
}

function nameCell(pick) {
  return (cell, s) => once(cell, s.name, () => {
    const a = el('a', { href: '#traffic', 'data-key': s.name }, s.name);
    a.addEventListener('click', () => pick(s.name));
    return [a];
  });
}

const ipxOf = (s) => (!s.ipx ? '' : s.ipx.segment ? `bridged, ${s.ipx.segment}` : s.ipx.network);

function siteTable(history, pick) {
  const flow = (s) => history.now(s.name);
  return new Table('sites', {
    what: 'sites', none: 'No site is configured.', key: (s) => s.name, order: 1, // the worst first
    columns: [
      { name: 'Site', text: (s) => s.name, draw: nameCell(pick) },
      { name: 'State', text: (s) => s.state, sort: (s) => kinds[kind(s)].rank, draw: stateCell },
      { name: 'For', text: (s) => span(since(s.since, now()) ?? 0), sort: (s) => since(s.since, now()) ?? 0, number: true },
      { name: 'In', text: (s) => rate(flow(s).in), sort: (s) => flow(s).in, number: true, descending: true },
      { name: 'Out', text: (s) => rate(flow(s).out), sort: (s) => flow(s).out, number: true, descending: true },
      { name: 'Traffic', text: () => '', sort: (s) => flow(s).in + flow(s).out, draw: (cell, s) => spark(cell, history.of(s.name)), descending: true },
      { name: 'Round trip', text: (s) => roundTrip(s.tunnel?.ppp?.round_trip_ns), sort: (s) => s.tunnel?.ppp?.round_trip_ns ?? 0, number: true, descending: true },
      { name: 'Encryption', text: (s) => (s.tunnel ? s.tunnel.ppp?.encryption?.method || 'none' : '') },
      { name: 'Peer', text: (s) => s.tunnel?.peer ?? '', code: true },
      { name: 'IP routes', text: (s) => first(s.ip?.routes ?? [], 3), code: true },
      { name: 'IPX', text: ipxOf, code: true },
      { name: 'Why it is not up', text: (s) => s.reason ?? '' },
    ],
  });
}

// figure sorts what is written in hexadecimal.
const figure = (hex) => parseInt(hex, 16) || 0;
const heard = (text) => ago(text, now());
const how = (r) => (r.held ? `held, ${span(-since(r.held, now()))} more` : r.down ? 'gone' : r.origin);
const way = (r) => r.site || r.via || 'inside this router';

const networkTable = () => new Table('networks', {
  what: 'networks', none: 'No IPX network is known.', key: (r) => `${r.network} ${r.via} ${r.port ?? ''}`,
  columns: [
    { name: 'Network', text: (r) => r.network, sort: (r) => figure(r.network), code: true },
    { name: 'Hops', text: (r) => r.hops, number: true },
    { name: 'Ticks', text: (r) => r.ticks, number: true },
    { name: 'Via', text: way },
    { name: 'Next router', text: (r) => node(r.next), code: true },
    { name: 'Known by', text: how },
    { name: 'Who told', text: (r) => node(r.from), code: true },
    { name: 'Other ways', text: (r) => (r.alternatives?.length ? first(r.alternatives.map(way), 2) : '') },
  ],
});

const serviceTable = (words) => new Table('services', {
  what: 'services', none: 'No IPX service is known.', key: (s) => `${s.type} ${s.name}`,
  columns: [
    { name: 'Name', text: (s) => s.name },
    { name: 'Type', text: (s) => (words[s.type] ? `${words[s.type]} (${s.type})` : s.type) },
    { name: 'Address', text: (s) => s.address, code: true },
    { name: 'Hops', text: (s) => s.hops, number: true },
    { name: 'Via', text: way },
    { name: 'Known by', text: how },
    { name: 'Who told', text: (s) => node(s.from), code: true },
  ],
});

const stationTable = () => new Table('stations', {
  what: 'stations', none: 'No IPX station was heard.', key: (n) => `${n.network} ${n.node} ${n.via}`,
  columns: [
    { name: 'Network', text: (n) => n.network, sort: (n) => figure(n.network), code: true },
    { name: 'Node', text: (n) => n.node, sort: (n) => figure(n.node), code: true },
    { name: 'Heard on', text: (n) => n.via },
    { name: 'Last heard', text: (n) => heard(n.last), sort: (n) => -Date.parse(n.last), number: true },
  ],
});

const certificateTable = () => new Table('certificates', {
  what: 'certificates', none: 'No certificate is in use.', key: (c) => `${c.fingerprint} ${c.use}`,
  columns: [
    { name: 'Name', text: (c) => c.name },
    { name: 'Use', text: (c) => c.use },
    { name: 'Until', text: (c) => day(c.not_after), code: true },
    { name: 'Left', text: (c) => (c.days_left < 0 ? 'expired' : many(c.days_left, 'day')), sort: (c) => c.days_left, number: true },
    { name: 'Fingerprint', text: (c) => c.fingerprint, code: true },
  ],
});

// bridged are the networks of segments, and those beyond routers on their wires, as rows
// of the same table.
function bridged(segments) {
  return segments.flatMap((g) => [
    { network: g.network, hops: 0, ticks: 0, via: `segment ${g.name}`, origin: 'bridged' },
    ...(g.networks ?? []).map((n) => ({ network: n.network, hops: '', ticks: '', via: `segment ${g.name}, ${n.port}`, next: n.router, origin: 'bridged', held: n.held })),
  ]);
}

// makeTables returns what fills them.
export function makeTables(history, pick) {
  const words = {};
  const sites = siteTable(history, pick);
  const networks = networkTable();
  const services = serviceTable(words);
  const stations = stationTable();
  const certificates = certificateTable();
  return {
    status(s) {
      sites.update(s.sites ?? []);
      certificates.update(s.certificates ?? []);
    },
    ipx(x, names, segments) {
      Object.assign(words, names);
      networks.update([...(x.routes ?? []), ...bridged(segments)]);
      services.update(x.services ?? []);
      stations.update(x.nodes ?? []);
    },
  };
}
