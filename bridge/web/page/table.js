// Tables of thousands of rows: searched, sorted, and shown one leaf at a time.
import { arrange, byId, el, put, set } from './dom.js';
import { count, plain } from './text.js';

const leaf = 25; // rows at once

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
const compare = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a ?? ''), String(b ?? '')));

// A column is {name, text(row), sort?(row), draw?(cell, row), number?, code?, descending?};
// without sort, text is what it is sorted by.
export class Table {
  // key names a row among all, what is the word for them, none is said where there are
  // none, and order is the column by which they are sorted at first.
  constructor(id, { columns, key, what, none, order = 0 }) {
    Object.assign(this, { id, columns, key, what, none, order, rows: [], at: 0, down: false, query: '', kept: new Map() });
    this.words = new WeakMap(); // what a row is searched in
    byId(id).append(this.tools(), this.frame(), this.pager());
  }

  tools() {
    this.search = el('input', { type: 'search', id: `${this.id}-search`, autocomplete: 'off', spellcheck: 'false' });
    this.search.addEventListener('input', () => {
      this.query = plain(this.search.value).trim().toLowerCase();
      this.at = 0;
      this.draw();
    });
    this.found = el('p', { class: 'found muted', role: 'status' });
    return el('div', { class: 'tools' }, el('label', { for: `${this.id}-search` }, `Search ${this.what}`), this.search, this.found);
  }

  frame() {
    this.heads = this.columns.map((c, i) => {
      const button = el('button', { type: 'button' }, c.name, el('span', { class: 'arrow', 'aria-hidden': 'true' }));
      button.addEventListener('click', () => this.sortBy(i));
      return el('th', { scope: 'col', class: c.number && 'number' }, button);
    });
    this.body = el('tbody');
    const table = el('table', { 'aria-labelledby': `${this.id}-head` }, el('thead', {}, el('tr', {}, ...this.heads)), this.body);
    this.empty = el('p', { class: 'empty muted' });
    return el('div', { class: 'card sheet', tabindex: '0', role: 'region', 'aria-labelledby': `${this.id}-head` }, table, this.empty);
  }

  pager() {
    const turn = (name, by) => {
      const b = el('button', { type: 'button' }, name);
      b.addEventListener('click', () => {
        this.at += by * leaf;
        this.draw();
      });
      return b;
    };
    this.back = turn('Previous', -1);
    this.forth = turn('Next', 1);
    this.where = el('p', { class: 'muted' });
    this.turner = el('div', { class: 'pager' }, this.back, this.where, this.forth);
    return this.turner;
  }

  sortBy(i) {
    this.down = this.order === i ? !this.down : Boolean(this.columns[i].descending);
    this.order = i;
    this.at = 0;
    this.draw();
  }

  update(rows) {
    this.rows = rows;
    this.draw();
  }

  // chosen are the rows that are searched for, in order.
  chosen() {
    const all = this.query ? this.rows.filter((r) => this.wordsOf(r).includes(this.query)) : [...this.rows];
    const c = this.columns[this.order];
    const value = c.sort ?? c.text;
    const pairs = all.map((r) => [value(r), r]);
    const sign = this.down ? -1 : 1;
    return pairs.sort((a, b) => sign * compare(a[0], b[0])).map(([, r]) => r);
  }

  wordsOf(row) {
    let w = this.words.get(row);
    if (w === undefined) this.words.set(row, (w = this.columns.map((c) => plain(c.text(row))).join(' ').toLowerCase()));
    return w;
  }

  draw() {
    const all = this.chosen();
    this.at = Math.max(0, Math.min(this.at, Math.floor((all.length - 1) / leaf) * leaf));
    const page = all.slice(this.at, this.at + leaf);
    this.heads.forEach((h, i) => set(h, 'aria-sort', i !== this.order ? 'none' : this.down ? 'descending' : 'ascending'));
    const kept = new Map();
    arrange(this.body, page.map((row) => this.line(row, kept)));
    this.kept = kept;
    put(this.found, this.query ? `${count(all.length)} of ${count(this.rows.length)}` : count(this.rows.length));
    this.empty.hidden = all.length > 0;
    put(this.empty, this.query ? `Nothing here has “${this.query}” in it.` : this.none);
    this.turn(all.length);
  }

  // line returns the row's line, the one that it had if there was one.
  line(row, kept) {
    let k = this.key(row);
    while (kept.has(k)) k += ' '; // two alike
    const tr = this.kept.get(k) ?? el('tr', {}, ...this.columns.map((c) => el('td', { class: [c.number && 'number', c.code && 'code'].filter(Boolean).join(' ') || null })));
    kept.set(k, tr);
    this.columns.forEach((c, i) => (c.draw ? c.draw(tr.cells[i], row) : put(tr.cells[i], c.text(row))));
    return tr;
  }

  turn(n) {
    this.turner.hidden = n <= leaf;
    put(this.where, `${count(this.at + 1)} to ${count(Math.min(n, this.at + leaf))} of ${count(n)}`);
    this.back.disabled = this.at === 0;
    this.forth.disabled = this.at + leaf >= n;
  }
}
