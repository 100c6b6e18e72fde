package radius

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/internal/netlab"
)

// freeradiusConf is all that FreeRADIUS needs. Debian's package is built for TLS
// 1.3, but takes it for EAP only where tls_max_version says so, and then warns at
// its start. EMSK is told to whoever may enter, which is what we are after.
const freeradiusConf = `
prefix = /usr
libdir = /usr/lib/freeradius
logdir = DIR
run_dir = DIR
client nas {
	ipaddr = 127.0.0.1
	secret = "` + secret + `"
	require_message_authenticator = yes
}
modules {
	eap {
		default_eap_type = tls
		tls-config ours {
			certificate_file = DIR/radius.pem
			private_key_file = DIR/radius.key
			ca_file = DIR/radius-ca.pem
			tls_min_version = "VERSION"
			tls_max_version = "VERSION"
			fragment_size = FRAGMENT
		}
		tls {
			tls = ours
		}
		mschapv2 {
			send_error = yes
		}
	}
	mschap {
		use_mppe = yes
		require_encryption = yes
		require_strong = yes
	}
}
server judge {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = ` + port + `
	}
	authorize {
		eap
		update control {
			Cleartext-Password := "` + password + `"
		}
	}
	authenticate {
		eap
		Auth-Type MS-CHAP {
			mschap
		}
	}
	post-auth {
		update reply {
			Reply-Message := "%{reply:EAP-EMSK}"
		}
	}
}
`

const password = "right horse"

// A freeradius is the server, running.
type freeradius struct {
	t     *testing.T
	cmd   *netlab.Cmd
	ended chan struct{}
	log   *journal
}

// freeradius starts FreeRADIUS with that certificate, for one version of TLS, and
// waits until it is ready. fragment is how many octets an EAP packet of it may
// have.
func (w *world) freeradius(own *identity.Own, version, fragment string) *freeradius {
	w.t.Helper()
	w.save("radius", own)
	conf := strings.NewReplacer("DIR", w.dir, "VERSION", version, "FRAGMENT", fragment).Replace(freeradiusConf)
	w.write("radiusd.conf", []byte(conf))
	w.write("radius-ca.pem", pki().trusted)
	return startFreeRADIUS(w.t, w.Namespace, w.dir)
}

// startFreeRADIUS runs it with the radiusd.conf of dir until the test ends.
func startFreeRADIUS(t *testing.T, ns *netlab.Namespace, dir string) *freeradius {
	t.Helper()
	f := &freeradius{t: t, ended: make(chan struct{}), log: &journal{word: "Ready to process requests", said: make(chan struct{})}}
	f.cmd = ns.Command("freeradius", "-X", "-d", dir, "-n", "radiusd") // -X: not as a daemon, and it tells all
	f.cmd.Stdout, f.cmd.Stderr = f.log, f.log
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		f.cmd.Wait() // it is killed in the end
		close(f.ended)
	}()
	t.Cleanup(f.close)
	select {
	case <-f.log.said:
	case <-f.ended:
		t.Fatal("FreeRADIUS does not run with this configuration")
	case <-time.After(patience):
		t.Fatal("FreeRADIUS does not become ready")
	}
	return f
}

func (f *freeradius) close() {
	f.stop()
	if f.t.Failed() {
		f.t.Logf("FreeRADIUS has printed ...%s", tail(f.log.text.String()))
	}
}

// stop ends it. After that its log is whole, and nobody else's.
func (f *freeradius) stop() {
	f.cmd.Process.Kill() // it may be the second time
	<-f.ended
}

// said ends it and checks what it has said.
func (f *freeradius) said(words string) {
	f.t.Helper()
	f.stop()
	if !strings.Contains(f.log.text.String(), words) {
		f.t.Errorf("FreeRADIUS has not said %q", words)
	}
}

func (w *world) write(name string, text []byte) (path string) {
	w.t.Helper()
	path = filepath.Join(w.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// A journal keeps what a program prints, and tells when it has printed word.
type journal struct {
	word string
	said chan struct{} // closed then
	text bytes.Buffer  // of the goroutine that copies it, until the program has ended
}

func (j *journal) Write(b []byte) (int, error) {
	before := j.has()
	j.text.Write(b)
	if !before && j.has() {
		close(j.said)
	}
	return len(b), nil
}

func (j *journal) has() bool { return bytes.Contains(j.text.Bytes(), []byte(j.word)) }

// tail is enough of a long text to see what went wrong.
func tail(text string) string { return text[max(0, len(text)-8000):] }
