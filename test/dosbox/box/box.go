// Package box runs DOSBox in a namespace of a lab, without a screen, and has it
// do what a player types. What is said to whom is the tests' own business.
//
// A DOSBox has no other way in than its keyboard, so the commands are in files: it
// waits for the next one in a small program of its own (wait), which keeps the
// emulated machine running, so that it answers pings meanwhile.
package box

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
)

// patience is how long a command may take: DOSBox has patience for 5 s itself, and
// the cores are shared.
const patience = 60 * time.Second

// maxCommands is how many commands a DOSBox can be given.
const maxCommands = 50

// wait is a DOS program that ends when the file that it is given exists.
const wait = "" +
	"\x8A\x1E\x80\x00" + //           mov bl, [0080h]        length of the arguments
	"\xB7\x00" + //                   mov bh, 0
	"\xC6\x87\x81\x00\x00" + //       mov byte [bx+0081h], 0 end of the name
	"\xBA\x82\x00" + //               mov dx, 0082h          the name, after a space
	"\xB8\x00\x3D" + //         look: mov ax, 3D00h          open it to read
	"\xCD\x21" + //                   int 21h
	"\x73\x03" + //                   jnc found
	"\xF4" + //                       hlt                    until the next tick
	"\xEB\xF6" + //                   jmp look
	"\x93" + //                found: xchg ax, bx
	"\xB4\x3E" + //                   mov ah, 3Eh            close it
	"\xCD\x21" + //                   int 21h
	"\xCD\x20" //                     int 20h

// A Box is one DOSBox.
type Box struct {
	t     *testing.T
	name  string
	dir   string // drive C
	cmd   *netlab.Cmd
	log   *os.File
	ended chan struct{}
	next  int
}

// Need skips the test where there is no DOSBox, or fails it where there must be.
func Need(t *testing.T) {
	t.Helper()
	for _, program := range []string{"dosbox", "stdbuf"} {
		_, err := exec.LookPath(program)
		if err == nil {
			continue
		}
		if v := os.Getenv("REQUIRE_PEERS"); v != "" && v != "0" {
			t.Fatalf("the real peers are required (REQUIRE_PEERS): %v (test/deps installs it)", err)
		}
		t.Skipf("%v (test/deps installs it)", err)
	}
}

// Start starts a DOSBox in a namespace, and waits until it is ready for commands.
// It is killed with the test. Its log is printed when the test fails.
func Start(t *testing.T, ns *netlab.Namespace) *Box {
	t.Helper()
	Need(t)
	b := &Box{t: t, name: ns.Name(), dir: t.TempDir(), ended: make(chan struct{})}
	b.write("WAIT.COM", wait)
	b.write("DOSBOX.CNF", b.config())
	var err error
	if b.log, err = os.Create(filepath.Join(b.dir, "LOG")); err != nil {
		t.Fatal(err)
	}
	b.cmd = ns.Command("stdbuf", "-oL", "dosbox", "-conf", filepath.Join(b.dir, "DOSBOX.CNF"))
	b.cmd.Env = append(os.Environ(), "SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy", "HOME="+b.dir)
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		b.cmd.Wait() // killed, as a rule
		close(b.ended)
	}()
	t.Cleanup(b.cleanup)
	b.Run("ver")
	return b
}

// config has the commands in it: each one waits for its turn.
func (b *Box) config() string {
	var c strings.Builder
	fmt.Fprintf(&c, "[sdl]\noutput=surface\n[mixer]\nnosound=true\n[midi]\nmididevice=none\n"+
		"[cpu]\ncore=normal\ncycles=fixed 1000\n[ipx]\nipx=true\n[autoexec]\n@echo off\nmount c \"%s\"\nc:\n", b.dir)
	for n := range maxCommands {
		fmt.Fprintf(&c, "wait GO%d\ncall RUN%d.BAT\necho done > DONE%d\n", n, n, n)
	}
	c.WriteString("exit\n")
	return c.String()
}

func (b *Box) cleanup() {
	b.Kill()
	b.log.Close()
	if b.t.Failed() {
		b.t.Logf("log of the DOSBox in %s:\n%s", b.name, b.read("LOG"))
	}
}

// Kill ends the DOSBox. It says goodbye to nobody; none does.
func (b *Box) Kill() {
	b.cmd.Process.Kill()
	<-b.ended
}

// Run runs a DOS command and returns what it printed.
func (b *Box) Run(command string) string {
	b.t.Helper()
	n := b.next
	b.next++
	if n >= maxCommands {
		b.t.Fatalf("a DOSBox takes %d commands", maxCommands)
	}
	b.write(fmt.Sprintf("RUN%d.BAT", n), command+fmt.Sprintf(" > OUT%d\r\n", n))
	b.write(fmt.Sprintf("GO%d", n), "")
	for end := time.Now().Add(patience); !b.exists(fmt.Sprintf("DONE%d", n)); time.Sleep(5 * time.Millisecond) {
		select {
		case <-b.ended:
			b.t.Fatalf("the DOSBox in %s has ended", b.name)
		default:
		}
		if time.Now().After(end) {
			b.t.Fatalf("the DOSBox in %s does not get done with %q", b.name, command)
		}
	}
	return strings.ReplaceAll(b.read(fmt.Sprintf("OUT%d", n)), "\r\n", "\n")
}

// Connect connects it to an IPXNET server, and returns the node that it was given.
// ok is false when it got no answer in 5 s.
func (b *Box) Connect(server netip.AddrPort) (node ipx.Node, ok bool) {
	b.t.Helper()
	out := b.Run(fmt.Sprintf("ipxnet connect %v %d", server.Addr(), server.Port()))
	if !strings.Contains(out, "connected to server") {
		return node, false
	}
	all := address.FindAllStringSubmatch(b.read("LOG"), -1)
	if all == nil {
		b.t.Fatalf("the DOSBox in %s is connected and does not say as whom:\n%s", b.name, out)
	}
	for i, octet := range all[len(all)-1][1:] {
		node[i] = b.octet(octet)
	}
	return node, true
}

// MustConnect is Connect for a server that must be there.
func (b *Box) MustConnect(server netip.AddrPort) ipx.Node {
	b.t.Helper()
	node, ok := b.Connect(server)
	if !ok {
		b.t.Fatalf("the DOSBox in %s cannot connect to %v", b.name, server)
	}
	return node
}

// Disconnect leaves the server, which is not told.
func (b *Box) Disconnect() {
	b.t.Helper()
	b.Run("ipxnet disconnect")
}

// Ping has it ping all for a second and a half, and returns the nodes from which a
// packet came back, in their order. Another that pings at the same time does not
// answer, and DOSBox takes whatever comes for an answer.
func (b *Box) Ping() (nodes []ipx.Node) {
	b.t.Helper()
	for _, m := range response.FindAllStringSubmatch(b.Run("ipxnet ping"), -1) {
		var node ipx.Node
		for i, octet := range m[1:5] {
			node[i] = b.octet(octet)
		}
		port, err := strconv.ParseUint(m[5], 10, 16)
		if err != nil {
			b.t.Fatal(err)
		}
		binary.BigEndian.PutUint16(node[4:], uint16(port))
		nodes = append(nodes, node)
	}
	return nodes
}

// What DOSBox prints: a node is six octets in its log, and an IPv4 address with a
// port in the answers to a ping.
var (
	address  = regexp.MustCompile(`IPX address is (\d+):(\d+):(\d+):(\d+):(\d+):(\d+)`)
	response = regexp.MustCompile(`Response from (\d+)\.(\d+)\.(\d+)\.(\d+), port (\d+) `)
)

func (b *Box) octet(s string) byte {
	b.t.Helper()
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		b.t.Fatal(err)
	}
	return byte(n)
}

func (b *Box) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Box) read(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(bytes.TrimRight(text, "\x1A"))
}

func (b *Box) exists(name string) bool {
	_, err := os.Stat(filepath.Join(b.dir, name))
	return err == nil
}
