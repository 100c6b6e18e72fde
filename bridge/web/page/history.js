// What went through each site, as long as this page is open: ten minutes of it.

const kept = 10 * 60 * 1000;

// calls of a site with what they have carried: its tunnel's, or those of its callers. Each
// begins at zero.
function calls(site) {
  const t = site.tunnel;
  const all = (site.callers ?? []).map((c) => [`${c.name} ${c.since}`, c.octets_in, c.octets_out]);
  return t?.gre ? [...all, [`${t.began} ${t.call_id}`, t.gre.octets_received, t.gre.octets_sent]] : all;
}

// grown is how much calls have carried since an earlier look.
function grown(was, is) {
  const sum = { in: 0, out: 0 };
  for (const [call, [i, o]] of is) {
    const [wasIn, wasOut] = was.get(call) ?? [0, 0];
    sum.in += Math.max(0, i - wasIn);
    sum.out += Math.max(0, o - wasOut);
  }
  return sum;
}

export class History {
  constructor() {
    this.last = new Map(); // by site: when it was looked at, and what its calls had carried
    this.samples = new Map(); // by site; '' is all of them
  }

  // add takes what all sites have carried at a time, in milliseconds.
  add(sites, at) {
    const total = { at, in: 0, out: 0 };
    for (const site of sites) {
      const is = { at, calls: new Map(calls(site).map(([call, i, o]) => [call, [i ?? 0, o ?? 0]])) };
      const was = this.last.get(site.name);
      this.last.set(site.name, is);
      if (!was || at <= was.at) continue;
      const seconds = (at - was.at) / 1000;
      const more = grown(was.calls, is.calls);
      const s = { at, in: more.in / seconds, out: more.out / seconds };
      total.in += s.in;
      total.out += s.out;
      this.push(site.name, s);
    }
    this.forget(sites);
    if (this.begun) this.push('', total);
    this.begun = true;
  }

  push(name, s) {
    let all = this.samples.get(name);
    if (!all) this.samples.set(name, (all = []));
    all.push(s);
    while (all[0].at < s.at - kept) all.shift();
  }

  // forget drops sites that the configuration has no more.
  forget(sites) {
    if (this.last.size === sites.length) return;
    const here = new Set(sites.map((s) => s.name));
    for (const name of this.last.keys()) {
      if (!here.has(name)) {
        this.last.delete(name);
        this.samples.delete(name);
      }
    }
  }

  of(name) {
    return this.samples.get(name) ?? [];
  }

  now(name) {
    return this.of(name).at(-1) ?? { in: 0, out: 0 };
  }
}
