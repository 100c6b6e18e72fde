package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// startPeer starts another program, which runs until the test ends, and returns its
// process. What it said is shown when the test fails.
func startPeer(w *lab.World, cmd *netlab.Cmd) (pid int) {
	w.T.Helper()
	log := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if w.T.Failed() {
			w.T.Logf("%v:\n%s", cmd.Args, log)
		}
	})
	return cmd.Process.Pid
}

// versions notes which programs ours are compared with.
func (b *bench) versions() {
	version := regexp.MustCompile(`\d+\.\d+[\w.-]*`)
	for _, c := range [][]string{{"openvpn", "--version"}, {"tincd", "--version"}} {
		out, _ := exec.Command(c[0], c[1:]...).Output() // OpenVPN exits with 1
		b.printf("%s %s, ", c[0], version.Find(out))
	}
	b.printf("wireguard-go %s\n", os.Getenv("WIREGUARD_GO_VERSION"))
}

func notInstalled(program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Sprintf("%s is not installed", program)
	}
	return ""
}
