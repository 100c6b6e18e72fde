package config

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/sap"
	"sitebridge/ppp/auth"
)

// A dir is a directory with a sites.toml.
type dir struct {
	t    testing.TB
	root string
}

func newDir(t testing.TB, text string) dir {
	d := dir{t, t.TempDir()}
	d.file("sites.toml", text, 0o644)
	return d
}

func (d dir) path(parts ...string) string {
	if len(parts) == 0 {
		return filepath.Join(d.root, "sites.toml")
	}
	return filepath.Join(d.root, filepath.Join(parts...))
}

func (d dir) file(name, text string, mode os.FileMode) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.path(name)), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.path(name), []byte(text), mode); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Chmod(d.path(name), mode); err != nil { // whatever the umask is
		d.t.Fatal(err)
	}
}

func (d dir) secret(name, text string) { d.t.Helper(); d.file(name, text, 0o600) }

// dump shows what pointers point to.
func dump(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// minimal is about the shortest configuration there is.
const minimal = `
[daemon]
name = "hq"
[site.branch1]
dial = ["192.0.2.1"]
[site.branch1.auth]
methods = ["mschapv2"]
secret_out_file = "out"
[site.branch1.encryption]
policy = "disabled"
[site.branch1.ip]
`

func loadMinimal(t *testing.T) *Config {
	t.Helper()
	d := newDir(t, minimal)
	d.secret("out", "hunter2\n")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := loadMinimal(t)
	want := &Site{
		Name:       "branch1",
		Dial:       []Endpoint{{"192.0.2.1", 1723}},
		Device:     "sb-branch1",
		Required:   []Protocol{ProtocolIP},
		Echo:       Echo{10 * time.Second, 3, true},
		Reorder:    Reorder{32, 30 * time.Millisecond},
		Transport:  TransportAuto,
		Auth:       Auth{Methods: []auth.Method{auth.MSCHAPv2}, Name: "hq", PeerName: "branch1", SecretOut: "hunter2"},
		Encryption: Encryption{Policy: PolicyDisabled},
		IP:         &IP{Metric: 100},
	}
	if got := c.Site("branch1"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if want := (Daemon{Name: "hq", UDP: 4754, Status: "/run/sitebridge/sitebridge.sock"}); !reflect.DeepEqual(c.Daemon, want) {
		t.Errorf("%+v, want %+v", c.Daemon, want)
	}
	if c.Site("branch2") != nil || c.Caller("branch1") != nil || c.LAN("office") != nil {
		t.Error("found what is not there, or a caller where nothing listens")
	}
}

// bridgedIPX is the IPX of a site in a segment that says nothing about it.
func bridgedIPX() *IPX {
	return &IPX{Gate: policy.Gate{PassNetBIOS: true}, Hold: time.Minute}
}

func mustRule(s string) policy.Rule { return must(policy.ParseRule(s)) }

// The example says more than the defaults.
func TestValues(t *testing.T) {
	c := loadExample(t, func(text string) string { return text })
	folder := filepath.Dir(c.Path)
	crl := filepath.Join(folder, "ca.crl")
	hq := Daemon{
		Name: "hq", Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:1723")},
		UDP: 4754, Status: "/run/sitebridge/sitebridge.sock", InternalNetwork: 0xbeef,
		Metrics:  netip.MustParseAddrPort("127.0.0.1:9723"),
		Web:      netip.MustParseAddrPort("127.0.0.1:8723"),
		Identity: testOwn(), CertificatePath: filepath.Join(folder, "hq.pem"),
	}
	if !reflect.DeepEqual(c.Daemon, hq) {
		t.Errorf("%+v, want %+v", c.Daemon, hq)
	}
	emulators, games, office, old := c.LANs[0], c.LANs[1], c.LANs[2], c.LANs[3]
	learnable := policy.Limits{MaxNetworks: 8192, MaxServices: 8192}
	for _, w := range []struct{ got, want *LAN }{
		{emulators, &LAN{Name: "emulators", DOSBox: &DOSBox{netip.MustParseAddrPort("127.0.0.1:10213"), 64, 1000},
			Frames: []Frame{{Encapsulation: ipx.EthernetII, Network: 0xd0}}, Exchange: ExchangeRIPSAP, Update: time.Minute, Limits: learnable}},
		{games, &LAN{Name: "games", TAP: "ipx0", Exchange: ExchangeRIPSAP}},
		{office, &LAN{Name: "office", Interface: "eth1", Frames: []Frame{
			{Encapsulation: ipx.EthernetII, Learn: true}, {Encapsulation: ipx.Ethernet8022, Network: 0x10}},
			Exchange: ExchangeRIPSAP, Update: time.Minute, Limits: learnable,
			Allow: []ipx.Node{{2, 0, 0, 0, 0x10, 1}, {2, 0, 0, 0, 0x10, 2}}, Deny: []ipx.Node{{2, 0, 0, 0, 0x66, 0x66}},
			Stations: map[ipx.Node]ipx.Encapsulation{{2, 0, 0, 0, 0x10, 1}: ipx.Ethernet8023}}},
		{old, &LAN{Name: "old", Interface: "eth2", Frames: []Frame{
			{Encapsulation: ipx.Ethernet8023, Network: 0x12}, {Encapsulation: ipx.EthernetSNAP, Network: 0x13}},
			Exchange: ExchangeRIPSAP, Update: time.Minute, Limits: policy.Limits{
				AcceptNetworks:   policy.Networks{{First: 0x10, Last: 0xffff}},
				AnnounceNetworks: policy.Networks{{First: 0x10, Last: 0x1f}, {First: 0xbeef, Last: 0xbeef}},
				AcceptServices:   policy.Services{{Type: sap.FileServer, Name: "*"}, {Type: sap.Directory, Name: "*"}},
				AnnounceServices: policy.Services{{Type: sap.FileServer, Name: "*"}},
				MaxNetworks:      8192, MaxServices: 8192,
			}}},
	} {
		if !reflect.DeepEqual(w.got, w.want) {
			t.Errorf("%+v, want %+v", w.got, w.want)
		}
	}
	segment := &Segment{
		Name: "games", Sites: []string{"branch2"}, StationLimit: 4096, Ageing: 5 * time.Minute, Broadcasts: 500, StormBlock: 30 * time.Second,
		LANs: []SegmentLAN{
			{games, []ipx.Encapsulation{ipx.EthernetII, ipx.Ethernet8023, ipx.Ethernet8022, ipx.EthernetSNAP}},
			{office, []ipx.Encapsulation{ipx.Ethernet8023}},
		},
	}
	if got := c.Segments[0]; !reflect.DeepEqual(got, segment) {
		t.Errorf("%+v, want %+v", got, segment)
	}
	branch1 := &Site{
		Name: "branch1", Answer: true, Device: "sb-branch1", MTU: 1400, Encryption: Encryption{Policy: PolicyRequired, Methods: []Cipher{AEAD}},
		Dial:     []Endpoint{{"branch1.example.net", 1723}, {"192.0.2.1", 1723}},
		Source:   Source{Address: netip.MustParseAddr("192.0.2.10")},
		Required: []Protocol{ProtocolIP, ProtocolIPX},
		Echo:     Echo{10 * time.Second, 3, true},
		Reorder:  Reorder{32, 30 * time.Millisecond}, Transport: TransportAuto,
		Auth: Auth{Methods: []auth.Method{auth.EAPTLS}, Name: "hq", PeerName: "branch1",
			Trust: &identity.Trust{CAs: []*x509.Certificate{testCA().Leaf()}, CRL: crl, Name: "branch1"}},
		IP: &IP{Metric: 100, IPv6: true, Routes: []netip.Prefix{
			netip.MustParsePrefix("10.2.0.0/16"), netip.MustParsePrefix("2001:db8:2::/48")}},
		IPX: &IPX{
			Network:  0xff01,
			Routes:   []IPXRoute{{0x20, 1, 7}, {0x5ea1, 2, 8}},
			Services: []IPXService{{4, "FS1", ipx.Addr{Network: 0x5ea1, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, 2}},
			Exchange: ExchangeTriggered, Update: time.Minute, Nearest: true,
			Limits: policy.Limits{
				AcceptNetworks:   policy.Networks{{First: 0x20, Last: 0x2f}, {First: 0x5ea1, Last: 0x5ea1}},
				AnnounceNetworks: policy.Networks{{First: 0x10, Last: 0x1f}},
				AcceptServices:   policy.Services{{Type: sap.FileServer, Name: "*"}, {Type: sap.Directory, Name: "*"}},
				AnnounceServices: policy.Services{{Type: sap.FileServer, Name: "FS*"}, {Type: sap.AnyType, Name: "PRINT?"}},
				MaxNetworks:      8192, MaxServices: 8192,
			},
			NetBIOS: policy.PropagateOff, Hold: time.Minute, Compression: 64,
			Gate: policy.Gate{
				In: policy.Filter{
					mustRule("deny socket 4003"), mustRule("permit dst-socket 0451"), mustRule("deny src-network 0000002F")},
				Out:        policy.Filter{mustRule("deny dst-node FFFFFFFFFFFF type 4")},
				Duplicates: []ipx.Socket{ipx.SocketNCP},
			},
		},
	}
	list, err := os.ReadFile(crl)
	if err != nil {
		t.Fatal(err)
	}
	branch1.Auth.Revoked = sha256.Sum256(list)
	if got := c.Sites[0]; !reflect.DeepEqual(got, branch1) {
		t.Errorf("%+v, want %+v", got, branch1)
	}
	branch2 := c.Caller("branch2")
	if branch2 == nil || branch2.Segment != c.Segments[0] || !reflect.DeepEqual(branch2.IPX, bridgedIPX()) {
		t.Fatalf("branch2 is not in its segment: %+v", branch2)
	}
	address := netip.MustParseAddr
	if want := (&IP{Mode: Static, Address: address("10.255.0.1"), Peer: address("10.255.0.2"), Metric: 100,
		Routes: []netip.Prefix{netip.MustParsePrefix("10.3.0.0/16")},
		DNS:    []netip.Addr{address("10.1.0.53")}, NBNS: []netip.Addr{address("10.1.0.54")}}); !reflect.DeepEqual(branch2.IP, want) {
		t.Errorf("%+v, want %+v", branch2.IP, want)
	}
	if trust := branch2.Auth.Trust; !trust.Pinned || !strings.HasPrefix(trust.Fingerprint.String(), "sha256:7d1a54127b22") ||
		len(trust.CAs) > 0 || trust.CRL != "" || trust.Name != "branch2" {
		t.Errorf("branch2 is known by %+v", trust)
	}
	branch3 := c.Site("branch3")
	if a := branch3.Auth; !slices.Equal(a.Methods, []auth.Method{auth.EAPTLS, auth.MSCHAPv2}) || a.Trust.CRL != crl ||
		a.SecretOut != "the secret of branch3.out" || a.SecretIn != "the secret of branch3.in" {
		t.Errorf("%+v", a)
	}
	if e := branch3.Encryption; !slices.Equal(e.Methods, []Cipher{AEAD, MPPE128}) || e.Policy != PolicyRequired || e.Stateful {
		t.Errorf("%+v", e)
	}
	road := c.Site("road")
	if e, a := road.Encryption, road.Auth; !slices.Equal(e.Methods, []Cipher{MPPE128}) || !a.Trust.AnyName || a.PeerName != "" {
		t.Errorf("%+v, %+v", e, a)
	}
	if x := branch3.IPX; x.Exchange != ExchangeAutoStatic || x.Learned != filepath.Join(folder, "branch3.ipx.toml") || x.Update != 0 {
		t.Errorf("%+v", x)
	}
	if !road.IPX.Workstation || road.IP.Pool != netip.MustParsePrefix("10.255.1.0/24") {
		t.Errorf("%+v", road)
	}
	anna := &User{Name: "anna", Secret: "the secret of anna", Address: netip.MustParseAddr("10.255.1.5"), Routes: []netip.Prefix{netip.MustParsePrefix("10.7.0.0/24")}}
	if r := road.Remote; r.Limit != 64 || r.ProxyARP != "eth1" || !reflect.DeepEqual(r.User("anna"), anna) || c.Caller("anna") != road || c.Caller("") != nil {
		t.Errorf("%+v", r)
	}
}

func TestRuns(t *testing.T) {
	c := loadExample(t, func(text string) string { return text })
	for _, w := range []struct {
		site string
		want []Protocol
	}{
		{"branch1", []Protocol{ProtocolIP, ProtocolIPv6, ProtocolIPX}},
		{"branch2", []Protocol{ProtocolIP, ProtocolIPX}},
	} {
		var got []Protocol
		for _, p := range []Protocol{ProtocolIP, ProtocolIPv6, ProtocolIPX, "appletalk"} {
			if c.Site(w.site).Runs(p) {
				got = append(got, p)
			}
		}
		if !slices.Equal(got, w.want) {
			t.Errorf("%s runs %v, want %v", w.site, got, w.want)
		}
	}
}

// What an answerer offers is what its answering sites allow, strongest first.
func TestListenMethods(t *testing.T) {
	d := newDir(t, `
[daemon]
name = "hq"
listen = ["0.0.0.0:1723"]
[defaults.encryption]
policy = "disabled"
[defaults.auth]
secret_in_file = "in"
[site.a]
[site.a.ip]
[site.a.auth]
methods = ["pap", "chap", "pap"]
[site.b]
[site.b.ip]
[site.b.auth]
methods = ["chap"]
name = 'SITES\hq'
[site.c]
dial = ["c.example.net:1724"]
answer = false
source = "eth0"
[site.c.ip]
[site.c.auth]
methods = ["mschapv2"]
secret_out_file = "out"
`)
	d.secret("in", "one")
	d.secret("out", "other\r\n")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	if want := []auth.Method{auth.CHAP, auth.PAP}; !slices.Equal(c.Listen.Methods, want) {
		t.Errorf("offers %v, want %v", c.Listen.Methods, want)
	}
	if a := c.Sites[0].Auth; !slices.Equal(a.Methods, []auth.Method{auth.CHAP, auth.PAP}) || !a.Allows(auth.PAP) || a.Allows(auth.MSCHAPv2) {
		t.Errorf("site a allows %v", a.Methods)
	}
	if want := []string{"hq", `SITES\hq`}; !slices.Equal(c.OwnNames(), want) {
		t.Errorf("our names are %q, want %q", c.OwnNames(), want)
	}
	if c.Caller("c") != nil {
		t.Error("site c may call")
	}
	s := c.Site("c")
	if s.Auth.SecretOut.Reveal() != "other" || s.Source.Interface != "eth0" || s.Dial[0].String() != "c.example.net:1724" {
		t.Errorf("%+v", s)
	}
}

func TestSegmentTakesItsNumber(t *testing.T) {
	d := newDir(t, minimal+`
[lan.office]
interface = "eth1"
ethernet_802_3 = "00000020"
ethernet_snap = "00000021"
[segment.s]
network = "00000020"
lans = ["office"]
sites = ["branch1"]
`)
	d.secret("out", "x")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	if want := []ipx.Encapsulation{ipx.Ethernet8023}; !slices.Equal(c.Segments[0].LANs[0].Frames, want) {
		t.Errorf("the segment has %v, want %v", c.Segments[0].LANs[0].Frames, want)
	}
	if want := []Frame{{Encapsulation: ipx.EthernetSNAP, Network: 0x21}}; !slices.Equal(c.LANs[0].Frames, want) {
		t.Errorf("routed are %v, want %v", c.LANs[0].Frames, want)
	}
	if s := c.Site("branch1"); !slices.Equal(s.Required, []Protocol{ProtocolIP, ProtocolIPX}) {
		t.Errorf("required are %v", s.Required)
	}
}

func TestInclude(t *testing.T) {
	d := newDir(t, `include = ["sites.d/*.toml", "lans.toml"]
[daemon]
name = "hq"
[defaults.auth]
methods = ["chap"]
secret_out_file = "shared"
[defaults.encryption]
policy = "disabled"
[defaults.ip]
metric = 7
`)
	d.file("sites.d/b.toml", "[site.b]\ndial = [\"192.0.2.2\"]\n[site.b.ip]\n[site.b.auth]\nsecret_out_file = \"b.out\"\n", 0o644)
	d.file("sites.d/a.toml", "[site.a]\ndial = [\"192.0.2.1\"]\n[site.a.ip]\nmetric = 8\n", 0o644)
	d.file("lans.toml", "[lan.x]\ninterface = \"eth1\"\nethernet_ii = \"10\"\n", 0o644)
	d.secret("shared", "shared")
	d.secret("sites.d/b.out", "of b")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Site("a"), c.Site("b")
	if a.Auth.SecretOut.Reveal() != "shared" || b.Auth.SecretOut.Reveal() != "of b" {
		t.Error("the secrets are not relative to the files that name them")
	}
	if a.IP.Metric != 8 || b.IP.Metric != 7 || c.LAN("x") == nil {
		t.Error("defaults or the LAN are missing")
	}
	want := []string{d.path(), d.path("sites.d/a.toml"), d.path("sites.d/b.toml"), d.path("lans.toml")}
	if !slices.Equal(c.Files, want) {
		t.Errorf("read %q, want %q", c.Files, want)
	}
}

func TestSecretsUnprintable(t *testing.T) {
	c := loadMinimal(t)
	shown := dump(c) + fmt.Sprintf("%v %+v %#v", c.Sites[0], *c.Sites[0], c.Sites[0].Auth)
	if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "[secret]") {
		t.Errorf("the secret is shown: %s", shown)
	}
}

func TestKeyUnprintable(t *testing.T) {
	d := newEncrypted(t, withMethods(`["eap-tls"]`, ""))
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(d.path("hq.key"))
	if err != nil {
		t.Fatal(err)
	}
	shown := dump(c) + fmt.Sprintf("%v %+v %#v %s", c.Daemon, c.Daemon, c.Daemon, c.Daemon.Identity)
	if !strings.Contains(shown, identity.Of(c.Daemon.Identity.Leaf()).String()) {
		t.Errorf("the certificate is not shown: %s", shown)
	}
	for line := range strings.Lines(string(key)) {
		if strings.Contains(shown, strings.TrimSpace(line)) {
			t.Errorf("the key is shown: %s", shown)
		}
	}
}

// A1: MS-CHAPv2 is used only where it is named, and then warned of; so are the
// others.
func TestAttackA1WarningsOfWeakMethods(t *testing.T) {
	const (
		des    = "site.branch1: mschapv2 falls to one DES search over a recorded exchange: take a long random secret that is used for nothing else"
		try    = "site.branch1: chap lets who recorded an exchange try secrets against it: take a long random secret that is used for nothing else"
		inText = "site.branch1: pap sends the secret in clear: who is on the way can read it"
		oneWay = "site.branch1: with chap and pap the peer that we dial proves itself only if there is a secret_in_file"
		clear  = "site.branch1: nothing in this tunnel is encrypted: who is on the way can read and change it"
	)
	for _, w := range []struct {
		methods, more string
		want          []string
	}{
		{`"mschapv2"`, "", []string{des, clear}},
		{`"chap"`, "", []string{try, oneWay, clear}},
		{`"pap", "mschapv2"`, "", []string{des, inText, oneWay, clear}},
		{`"chap"`, `secret_in_file = "in"`, []string{try, clear}},
	} {
		d := newDir(t, strings.Replace(minimal, `methods = ["mschapv2"]`, "methods = ["+w.methods+"]\n"+w.more, 1))
		d.secret("out", "hunter2 hunter2 hunter2")
		d.secret("in", "hunter3 hunter3 hunter3")
		c, err := Load(d.path())
		if err != nil {
			t.Fatal(err)
		}
		if got := told(c.Warnings()); !slices.Equal(got, w.want) {
			t.Errorf("%s: %q, want %q", w.methods, got, w.want)
		}
	}
}
