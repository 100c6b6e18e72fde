// Package netware acts NetWare on a wire: a server and a client made from
// recorded sessions of mars_nwe and ncpfs, which keep the timing of the real
// ones, and a player that repeats a recording between its two ends. Tests use
// it, with ports in memory and virtual time, or with two real daemons between
// two interfaces.
//
// A login through two daemons, with ports on the hosts' interfaces:
//
//	login := recording.Login() // of Load("02")
//	server, err := netware.NewServer(netware.ServerConfig{
//		Port: portB, Encap: ipx.Ethernet8022, Network: 0x20, Internal: 0x5EA1, Name: "MARSVR",
//		Interval:  time.Second,                                   // instead of 60 s
//		Watchdog:  netware.Watchdog{First: time.Second, Every: time.Second, Times: 5},
//		Dialogues: []netware.Dialogue{login},
//	})
//	go server.Run(ctx)
//	client := netware.NewClient(netware.ClientConfig{Port: portA, Encap: ipx.Ethernet8022})
//	go client.Run(clientCtx)                         // its end is the client's death
//	found, err := client.FindServer(ctx, "MARSVR")   // again while ErrNotFound
//	err = client.Login(ctx, found.Addr, login)       // each reply is compared
//	err = client.CopyFile(ctx, 1<<20)                // each octet too
//	gone := <-server.Dropped()                       // when watchdogs were in vain
//
// It knows as much of NCP as takes part in logging in, reading a file and
// staying logged in. What a server's answer means it does not know: that is
// recorded.
package netware

import (
	"bytes"
	"embed"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"sitebridge/ipx"
)

// captures are recorded frames; their README is that of the project's captures.
//
//go:embed testdata/*.pcap
var captures embed.FS

// A Recording is what was said on one wire, with one client and one server.
type Recording struct {
	Name   string
	Frames []Frame
	// Client is who talks to the server; it uses several sockets, so Socket is
	// zero.
	Client ipx.Addr
	// Server is the inside of the server: its internal network, node
	// 000000000001 and the socket of NCP.
	Server ipx.Addr
}

// A Frame is one recorded packet, without padding, and its frame.
type Frame struct {
	At       time.Duration // since the first frame
	Encap    ipx.Encapsulation
	Dst, Src ipx.Node // Ethernet addresses
	Head     ipx.Header
	Packet   []byte
}

// Data returns what follows the IPX header.
func (f *Frame) Data() []byte { return f.Packet[ipx.HeaderLen:] }

// Load reads the recording whose name begins so: "01" to "04" are one session of
// a client and a server on a wire in each of the frame types; "05-routed-ipxd-lanA"
// and "05-routed-ipxd-lanB" are the two sides of a router.
func Load(prefix string) (*Recording, error) {
	files, err := captures.ReadDir("testdata")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), prefix) {
			return load(f.Name())
		}
	}
	return nil, fmt.Errorf("no recording is called %q", prefix)
}

// LoadAll reads all recordings, by name.
func LoadAll() (all []*Recording, err error) {
	files, err := captures.ReadDir("testdata")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		r, err := load(f.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func load(file string) (*Recording, error) {
	b, err := captures.ReadFile(path.Join("testdata", file))
	if err != nil {
		return nil, err
	}
	r := &Recording{Name: strings.TrimSuffix(file, ".pcap")}
	if r.Frames, err = readPcap(b); err != nil {
		return nil, fmt.Errorf("recording %s: %w", file, err)
	}
	i := slices.IndexFunc(r.Frames, func(f Frame) bool { return f.Head.Dst.Socket == ipx.SocketNCP })
	if i < 0 {
		return nil, fmt.Errorf("recording %s: no session in it", file)
	}
	r.Server, r.Client = r.Frames[i].Head.Dst, r.Frames[i].Head.Src
	r.Client.Socket = 0
	return r, nil
}

// readPcap reads a classic capture file: a header of 24 octets, then frames
// behind headers of 16 (draft-ietf-opsawg-pcap, sections 4 and 5).
func readPcap(b []byte) (frames []Frame, err error) {
	const fileHead, recordHead = 24, 16
	if len(b) < fileHead || binary.LittleEndian.Uint32(b) != 0xA1B2C3D4 {
		return nil, fmt.Errorf("no little-endian pcap file")
	}
	var first time.Duration
	for b = b[fileHead:]; len(b) >= recordHead; {
		at := time.Duration(binary.LittleEndian.Uint32(b))*time.Second + time.Duration(binary.LittleEndian.Uint32(b[4:]))*time.Microsecond
		n := int(binary.LittleEndian.Uint32(b[8:]))
		if recordHead+n > len(b) {
			return nil, fmt.Errorf("frame %d ends early", len(frames)+1)
		}
		if frames == nil {
			first = at
		}
		f := Frame{At: at - first}
		if f.Encap, f.Dst, f.Src, f.Packet, err = ipx.Decapsulate(b[recordHead : recordHead+n]); err != nil {
			return nil, fmt.Errorf("frame %d: %w", len(frames)+1, err)
		}
		f.Head, _, _ = ipx.Parse(f.Packet)
		frames = append(frames, f)
		b = b[recordHead+n:]
	}
	return frames, nil
}

// An Exchange is one NCP request and its reply, which is nil where the recording
// ends before it.
type Exchange struct{ Request, Reply []byte }

// A Dialogue is a connection from Create Connection on.
type Dialogue []Exchange

// Dialogues returns the connections of a recording, in order.
func (r *Recording) Dialogues() (all []Dialogue) {
	open := map[ipx.Socket]int{} // the index of a client socket's connection
	for _, f := range r.Frames {
		data := f.Data()
		switch {
		case f.Head.Dst == r.Server && kindOf(data) == create:
			open[f.Head.Src.Socket] = len(all)
			all = append(all, Dialogue{{Request: data}})
		case f.Head.Dst == r.Server && kindOf(data) != 0:
			d := &all[open[f.Head.Src.Socket]]
			*d = append(*d, Exchange{Request: data})
		case f.Head.Src == r.Server && kindOf(data) == reply:
			d := all[open[f.Head.Dst.Socket]]
			if last := &d[len(d)-1]; headOf(last.Request).sequence == headOf(data).sequence {
				last.Reply = data
			}
		}
	}
	return all
}

// Login returns the longest connection that logs in, without its end: who plays
// it stays logged in.
func (r *Recording) Login() Dialogue {
	var best Dialogue
	for _, d := range r.Dialogues() {
		if d.logsIn() && len(d) > len(best) {
			best = d
		}
	}
	for i, x := range best {
		if x.Reply == nil || kindOf(x.Request) == destroy {
			return best[:i]
		}
	}
	return best
}

// logsIn reports whether a Keyed Object Login is among the requests.
func (d Dialogue) logsIn() bool {
	return slices.ContainsFunc(d, func(x Exchange) bool {
		const keyedLogin = 0x18
		body := bodyOf(x.Request)
		return len(body) > 3 && body[0] == functionBindery && body[3] == keyedLogin
	})
}

// Files returns the files that the connection reads, in order.
func (d Dialogue) Files() [][]byte {
	var files [][]byte
	index := map[[6]byte]int{}
	for _, x := range d {
		q, ok := parseRead(bodyOf(x.Request))
		if !ok || x.Reply == nil {
			continue
		}
		if _, known := index[q.handle]; !known {
			index[q.handle] = len(files)
			files = append(files, nil)
		}
		file := &files[index[q.handle]]
		got := q.content(x.Reply)
		if need := int(q.offset) + len(got); need > len(*file) {
			*file = append(*file, make([]byte, need-len(*file))...)
		}
		copy((*file)[q.offset:], got)
	}
	return files
}

// same reports whether two requests ask the same, apart from the header.
func same(a, b []byte) bool {
	return kindOf(a) == kindOf(b) && bytes.Equal(bodyOf(a), bodyOf(b))
}
