// Package judge has Wireshark's dissector look at captures: an opinion on our
// packets that nobody on this project wrote.
package judge

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A Complaint is one thing that the dissector does not like about a frame.
type Complaint struct {
	Frame    string // its number in the capture
	Protocol string // as Wireshark names the innermost one
	Info     string
	Group    string // what kind of thing, as tshark numbers it
	Message  string
}

func (c Complaint) String() string {
	return fmt.Sprintf("frame %s (%s, %s): %s", c.Frame, c.Protocol, c.Info, c.Message)
}

// filter selects the frames that are malformed, or that have an expert item of
// severity warning (6291456) or error (8388608): `tshark -G values` lists them.
// The dissector of RIP takes what RFC 2091 added (operations 9 to 11) for routes,
// and finds no whole number of them; ipx/triggered has tests of its own for these. That of
// GRE in UDP takes our probes (docs/udp.md) for packets of a version that there is not.
const filter = "(_ws.malformed || _ws.expert.severity >= 6291456) && !(ipxrip.packet_type >= 9 && ipxrip.packet_type <= 11) && !(udp.port == 4754 && gre.proto == 0x5b1d)"

// severe tells warnings and errors among the severities that tshark prints.
var severe = []string{"6291456", "8388608"}

// Complaints returns what tshark says about the capture, in the order of frames.
func Complaints(pcap string) ([]Complaint, error) {
	lines, err := tshark(pcap, filter, "frame.number", "_ws.col.Protocol", "_ws.col.Info",
		"_ws.expert.severity", "_ws.expert.message", "_ws.malformed", "_ws.expert.group")
	if err != nil {
		return nil, err
	}
	var all []Complaint
	for _, f := range lines {
		severities, messages, groups := strings.Split(f[3], listed), strings.Split(f[4], listed), strings.Split(f[6], listed)
		found := false
		for i, s := range severities {
			if slices.Contains(severe, s) && i < len(messages) && i < len(groups) {
				all = append(all, Complaint{f[0], f[1], f[2], groups[i], messages[i]})
				found = true
			}
		}
		if !found {
			all = append(all, Complaint{f[0], f[1], f[2], "", "malformed: " + f[5]})
		}
	}
	return all, nil
}

// Malformed fails the test for each complaint about the capture whose message is
// not among those allowed.
func Malformed(t testing.TB, pcap string, allowed ...string) {
	t.Helper()
	all, err := Complaints(pcap)
	if err != nil {
		t.Errorf("judge: %v", err)
		return
	}
	for _, c := range all {
		if !slices.Contains(allowed, c.Message) {
			t.Errorf("tshark on %s: %v", pcap, c)
		}
	}
}

// Messages returns the messages of all complaints about the captures given, each
// once: what the dissector also says about other people's packets.
func Messages(t testing.TB, pcaps ...string) []string {
	t.Helper()
	var said []string
	for _, pcap := range pcaps {
		all, err := Complaints(pcap)
		if err != nil {
			t.Fatalf("judge: %v", err)
		}
		for _, c := range all {
			said = append(said, c.Message)
		}
	}
	slices.Sort(said)
	return slices.Compact(said)
}

// Count returns how many frames of the capture a display filter selects.
func Count(t testing.TB, pcap, filter string) int {
	t.Helper()
	lines, err := tshark(pcap, filter, "frame.number")
	if err != nil {
		t.Fatalf("judge: %v", err)
	}
	return len(lines)
}

// Fields returns the values of the fields named for each frame that a display
// filter selects. Where a field occurs more than once in a frame its values are
// separated by "|".
func Fields(t testing.TB, pcap, filter string, fields ...string) [][]string {
	t.Helper()
	lines, err := tshark(pcap, filter, fields...)
	if err != nil {
		t.Fatalf("judge: %v", err)
	}
	return lines
}

// listed separates the values of a field that occurs more than once in a frame.
const listed = "|"

// strangers are options by which tshark leaves alone what hosts say to each
// other over us: protocols that it would guess from the octets of a file, and
// NetWare's, whose dissector fails on some of what real stations were recorded
// to say. TLS stays: EAP carries it.
var strangers = sync.OnceValues(func() (options []string, err error) {
	out, err := exec.Command("tshark", "-G", "heuristic-decodes").Output()
	if err != nil {
		return nil, fmt.Errorf("tshark -G heuristic-decodes: %w", err)
	}
	names := []string{"ncp"}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(line, "\t"); len(f) >= 2 && (f[0] == "tcp" || f[0] == "udp") && f[1] != "tls" {
			names = append(names, f[1])
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		options = append(options, "--disable-protocol", name)
	}
	return options, nil
})

// tshark prints fields of the frames that a filter selects.
func tshark(pcap, filter string, fields ...string) ([][]string, error) {
	options, err := strangers()
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(options), "-n", "-r", pcap, "-Y", filter, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator="+listed)
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("tshark -r %s -Y %q: %w: %s", pcap, filter, err, errs.String())
	}
	var lines [][]string
	for line := range strings.Lines(out.String()) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != len(fields) {
			return nil, fmt.Errorf("tshark printed %d fields, want %d: %q", len(f), len(fields), line)
		}
		lines = append(lines, f)
	}
	return lines, nil
}
