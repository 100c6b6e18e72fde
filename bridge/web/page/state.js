// States of sites: a word, a kind and a shape. Nobody has to tell colours apart.
import { svg } from './dom.js';

export const kinds = {
  up: { word: 'up', rank: 3 },
  warn: { word: 'up, with trouble', rank: 1 },
  rising: { word: 'coming up', rank: 2 },
  down: { word: 'down', rank: 0 },
  idle: { word: 'idle or stopped', rank: 4 },
};

const kindOf = { up: 'up', dialing: 'rising', negotiating: 'rising', idle: 'idle', stopped: 'idle' };

// kind of a site. One that comes up again and again, and says why it fails, is down.
export function kind(site) {
  if (site.pool && site.state === 'listening') return 'idle'; // nobody calls, and nobody has to
  const k = kindOf[site.state] ?? 'down';
  if (k === 'up' && site.reason) return 'warn';
  return k === 'rising' && site.reason ? 'down' : k;
}

const shapes = {
  up: () => svg('circle', { cx: 8, cy: 8, r: 6 }),
  warn: () => svg('path', { d: 'M8 1.5 15 14H1z' }),
  rising: () => svg('g', {}, svg('circle', { cx: 8, cy: 8, r: 5.5, class: 'ring' }), svg('path', { d: 'M8 2.5a5.5 5.5 0 0 1 0 11z' })),
  down: () => svg('path', { d: 'M3 1 8 6l5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z' }),
  idle: () => svg('circle', { cx: 8, cy: 8, r: 5, class: 'ring' }),
  note: () => svg('path', { d: 'M8 1 15 8 8 15 1 8z' }),
};

// sign draws the shape of a kind. What it means stands beside it in words.
export const sign = (k) => svg('svg', { class: `sign is-${k}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' }, shapes[k]());
