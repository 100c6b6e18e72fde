package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
)

// reloadWait is how long a reload may take: each site that ends says goodbye.
const reloadWait = time.Minute

func runReload(e *env, args []string) int {
	f := e.flags("reload", "[--dry-run] [--json] [--config FILE] [--socket FILE]")
	dry := f.Bool("dry-run", false, "only show what would change")
	asJSON := f.Bool("json", false, "print JSON, as docs/commands.md describes it")
	daemon := daemonFlags(f)
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	path := "/v1/reload"
	if *dry {
		path += "?dry-run"
	}
	var diff config.Difference
	if err := e.within(reloadWait, daemon, bridge.Client.Post, path, &diff); err != nil {
		return e.fail(err)
	}
	if *asJSON {
		return e.printJSON(diff)
	}
	for _, line := range diff.Lines() {
		fmt.Fprintln(e.stdout, line)
	}
	if diff.Empty() {
		fmt.Fprintln(e.stdout, "nothing has changed")
	}
	return exitOK
}

// reloadOn reads the configuration anew at each SIGHUP, until ctx ends. Who manages
// the service is told when it begins and when it is over.
func reloadOn(ctx context.Context, hangups <-chan os.Signal, d *bridge.Daemon, n notifier) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			n.reloading()
			d.ReloadFile() // it logs what became of it
			n.ready()
		}
	}
}
