package ip

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// A Setting is a kernel variable that is not as the tunnels need it. The daemon
// only says so: changing it is for the administrator, and for the package's
// sysctl.d file.
type Setting struct {
	Key  string `json:"key"`
	Have string `json:"have"`
	Want string `json:"want"`
	Why  string `json:"why"` // what does not work
}

// MissingForProxy is Missing for proxy ARP on a device: the kernel answers where the
// device forwards.
func MissingForProxy(device string) []Setting {
	return missingForProxy(os.DirFS("/proc/sys/net"), device)
}

func missingForProxy(sys fs.FS, device string) []Setting {
	if device == "" {
		return nil
	}
	key := "ipv4/conf/" + device + "/forwarding"
	have, err := fs.ReadFile(sys, key)
	if got := strings.TrimSpace(string(have)); err == nil && got != "1" {
		return []Setting{{"net/" + key, got, "1", "hosts of the LAN do not find the callers: there is no proxy ARP"}}
	}
	return nil
}

// String is a sentence for the log.
func (s Setting) String() string {
	return fmt.Sprintf("%s is %s, want %s: %s", s.Key, s.Have, s.Want, s.Why)
}

// Missing returns the settings of the calling thread's network namespace that
// stand in the way. fullTunnel says that there is a site with a route that
// covers a peer whose address is not known before it calls, so that
// Host.ProtectPeer cannot be asked in time
// (Documentation/networking/ip-sysctl.rst).
func Missing(fullTunnel bool) []Setting { return missing(os.DirFS("/proc/sys/net"), fullTunnel) }

func missing(sys fs.FS, fullTunnel bool) (list []Setting) {
	want := func(key, value, why string) {
		have, err := fs.ReadFile(sys, key)
		if got := strings.TrimSpace(string(have)); err == nil && got != value {
			list = append(list, Setting{"net/" + key, got, value, why})
		}
	}
	want("ipv4/ip_forward", "1", "IPv4 hosts of the LAN do not reach the branches")
	want("ipv6/conf/all/forwarding", "1", "IPv6 hosts of the LAN do not reach the branches")
	if fullTunnel {
		filters, _ := fs.Glob(sys, "ipv4/conf/*/rp_filter")
		for _, key := range filters {
			want(key, "0", "a peer inside of its own tunnel's routes cannot call")
		}
	}
	return list
}
