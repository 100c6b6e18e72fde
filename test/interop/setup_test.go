package interop

import "fmt"

// A setup is what our configuration says for a guest, by tables.
type setup struct {
	daemon     string // more keys of [daemon]
	auth       string // keys of [site.NAME.auth]
	encryption string // keys of [site.NAME.encryption]
	more       string // more tables
}

// disabled is what stands in a setup without encryption.
const disabled = `policy = "disabled"`

// dialing has us call the guest.
func (s setup) dialing() string {
	return fmt.Sprintf(`
[daemon]
name = "alice"
status = "$DIR/s"
%s
[site.rigserver]
dial = ["%s"]
echo = { interval = "1s", failures = 3 }

[site.rigserver.auth]
%s
[site.rigserver.encryption]
%s
%s`, s.daemon, guestPPTP, s.auth, s.encryption, s.more)
}

// answering has us wait for the guest's call.
func (s setup) answering() string {
	return fmt.Sprintf(`
[daemon]
name = "rigserver"
listen = ["%s:1723"]
status = "$DIR/s"
%s
[site.alice.auth]
%s
[site.alice.encryption]
%s
%s`, ourAddr, s.daemon, s.auth, s.encryption, s.more)
}
