package bridge

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
)

// An idle site on demand is dialled for `sitebridge ipx update`, and stays up as long as
// the peer has something to tell.
func TestUpdateDialsOnDemand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alpha.ipx.toml")
	const idle = 2 * time.Second // an answer of several packets takes longer
	learns := func() *config.Site {
		s := onDemand("beta", "alpha", true, idle, alphaWire, 0xA)
		s.IPX.Exchange, s.IPX.Learned, s.IPX.Routes = config.ExchangeAutoStatic, file, nil
		return s
	}
	ask := func(t *testing.T, d *testDaemon) *httptest.ResponseRecorder {
		t.Helper()
		got := httptest.NewRecorder()
		d.apiHandler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/sites/alpha/ipx/ask", nil))
		return got
	}
	refused := func(t *testing.T, d *testDaemon, words string) {
		t.Helper()
		if got := ask(t, d); got.Code != http.StatusConflict || !strings.Contains(got.Body.String(), words) {
			t.Errorf("%d %s, want %s", got.Code, got.Body, words)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kept := onDemand("alpha", "beta", false, idle, betaWire, 0xB)
		kept.Demand = nil
		a := w.startInside("alpha", 0xA, kept)
		a.wire(t, alphaWire, fileServer("ALPHA", 0xA1))
		b := w.startInside("beta", 0xB, learns())
		synctest.Wait()
		if got := ask(t, b); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `"network":"000000A1"`) {
			t.Errorf("%d %s", got.Code, got.Body)
		}
		if s := b.allSites()[0].status(); s.Dials != 1 || s.State != StateUp {
			t.Errorf("dialled %d times, %s: %s\n%s", s.Dials, s.State, s.Reason, b.log)
		}
		reaches(t, time.Minute, "idle again", b.is(StateIdle))
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.noRoute = true
		w.mu.Unlock()
		refused(t, b, "was dialled, and does not come up: ")
		if err := b.allSites()[0].supervisor.command(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		refused(t, b, "was stopped by its operator")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := learns()
		s.Dial, s.Answer = nil, true
		b := w.startInside("beta", 0xB, s)
		synctest.Wait()
		refused(t, b, "only its peer can make one")
	})
}
