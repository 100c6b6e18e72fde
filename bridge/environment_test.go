package bridge

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"sitebridge/bridge/config"
)

func TestUnsafeTLS(t *testing.T) {
	for godebug, unsafe := range map[string]bool{
		"":                               false,
		"tlsunsafeekm=0":                 false,
		"tlsunsafeekm":                   false, // which Go does not take either
		"gctrace=1,tlsmlkem=0":           false,
		"tlsunsafeekm=1":                 true,
		"gctrace=1,tlsunsafeekm=1":       true,
		"tlsunsafeekm=1,gctrace=1":       true,
		"tlsunsafeekm=0,tlsunsafeekm=1":  true,
		"tlsunsafeekm=1,tlsunsafeekm=0":  true, // taken out by another, but who knows
		"tlsunsafeekm=1#12,http2debug=2": true, // for some places in the program
	} {
		if err := unsafeTLS(godebug); (err != nil) != unsafe {
			t.Errorf("GODEBUG=%s: %v, want it refused: %v", godebug, err, unsafe)
		}
	}
}

// TestRunRefusesUnsafeTLS: nothing is begun where the environment takes away what keys
// of TLS 1.2 rest on.
func TestRunRefusesUnsafeTLS(t *testing.T) {
	t.Setenv("GODEBUG", "tlsunsafeekm=1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ready := func(*Daemon) { t.Error("it began") }
	err := Run(ctx, &config.Config{}, slog.New(slog.DiscardHandler), "test", ready)
	if err == nil || !strings.HasPrefix(err.Error(), "GODEBUG=tlsunsafeekm is in the environment") {
		t.Errorf("Run = %v", err)
	}
}
