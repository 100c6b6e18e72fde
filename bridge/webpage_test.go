package bridge

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The page tells what the control socket tells, and no secret is in it.
func TestPageTellsTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start("alpha", peerSite("alpha", "beta", true, false)), w.start("beta", peerSite("beta", "alpha", false, true))
		reaches(t, 10*time.Second, "both up", both(a, b, StateUp))
		ask := func(h http.Handler, method, path string) (int, string) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(method, "http://localhost"+path, nil))
			return rec.Code, strings.TrimSpace(rec.Body.String())
		}
		process := regexp.MustCompile(`"process":{[^}]*}`) // what it takes goes on changing
		for _, path := range []string{"/v1/status", "/v1/ipx"} {
			_, want := ask(a.apiHandler(), http.MethodGet, path)
			code, got := ask(a.pageHandler(), http.MethodGet, path)
			if code != http.StatusOK || process.ReplaceAllString(got, "") != process.ReplaceAllString(want, "") {
				t.Errorf("%s: %d, %s, want %s", path, code, got, want)
			}
			if strings.Contains(got, "secret of") {
				t.Errorf("%s has a secret: %s", path, got)
			}
		}
		if code, _ := ask(a.pageHandler(), http.MethodPost, "/v1/sites/beta/down"); code != http.StatusMethodNotAllowed || !a.is(StateUp)() {
			t.Errorf("the page took a site down, or said so: %d", code)
		}
		if code, got := ask(a.pageHandler(), http.MethodGet, "/v1/services"); code != http.StatusOK || !strings.Contains(got, `"0004":"file server"`) {
			t.Errorf("words of services: %d, %s", code, got)
		}
	})
}
