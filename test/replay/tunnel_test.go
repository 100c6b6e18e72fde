package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// TestTunnelByTshark has Wireshark read a whole tunnel, from B's call to its
// goodbye, and compares the values that it finds with those that the two
// daemons were to agree on.
func TestTunnelByTshark(t *testing.T) {
	w := lab.New(t)
	stop := w.Capture(w.SiteA, "wan")
	ipx := func(remote string) string {
		return "network = \"0000C0C0\"\nroutes = [\"" + remote + " hops 1 ticks 7\"]"
	}
	a := w.Start(w.SiteA, lab.Config{IPX: ipx("00000020")}.InGRE().A())
	b := w.Start(w.SiteB, lab.Config{IPX: ipx("00000010")}.InGRE().B())
	a.WaitUp("b")
	b.WaitUp("a")
	w.WantPing(w.HostA, lab.AddrB)
	link, err := w.SiteB.Handle().LinkByName("lan")
	if err != nil {
		t.Fatal(err)
	}
	if out, errs, code := a.Run("ipx", "ping", "00000020:"+link.Attrs().HardwareAddr.String()); code != 0 {
		t.Errorf("ipx ping: %d\n%s%s", code, out, errs)
	}
	b.Stop()
	a.Stop()
	pcap := stop()
	calls := controlBy(t, pcap)
	greBy(t, pcap, calls)
	lcpBy(t, pcap)
	ncpsBy(t, pcap)
	packetsBy(t, pcap, link.Attrs().HardwareAddr.String())
}

// want compares what tshark printed.
func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// controlBy checks the control connection, and returns the call ID that each
// end assigned, by its address.
func controlBy(t *testing.T, pcap string) (calls map[string]string) {
	t.Helper()
	var order []string
	const inCalm = "pptp && pptp.control_message_type != 5 && pptp.control_message_type != 6" // no echoes
	for _, row := range judge.Fields(t, pcap, inCalm, "ip.src", "pptp.control_message_type", "pptp.magic_cookie", "pptp.type") {
		order = append(order, row[0]+" "+row[1])
		want(t, "header", row[2:], "0x1a2b3c4d", "1")
	}
	want(t, "messages", order, lab.WANB+" 1", lab.WANA+" 2", lab.WANB+" 7", lab.WANA+" 8",
		lab.WANB+" 12", lab.WANA+" 13", lab.WANB+" 3", lab.WANA+" 4")

	one := func(typ int, fields ...string) []string {
		for i := range fields {
			fields[i] = "pptp." + fields[i]
		}
		rows := judge.Fields(t, pcap, fmt.Sprintf("pptp.control_message_type == %d", typ), fields...)
		if len(rows) != 1 {
			t.Fatalf("%d messages of type %d", len(rows), typ)
		}
		return rows[0]
	}
	want(t, "Start-Request", one(1, "length", "protocol_version", "framing_capabilities", "bearer_capabilities", "host_name", "vendor_name"),
		"156", "256", "3", "3", "b", "sitebridge")
	want(t, "Start-Reply", one(2, "length", "protocol_version", "control_result", "error", "host_name", "vendor_name"),
		"156", "256", "1", "0", "a", "sitebridge")
	theirs := one(7, "length", "bearer_type", "framing_type", "packet_receive_window_size", "phone_number_length", "phone_number", "subaddress", "call_id")
	want(t, "Outgoing-Call-Request", theirs[:7], "168", "3", "3", "64", "0", "", "")
	ours := one(8, "length", "out_result", "error", "cause", "packet_receive_window_size", "peer_call_id", "call_id")
	want(t, "Outgoing-Call-Reply", ours[:6], "32", "1", "0", "0", "64", theirs[7])
	calls = map[string]string{lab.WANA: ours[6], lab.WANB: theirs[7]}
	if calls[lab.WANA] == "0" || calls[lab.WANB] == "0" {
		t.Errorf("call IDs %v", calls)
	}
	want(t, "Call-Clear-Request", one(12, "length", "call_id"), "16", calls[lab.WANB])
	want(t, "Call-Disconnect-Notify", one(13, "length", "disc_result", "error", "call_id"), "148", "4", "0", calls[lab.WANA])
	want(t, "Stop-Request", one(3, "length", "reason"), "16", "3")
	want(t, "Stop-Reply", one(4, "length", "stop_result", "error"), "16", "1", "0")
	for _, row := range judge.Fields(t, pcap, "pptp.control_message_type == 6", "pptp.length", "pptp.echo_result", "pptp.error") {
		want(t, "Echo-Reply", row, "20", "1", "0")
	}
	return calls
}

// greBy checks each packet of the data channel: whose it is, its length, its
// number, and what it acknowledges.
func greBy(t *testing.T, pcap string, calls map[string]string) {
	t.Helper()
	other := map[string]string{lab.WANA: lab.WANB, lab.WANB: lab.WANA}
	sent, acked := make(map[string]int), make(map[string]int)
	for _, src := range []string{lab.WANA, lab.WANB} {
		acked[src] = -1
	}
	rows := judge.Fields(t, pcap, "gre", "ip.src", "gre.proto", "gre.flags_and_version", "gre.key.call_id", "gre.key.payload_length", "ip.len", "gre.sequence_number", "gre.ack_number")
	for _, row := range rows {
		src := outermost(row[0])
		header, flags := 8, 0x2001 // a key, version 1
		if row[6] != "" {
			header, flags = header+4, flags|0x1000
			if n, _ := strconv.Atoi(row[6]); n != sent[src] {
				t.Errorf("packet %d of %s has number %d", sent[src], src, n)
			}
			sent[src]++
		}
		if row[7] != "" {
			header, flags = header+4, flags|0x0080
			n, _ := strconv.Atoi(row[7])
			if n < acked[src] || n >= sent[other[src]] {
				t.Errorf("%s acknowledges %d after %d, of %d that were sent", src, n, acked[src], sent[other[src]])
			}
			acked[src] = n
		}
		payload, _ := strconv.Atoi(row[4])
		want(t, "GRE header", []string{row[1], row[2], row[3], outermost(row[5])},
			"0x880b", fmt.Sprintf("0x%04x", flags), calls[other[src]], strconv.Itoa(20+header+payload))
	}
	if sent[lab.WANA] < 10 || sent[lab.WANB] < 10 {
		t.Errorf("packets: %v", sent)
	}
}

// outermost returns the value that a field has in the outer packet.
func outermost(values string) string {
	first, _, _ := strings.Cut(values, "|")
	return first
}

// lcpBy checks LCP and the authentication: A, which was called, asks B to prove
// itself by MS-CHAPv2 (protocol c223, algorithm 129), and B asks for nothing.
func lcpBy(t *testing.T, pcap string) {
	t.Helper()
	magics := make(map[string]string)
	for _, row := range judge.Fields(t, pcap, "lcp && ppp.code == 1", "ip.src", "lcp.opt.type", "lcp.opt.auth_protocol", "lcp.opt.algorithm", "lcp.opt.magic_number") {
		magics[row[0]] = row[4]
		if row[0] == lab.WANA {
			want(t, "LCP of A", row[1:4], "3|5|7|8", "0xc223", "129")
		} else {
			want(t, "LCP of B", row[1:4], "5|7|8", "", "")
		}
	}
	if len(magics) != 2 || magics[lab.WANA] == magics[lab.WANB] || magics[lab.WANA] == "0x00000000" {
		t.Errorf("magic numbers: %v", magics)
	}
	for _, row := range judge.Fields(t, pcap, "lcp && ppp.code >= 9 && ppp.code <= 10", "ip.src", "lcp.magic_number") {
		want(t, "magic number of an echo", row[1:], magics[row[0]])
	}
	var exchange []string
	for _, row := range judge.Fields(t, pcap, "chap", "ip.src", "chap.code", "chap.value_size", "chap.name") {
		exchange = append(exchange, strings.Join(row, " "))
	}
	want(t, "CHAP", exchange, lab.WANA+" 1 16 a", lab.WANB+" 2 49 b", lab.WANA+" 3  ")
	if n := judge.Count(t, pcap, `chap.code == 3 && chap.message matches "^S=[0-9A-F]{40} M="`); n != 1 {
		t.Errorf("%d authenticator responses, want 1", n)
	}
}

// ncpsBy checks IPCP, and IPXCP, whose options this tshark leaves unread.
func ncpsBy(t *testing.T, pcap string) {
	t.Helper()
	tunnel := map[string]string{lab.WANA: "10.255.0.1", lab.WANB: "10.255.0.2"}
	other := map[string]string{lab.WANA: lab.WANB, lab.WANB: lab.WANA}
	var codes []string
	for _, row := range judge.Fields(t, pcap, "ipcp", "ip.src", "ppp.code", "ipcp.opt.type", "ipcp.opt.ip_address") {
		whose := row[0]
		if row[1] == "2" { // Configure-Ack
			whose = other[whose]
		}
		codes = append(codes, row[1])
		want(t, "IPCP", row[2:], "3", tunnel[whose])
	}
	slices.Sort(codes)
	want(t, "IPCP codes", codes, "1", "1", "2", "2")

	asked, granted := make(map[string]string), make(map[string]string)
	for _, row := range judge.Fields(t, pcap, "ppp.protocol == 0x802b", "ip.src", "data.data") {
		switch src, code, options := row[0], row[1][:2], row[1][8:]; code {
		case "01":
			asked[src] = options
		case "02":
			granted[other[src]] = options
		default:
			t.Errorf("IPXCP code %s from %s", code, src)
		}
	}
	for src, name := range map[string]string{lab.WANA: "41", lab.WANB: "42"} { // A and B: names of routers are upper case
		options := asked[src]
		// Network C0C0; a node that is locally administered; the name; complete.
		if len(options) != 2*(6+8+3+2) || options[:16] != "01060000c0c00208" || options[16:18] != "02" || options[28:] != "0503"+name+"0602" {
			t.Errorf("IPXCP options of %s: %s", src, options)
		}
		if granted[src] != options {
			t.Errorf("granted to %s: %s, asked for %s", src, granted[src], options)
		}
	}
}

// packetsBy checks what crossed: a ping of IP between the LANs' hosts, and three
// of IPX from A to B's LAN.
func packetsBy(t *testing.T, pcap, node string) {
	t.Helper()
	protocols := make(map[string]bool)
	for _, row := range judge.Fields(t, pcap, "ppp", "ppp.protocol") {
		protocols[row[0]] = true
	}
	var names []string
	for p := range protocols {
		names = append(names, p)
	}
	slices.Sort(names)
	want(t, "PPP protocols", names, "0x0021", "0x002b", "0x8021", "0x802b", "0xc021", "0xc223")

	for _, row := range judge.Fields(t, pcap, "icmp && ppp", "ip.src", "ip.dst", "icmp.type", "ip.ttl") {
		src, dst, ttl := strings.Split(row[0], "|"), strings.Split(row[1], "|"), strings.Split(row[3], "|")
		there, back := []string{lab.AddrA, lab.AddrB, "8"}, []string{lab.AddrB, lab.AddrA, "0"}
		if got := []string{src[len(src)-1], dst[len(dst)-1], row[2]}; !slices.Equal(got, there) && !slices.Equal(got, back) {
			t.Errorf("ping %q", got)
		}
		want(t, "TTL after one router", ttl[1:], "63")
	}
	target := strings.ReplaceAll(node, ":", "")
	clashesBy(t, pcap)
	rows := judge.Fields(t, pcap, "ipx && ppp && !ipxrip", "ipx.checksum", "ipx.len", "ipx.hops", "ipx.packet_type", "ipx.src.net", "ipx.dst.net", "ipx.src.node", "ipx.dst.node", "ipx.src.socket", "ipx.dst.socket")
	if len(rows) != 6 {
		t.Errorf("%d IPX packets, want 3 pings and their answers", len(rows))
	}
	for i, row := range rows {
		for j := range row {
			row[j] = strings.ReplaceAll(row[j], ":", "")
		}
		if i%2 == 0 {
			want(t, "IPX ping", append(slices.Clone(row[2:6]), row[7], row[9]), "0", "0x04", "0x00000010", "0x00000020", target, "0x9086")
		} else {
			want(t, "IPX answer", append(slices.Clone(row[2:6]), row[6], row[8]), "0", "0x04", "0x00000020", "0x00000010", target, "0x9086")
		}
		want(t, "IPX checksum", row[:1], "0xffff")
	}
}

// clashesBy checks what the routers say to each other although their routes are
// static: each asks for all that the other one has, to see whether numbers clash,
// and again if it was up before the other one; it hears of that one's LAN, and
// not of the link.
func clashesBy(t *testing.T, pcap string) {
	t.Helper()
	asked, told := make(map[string]int), make(map[string]int)
	lan := map[string]string{lab.WANA: "0x00000010", lab.WANB: "0x00000020"}
	for _, row := range judge.Fields(t, pcap, "ipxrip && ppp", "ip.src", "ipxrip.packet_type", "ipxrip.route_vector", "ipxrip.hops", "ipxrip.ticks",
		"ipx.src.net", "ipx.dst.net", "ipx.src.socket", "ipx.dst.socket", "ipx.hops") {
		src := outermost(row[0])
		want(t, "addresses of RIP", row[5:], "0x0000c0c0", "0x0000c0c0", "0x0453", "0x0453", "0")
		if row[1] == "1" {
			asked[src]++
			want(t, "RIP question", row[2:5], "0xffffffff", "65535", "65535")
			continue
		}
		told[src]++
		want(t, "RIP answer", append(row[1:4:4], strconv.FormatBool(row[4] == "2" || row[4] == "7")), "2", lan[src], "1", "true") // measured or not yet
	}
	for src := range lan {
		if asked[src] < 1 || asked[src] > 2 || told[src] < 1 || told[src] > 2 {
			t.Errorf("RIP of %s: %d questions, %d answers", src, asked[src], told[src])
		}
	}
}
