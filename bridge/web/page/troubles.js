// What is wrong: one line for each thing, the worst first.
import { kind } from './state.js';
import { count, day, many, node, span } from './text.js';

const soonDays = 30;

// waits says what a site that is not up waits for, where it gave no reason.
const waits = { listening: 'waits for the peer to call', dialing: 'is calling', negotiating: 'a call is up, and the ends negotiate', waiting: 'waits before it calls again' };

function ofSite(s) {
  const k = kind(s);
  const base = { key: `site ${s.name}`, site: s.name, since: s.since };
  if (k === 'idle') return s.state === 'stopped' ? [{ ...base, level: 'note', what: s.name, text: s.reason || 'stopped by its operator' }] : [];
  if (k !== 'up') return [{ ...base, level: k === 'rising' ? 'note' : k, what: s.name, text: s.reason || waits[s.state] || s.state, next: s.next_try }];
  return (s.tunnel?.ppp?.ncps ?? []).filter((n) => !n.opened && n.reason)
    .map((n) => ({ ...base, key: `ncp ${s.name} ${n.name}`, level: 'note', what: `${s.name}, ${n.name}`, text: n.reason, since: undefined }));
}

function ofLAN(l) {
  const all = (l.trouble ?? []).map((text) => ({ level: 'warn', what: `LAN ${l.name}`, text }));
  if (!l.up && !all.length) all.push({ level: 'down', what: `LAN ${l.name}`, text: `${l.device} is down` });
  return all;
}

function ofSegment(g) {
  return (g.troubles ?? []).map((t) => ({ level: 'warn', what: `Segment ${g.name}, ${t.port}`, text: t.text, since: t.since }));
}

function ofCertificate(c) {
  if (c.days_left >= soonDays) return [];
  const left = c.days_left < 0 ? `expired on ${day(c.not_after)}` : `expires on ${day(c.not_after)}, in ${many(c.days_left, 'day')}`;
  return [{ level: c.days_left < 0 ? 'down' : 'warn', what: `Certificate ${c.name}`, text: `${left} (${c.use})` }];
}

function ofGuard(g) {
  const slowed = (g?.sources_slowed ?? 0) + (g?.names_slowed ?? 0);
  if (!slowed) return [];
  const worst = [...(g.worst_sources ?? []), ...(g.worst_names ?? [])].map((w) => `${w.who} (${count(w.wrong_proofs)})`).slice(0, 4);
  return [{ level: 'warn', what: 'Wrong secrets', text: `somebody guesses, and is slowed down: ${worst.join(', ')}` }];
}

const ranks = { down: 0, warn: 1, note: 2 };

// troubles of a status: {level, what, text, since?, site?, next?}.
export function troubles(status) {
  const all = [
    ...(status.sites ?? []).flatMap(ofSite),
    ...(status.clashes ?? []).map((c) => ({ level: 'warn', what: `IPX ${node(c.network) && `number ${c.network}`}, ${c.kind.replaceAll('_', ' ')}`.replace(' ,', ','), text: c.text, since: c.first })),
    ...(status.lans ?? []).flatMap(ofLAN),
    ...(status.segments ?? []).flatMap(ofSegment),
    ...(status.certificates ?? []).flatMap(ofCertificate),
    ...ofGuard(status.guard),
    ...(status.warnings ?? []).map((text) => ({ level: 'note', what: 'Warning', text })),
  ];
  return all.map((t, i) => ({ ...t, i })).sort((a, b) => ranks[a.level] - ranks[b.level] || a.i - b.i);
}

export const nextTry = (t, now) => {
  const s = (Date.parse(t.next ?? '') - now) / 1000;
  return s > 0 ? `next try in ${span(s)}` : '';
};
