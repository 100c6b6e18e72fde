package web

import (
	"testing"
)

func TestPictures(t *testing.T) {
	b := startBrowser(t)
	for _, c := range []struct {
		name, scheme string
		w            *world
		width        int
	}{{"light", "light", small(), 1280}, {"dark", "dark", small(), 1280}, {"phone", "light", small(), 360}, {"large", "light", large(), 1280}} {
		srv := c.w.serve(t)
		p := b.open(t, c.width, 900)
		p.media("prefers-color-scheme", c.scheme)
		p.visit(srv.URL + "/")
		p.wait("networks", "document.querySelectorAll('#networks tbody tr').length > 3")
		p.wait("samples", "!document.querySelector('.readout').textContent.includes('measuring')")
		p.eval("new Promise(f => setTimeout(f, 9000))", nil)
		p.picture(c.name)
		p.clean(srv.URL)
	}
}
