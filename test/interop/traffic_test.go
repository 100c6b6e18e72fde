package interop

import (
	"fmt"
	"io"
	"net"
	"testing"

	"sitebridge/bridge"
)

// wantTraffic has packets of all sizes cross the tunnel, from both ends.
func (d direction) wantTraffic(t *testing.T, l *lab, g *guest) {
	t.Helper()
	d.wantPings(t, l, g)
	l.wantTransfer(t, g, 200_000)
}

// wantPings pings from both ends with packets of 84 octets and of 1328, which have the
// mark in them.
func (d direction) wantPings(t *testing.T, l *lab, g *guest) {
	t.Helper()
	g.must(t, "ip route replace 10.1.0.0/24 dev ppp0")
	const small, large = "-s 56 -p " + mark + " ", "-s 1300 -p " + mark + " "
	g.ping(t, small+d.ours, small+farHost, large+d.ours, large+farHost)
	for _, size := range []string{"56", "1300"} {
		ping(t, l.hq, "-s", size, "-p", mark, d.theirs)
	}
}

// stream has a stateful cipher come to its key changes, of which there is one in 256
// packets, and asks for no more answers than one.
func (d direction) stream(t *testing.T, g *guest) {
	t.Helper()
	g.must(t, "ping -n -q -c 300 -i 0.01 %s", d.ours)
}

// wantLargest pings with the longest packets that each end may send, and may not cut.
func (d direction) wantLargest(t *testing.T, l *lab, g *guest, s bridge.SiteStatus) {
	t.Helper()
	const headers = 20 + 8
	g.must(t, "m=$(cat /sys/class/net/ppp0/mtu); ping -n -c 2 -i 0.2 -w 10 -M do -s $((m - %d)) %s", headers, d.ours)
	ping(t, l.hq, "-M", "do", "-s", fmt.Sprint(s.IP.MTU-headers), d.theirs)
}

// wantTransfer has the guest send so many octets by TCP to a host on our LAN, which
// sends them back.
func (l *lab) wantTransfer(t *testing.T, g *guest, octets int) {
	t.Helper()
	var echo net.Listener
	err := l.host.Do(func() (err error) {
		echo, err = net.Listen("tcp", net.JoinHostPort(farHost, "7"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			io.Copy(c, c) // ends with the connection
			c.Close()
		}
	}()
	g.must(t, "ip route replace 10.1.0.0/24 dev ppp0; "+transfer, octets)
}

// transfer is what the guest runs.
const transfer = `python3 - <<'EOF'
import os, socket, threading
out = os.urandom(%d)
s = socket.create_connection(("` + farHost + `", 7), 20)
s.settimeout(20)
def send():
    s.sendall(out)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = b""
while chunk := s.recv(65536):
    back += chunk
assert back == out, len(back)
EOF`
