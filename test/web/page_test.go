package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
)

// ready waits until the page has shown a status, the tables of IPX and a first rate.
func (p *page) ready(url string) {
	p.t.Helper()
	p.visit(url + "/")
	p.wait("the tables of IPX are there", "document.querySelectorAll('#networks tbody tr').length > 3")
}

// One browser for all: starting it takes longer than all that it is asked for.
func TestPage(t *testing.T) {
	b := startBrowser(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *browser)
	}{
		{"what is wrong comes first", testTroubles},
		{"the map", testMap},
		{"traffic, by keyboard", testTraffic},
		{"search and sort by keyboard", testTables},
		{"hostile names are text", testHostile},
		{"contrast", testContrast},
		{"a phone", testPhone},
		{"the keyboard reaches everything", testKeyboard},
		{"live, and stale", testLive},
		{"a thousand sites", testSpeed},
		{"what the policy forbids is seen", testPolicy},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			c.test(t, b)
		})
	}
}

func testTroubles(t *testing.T, b *browser) {
	srv := small().serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	has(t, "the list", p.text("#troubles li:first-child"), "Down", "lyon", "nothing answers on TCP 1723 there", "next try in", "for 17 min")
	has(t, "the list", p.text("#troubles"), "00000020", "give one of them another number", "LAN club", "two networks are in use",
		"Certificate Branches CA", "in 9 days", "stopped by its operator", "eap-tls cannot")
	has(t, "the head", p.text(".top"), "hq", "sitebridge 1.4.0", "running for 3 d", "3 up", "1 down")
	var title string
	p.eval("document.title", &title)
	has(t, "the title", title, "hq: 1 site down")
	p.picture("light", 0, 1300)
	p.clean(srv.URL)
}

func testMap(t *testing.T, b *browser) {
	srv := small().serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	p.wait("networks behind west", "document.querySelector('[data-site=west]').innerText.includes('00000100')")
	has(t, "the card of a site", p.text("[data-site=denver]"), "denver", "up", "10.0.1.0/24", "link 001C0001")
	has(t, "the card of a site that is down", p.text("[data-site=lyon]"), "waiting", "nothing answers on TCP 1723")
	has(t, "the LANs", p.text("#graph .lans"), "ethernet_802_2", "00000010", "00000011, learned", "3 connected")
	has(t, "the segment", p.text("#graph .segment"), "games", "0000006A", "10")
	var edges map[string]int
	p.eval("[...document.querySelectorAll('.edge')].reduce((n, e) => { const k = e.classList[1]; n[k] = (n[k] ?? 0) + 1; return n }, {})", &edges)
	if edges["is-down"] != 1 || edges["is-up"] < 4 || edges["is-bridge"] != 2 {
		t.Errorf("lines of the map: %v", edges)
	}
	var same bool
	p.eval("(() => { const g = document.getElementById('graph'); window.card = g.querySelector('[data-site=west]'); return true })()", &same)
	first := p.text("#graph [data-rate=west]")
	p.wait("the rate of a site", fmt.Sprintf("document.querySelector('#graph [data-rate=west]').innerText !== %q", first))
	if p.eval("window.card.isConnected", &same); !same {
		t.Error("cards were drawn anew, and nothing had changed but the rate")
	}
	p.clean(srv.URL)
}

func testTraffic(t *testing.T, b *browser) {
	srv := small().serve(t)
	p := b.open(t, 1280, 900)
	p.media("prefers-color-scheme", "dark")
	p.ready(srv.URL)
	p.eval("document.querySelector('[data-site=west]').click()", nil)
	p.wait("three samples", "document.querySelector('.line.in[d*=L]')?.getAttribute('d').split('L').length >= 3")
	has(t, "what is known of the site", p.text("#facts"), "AES-256-GCM", "10 ms", "198.51.100.1 to 192.0.2.2", "MTU 1434")
	has(t, "the rate", p.text("#now"), "Mbit/s")
	p.eval("document.querySelector('.plot').focus()", nil)
	p.press("ArrowLeft")
	has(t, "the reading of an earlier moment", p.text(".readout"), "s ago: in ", "Mbit/s, out ")
	var said string
	p.eval("document.querySelector('.plot').getAttribute('aria-valuetext')", &said)
	has(t, "what is read aloud", said, "ago: in ")
	p.eval("new Promise((f) => setTimeout(f, 100))", nil)
	p.picture("dark", 560, 1900)
	p.press("Escape")
	has(t, "the reading of now", p.text(".readout"), "now: in ")
	p.clean(srv.URL)
}

func testTables(t *testing.T, b *browser) {
	srv := large().serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	p.eval("document.getElementById('networks-search').focus()", nil)
	p.write("00010abc")
	p.wait("one network is found", "document.querySelectorAll('#networks tbody tr').length === 1")
	has(t, "the network", p.text("#networks"), "00010ABC", "1 of 5,001", "west")
	p.eval("document.querySelectorAll('#networks th button')[1].focus()", nil) // hops
	p.press("Enter")
	p.press("Enter")
	p.eval("(() => { const s = document.getElementById('networks-search'); s.value = ''; s.dispatchEvent(new Event('input')) })()", nil)
	var sorted struct {
		Sort  string
		First string
		Rows  int
	}
	p.eval(`({Sort: document.querySelectorAll('#networks th')[1].ariaSort, First: document.querySelector('#networks tbody tr').cells[1].innerText,
		Rows: document.querySelectorAll('#networks tbody tr').length})`, &sorted)
	if sorted.Sort != "descending" || sorted.First != "14" || sorted.Rows != 25 {
		t.Errorf("sorted by hops, the most first: %+v", sorted)
	}
	has(t, "the services", p.text("#services"), "file server (0004)", "1 to 25 of")
	has(t, "the sites", p.text("#sites"), "1 to 25 of 300")
	has(t, "the map", p.text("#graph .more"), "276 more sites")
	p.picture("large", 0, 1700)
	p.picture("tables", 2450, 4000)
	p.clean(srv.URL)
}

// H3 of the page: whatever somebody calls himself, it is text, on one line, and readable.
func testHostile(t *testing.T, b *browser) {
	srv := large().serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	p.eval("document.getElementById('more-troubles').click()", nil)
	has(t, "the list of troubles", p.text("#troubles"), shown, "the peer says: "+shown)
	has(t, "the map", p.text("#graph"), shown)
	p.eval("(() => { const c = document.getElementById('pick'); c.value = 'branch-007'; c.dispatchEvent(new Event('change')) })()", nil)
	has(t, "what is known of a site", p.text("#facts"), shown)
	for _, id := range []string{"sites", "networks", "services", "stations", "certificates"} {
		p.eval(fmt.Sprintf("(() => { const s = document.getElementById('%s-search'); s.value = 'onerror'; s.dispatchEvent(new Event('input')) })()", id), nil)
		has(t, id, p.text("#"+id+" tbody"), shown)
	}
	var bad int
	p.eval("document.querySelectorAll('img, [onerror], iframe, script:not([src])').length", &bad)
	var raw bool
	p.eval(`/[\x00-\x08\x0b-\x1f\u202a-\u202e]/.test(document.documentElement.outerHTML.replaceAll('\n', ''))`, &raw)
	if bad != 0 || raw {
		t.Errorf("%d elements came in by a name, or octets of it did: %v", bad, raw)
	}
	p.clean(srv.URL)
}

// contrast is the contrast of each text with what is behind it, by WCAG 2.1, section
// 1.4.3: 4.5 for text, 3 for large text; here 4.5 for all.
const contrast = `(() => {
	const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
	const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data] };
	const lum = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b) };
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c } return rgba('Canvas') };
	const bad = {};
	let looked = 0;
	for (const e of document.querySelectorAll('body *')) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.matches(':disabled, noscript')) continue;
		const s = getComputedStyle(e);
		const fg = rgba(e instanceof SVGElement ? s.fill : s.color), bg = behind(e);
		const [a, b] = [lum(fg), lum(bg)].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		looked++;
		if (ratio < 4.5) bad[e.tagName + '.' + e.getAttribute('class') + ' ' + e.textContent.slice(0, 30)] = ratio.toFixed(2);
	}
	return { bad, looked };
})()`

func testContrast(t *testing.T, b *browser) {
	srv := small().serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	grounds := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		p.media("prefers-color-scheme", scheme)
		var r struct {
			Bad    map[string]string
			Looked int
		}
		p.eval(contrast, &r)
		if r.Looked < 100 {
			t.Errorf("%s: only %d texts were looked at", scheme, r.Looked)
		}
		for e, ratio := range r.Bad {
			t.Errorf("%s: %s has a contrast of %s, want 4.5", scheme, e, ratio)
		}
		var ground string
		p.eval("getComputedStyle(document.body).backgroundColor", &ground)
		grounds[ground] = scheme
	}
	if len(grounds) != 2 {
		t.Errorf("both schemes have one ground: %v", grounds)
	}
	p.clean(srv.URL)
}

func testPhone(t *testing.T, b *browser) {
	srv := large().serve(t)
	p := b.open(t, 360, 740)
	p.ready(srv.URL)
	var wide struct {
		Page  int
		Which []string
	}
	p.eval(`({Page: document.documentElement.scrollWidth, Which: [...document.querySelectorAll('body *')]
		.filter((e) => !e.closest('.sheet, .jump .inner, svg') && e.getBoundingClientRect().right > 361).map((e) => e.tagName + '.' + e.className)})`, &wide)
	if wide.Page > 360 || len(wide.Which) > 0 {
		t.Errorf("wider than a phone: the page %d, and %v", wide.Page, wide.Which)
	}
	var scrolls bool
	if p.eval("(() => { const s = document.querySelector('#sites .sheet'); return s.scrollWidth > s.clientWidth })()", &scrolls); !scrolls {
		t.Error("the table of sites does not scroll in its own frame")
	}
	p.picture("phone", 0, 2200)
	p.clean(srv.URL)
}

// Tab goes through all that can be pressed, in the order of the page, and each shows that
// it has the keyboard.
func testKeyboard(t *testing.T, b *browser) {
	srv := small().serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	p.wait("the map is whole", "document.querySelector('[data-site=west]').innerText.includes('00000100')")
	p.eval("window.reached = new Set()", nil)
	var all int
	p.eval("document.querySelectorAll('a[href], button:not(:disabled), input, select, [tabindex=\"0\"]').length", &all)
	var unseen []string
	for range all + 3 {
		p.press("Tab")
		var at struct {
			What string
			Seen bool
		}
		p.eval(`(() => { const e = document.activeElement; window.reached.add(e); const s = getComputedStyle(e);
			return { What: e.tagName + '.' + e.className, Seen: e === document.body || s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 } })()`, &at)
		if !at.Seen {
			unseen = append(unseen, at.What)
		}
	}
	var missed []string
	p.eval(`[...document.querySelectorAll('a[href], button:not(:disabled), input, select, [tabindex="0"]')].filter((e) => e.checkVisibility() && !window.reached.has(e)).map((e) => e.outerHTML.slice(0, 80))`, &missed)
	if all < 40 || len(missed) > 0 || len(unseen) > 0 {
		t.Errorf("of %d the keyboard does not reach %q, and it is not seen on %q", all, missed, unseen)
	}
	var unnamed int
	p.eval("[...document.querySelectorAll('main > section')].filter((s) => !s.querySelector('h2')).length + (document.documentElement.lang ? 0 : 1)", &unnamed)
	if unnamed != 0 {
		t.Errorf("%d parts have no heading, or the page no language", unnamed)
	}
	p.clean(srv.URL)
}

func testLive(t *testing.T, b *browser) {
	w := small()
	srv := w.serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	w.change(func(s *bridge.Status) {
		s.Sites = append([]bridge.SiteStatus(nil), s.Sites...)
		s.Sites[0] = badSite("denver", bridge.StateWaiting, "the peer went away: no answer to 3 echoes")
	})
	p.wait("the change is shown", "document.getElementById('troubles').innerText.includes('no answer to 3 echoes')")
	has(t, "the head", p.text("#counts"), "2 up", "2 down")
	if got := p.text("#stale"); got != "" {
		t.Errorf("stale: %q", got)
	}
	p.clean(srv.URL)
	srv.CloseClientConnections()
	srv.Close()
	p.wait("the page says that it is stale", "!document.getElementById('stale').hidden")
	has(t, "the notice", p.text("#stale"), "has not answered since ", "What you see is of then")
	if !strings.Contains(p.text("#sites"), "denver") {
		t.Error("what was known is gone")
	}
}

// The tests above would see a page that does what it must not: this one does.
func testPolicy(t *testing.T, b *browser) {
	srv := small().serve(t)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	for what, script := range map[string]string{
		"img-src":       "document.body.append(Object.assign(new Image(), { src: 'http://192.0.2.1/x.png' }))",
		"connect-src":   "fetch('http://192.0.2.1/').catch(() => 0)",
		"style-src":     "document.body.setAttribute('style', 'color: red')",
		"trusted-types": "(() => { try { document.body.innerHTML = '<b>x</b>' } catch (e) { console.error('trusted-types ' + e) } })()",
	} {
		p.eval("void "+script, nil)
		for end := time.Now().Add(patience); !p.complained(what); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("nobody complains of what %s forbids", what)
			}
		}
	}
}
