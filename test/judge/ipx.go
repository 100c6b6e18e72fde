package judge

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// An Announcement is a response of RIP or of SAP, as the dissector reads it.
type Announcement struct {
	At    time.Time
	Names []string // of networks ("00000010"), or of servers
	Hops  []int    // of each
}

// Routes returns the responses of RIP in a capture that a display filter selects.
func Routes(t testing.TB, pcap, filter string) []Announcement {
	t.Helper()
	return announcements(t, pcap, "ipxrip.packet_type == 2 && ("+filter+")", "ipxrip.route_vector", "ipxrip.hops")
}

// Services returns those of SAP, the answers to Get Nearest Server left out.
func Services(t testing.TB, pcap, filter string) []Announcement {
	t.Helper()
	return announcements(t, pcap, "ipxsap.packet_type == 2 && ("+filter+")", "ipxsap.server.name", "ipxsap.server.intermediate_networks")
}

func announcements(t testing.TB, pcap, filter, names, hops string) (all []Announcement) {
	t.Helper()
	for _, f := range Fields(t, pcap, filter, "frame.time_epoch", names, hops) {
		a := Announcement{At: parseEpoch(t, f[0])}
		for _, n := range strings.Split(f[1], listed) {
			a.Names = append(a.Names, strings.ToUpper(strings.TrimPrefix(n, "0x")))
		}
		for _, h := range strings.Split(f[2], listed) {
			n, err := strconv.ParseInt(h, 0, 32)
			if err != nil {
				t.Fatalf("judge: %d hops: %v", n, err)
			}
			a.Hops = append(a.Hops, int(n))
		}
		all = append(all, a)
	}
	return all
}

func parseEpoch(t testing.TB, s string) time.Time {
	t.Helper()
	seconds, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	nsec, err2 := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil || err2 != nil {
		t.Fatalf("judge: time %q", s)
	}
	return time.Unix(sec, nsec)
}
