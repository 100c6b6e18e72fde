package lab

import (
	"os"
	"strings"
)

// Rewrite writes another configuration into the daemon's file, which the daemon does
// not read before somebody tells it to.
func (d *Daemon) Rewrite(config string) {
	d.T.Helper()
	file := strings.TrimSuffix(d.Socket, ".sock") + ".toml"
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "STATUS", d.Socket)), 0o600); err != nil {
		d.T.Fatal(err)
	}
}
