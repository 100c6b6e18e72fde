package bridge

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"

	"sitebridge/bridge/config"
)

// A door that a reload closes is no failure, which would end the daemon: its listener is
// often gone before the server knows that it is to end.
func TestClosedDoorIsNoFailure(t *testing.T) {
	cfg := &config.Config{Daemon: config.Daemon{Metrics: netip.MustParseAddrPort("127.0.0.1:0")}}
	for range 300 {
		r, err := openReaders(t.Context(), ofMetrics, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		r.end = end
		ended := make(chan error, 1)
		go func() {
			ended <- serveReaders(ctx, r.l, http.NotFoundHandler(), "metrics", slog.New(slog.DiscardHandler))
		}()
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
