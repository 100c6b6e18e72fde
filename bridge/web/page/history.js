// What went through each site, as long as this page is open: ten minutes of it.

export const kept = 10 * 60 * 1000;

// carried is how much a site's calls have carried. It begins anew with each call.
function carried(site) {
  const sum = { in: 0, out: 0 };
  for (const t of [site.tunnel, ...(site.callers ?? []).map((c) => c.tunnel)]) {
    sum.in += t?.gre?.octets_received ?? 0;
    sum.out += t?.gre?.octets_sent ?? 0;
  }
  return sum;
}

const grown = (was, is) => (is >= was ? is - was : is);

export class History {
  constructor() {
    this.last = new Map(); // by site: what it had carried, and when
    this.samples = new Map(); // by site; '' is all of them
  }

  // add takes what all sites have carried at a time, in milliseconds.
  add(sites, at) {
    const total = { at, in: 0, out: 0 };
    for (const site of sites) {
      const is = { at, ...carried(site) };
      const was = this.last.get(site.name);
      this.last.set(site.name, is);
      if (!was || at <= was.at) continue;
      const seconds = (at - was.at) / 1000;
      const s = { at, in: grown(was.in, is.in) / seconds, out: grown(was.out, is.out) / seconds };
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
