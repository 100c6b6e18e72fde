package ip

import (
	"fmt"
	"testing"
	"testing/fstest"
)

func TestMissing(t *testing.T) {
	sys := func(forward4, forward6, filter string) fstest.MapFS {
		fs := fstest.MapFS{}
		for key, value := range map[string]string{
			"ipv4/ip_forward":              forward4,
			"ipv6/conf/all/forwarding":     forward6,
			"ipv4/conf/all/rp_filter":      "0",
			"ipv4/conf/eth0/rp_filter":     filter,
			"ipv4/conf/eth0.100/rp_filter": filter,
		} {
			if value != "" {
				fs[key] = &fstest.MapFile{Data: []byte(value + "\n")}
			}
		}
		return fs
	}
	const cannotCall = "want 0: a peer inside of its own tunnel's routes cannot call"
	for _, c := range []struct {
		name string
		sys  fstest.MapFS
		full bool
		want []string
	}{
		{"all right", sys("1", "1", "2"), false, nil},
		{"full tunnel, all right", sys("1", "1", "0"), true, nil},
		{"no IPv6 in the kernel", sys("1", "", "0"), false, nil},
		{"not a router", sys("0", "0", "0"), false, []string{
			"net/ipv4/ip_forward is 0, want 1: IPv4 hosts of the LAN do not reach the branches",
			"net/ipv6/conf/all/forwarding is 0, want 1: IPv6 hosts of the LAN do not reach the branches",
		}},
		{"full tunnel, filtered", sys("1", "1", "2"), true, []string{
			"net/ipv4/conf/eth0/rp_filter is 2, " + cannotCall,
			"net/ipv4/conf/eth0.100/rp_filter is 2, " + cannotCall,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := missing(c.sys, c.full); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

// TestMissingOfNamespace asks the kernel, whose answer is that of the thread's
// own namespace.
func TestMissingOfNamespace(t *testing.T) {
	s := newTwoSites(t, 1400, 1400)
	must(t, s.west.Do(func() error {
		if got := Missing(false); len(got) != 0 {
			t.Errorf("a router misses %v", got)
		}
		return nil
	}))
	must(t, s.left.Do(func() error {
		if got := Missing(false); len(got) != 2 {
			t.Errorf("a host that forwards nothing misses %v", got)
		}
		return nil
	}))
}
