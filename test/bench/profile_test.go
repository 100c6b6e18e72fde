package bench

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sitebridge/bridge"
	"sitebridge/test/lab"
)

// profile writes where both daemons spend their time while a stream runs, for each of our
// tunnels: NAME-sends and NAME-receives.
func (b *bench) profile() {
	for _, w := range b.ways {
		if !w.ours() {
			continue
		}
		var both sync.WaitGroup
		both.Go(func() { b.writeProfile(b.a, w.at("b")[2:]+"-sends") })
		both.Go(func() { b.writeProfile(b.b, w.at("a")[2:]+"-receives") })
		b.stream(w, profileTime+time.Second)
		both.Wait()
	}
}

const profileTime = 3 * time.Second

func (b *bench) writeProfile(d *lab.Daemon, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience)
	defer cancel()
	r, err := (bridge.Client{Socket: d.Socket}).Stream(ctx, "/debug/pprof/profile?seconds=3")
	if err != nil {
		b.T.Error(err)
		return
	}
	defer r.Close()
	profile, err := io.ReadAll(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(*profiles, name), profile, 0o644)
	}
	if err != nil {
		b.T.Error(err)
	}
}
