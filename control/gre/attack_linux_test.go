package gre

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// An ipSocket sends IPv4 packets whose header we write.
type ipSocket struct {
	t  *testing.T
	fd int
}

func openIP(t *testing.T) *ipSocket {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &ipSocket{t, fd}
}

// A forged IPv4 packet from 127.0.0.1 to 127.0.0.2; offset in units of 8 octets.
type forged struct {
	id, offset uint16
	more       bool
	ttl        byte
	options    []byte
	payload    []byte
}

func (s *ipSocket) send(p forged) {
	s.t.Helper()
	fragment := p.offset
	if p.more {
		fragment |= 0x2000
	}
	b := []byte{0x40 | byte(5+len(p.options)/4), 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, p.id)
	b = binary.BigEndian.AppendUint16(b, fragment)
	b = append(b, p.ttl, unix.IPPROTO_GRE, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2)
	b = append(append(b, p.options...), p.payload...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b))) // the kernel adds the checksum
	if err := unix.Sendto(s.fd, b, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}}); err != nil {
		s.t.Fatalf("send forged packet: %v", err)
	}
}

// Fragments are put together, or not, by the kernel; options move the GRE header.
func TestAttackG7FragmentsAndOptions(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		in := read(t, r)
		s := openIP(t)
		path := Path{Local: loopback(2), Remote: loopback(1)}
		long := encode(Header{PayloadLen: 64, CallID: 7, HasSeq: true, Seq: 1}, make([]byte, 64))
		lie := make([]byte, 32)
		for i := range lie {
			lie[i] = 0xee
		}

		nops := []byte{1, 1, 1, 0}
		s.send(forged{ttl: 64, options: nops, payload: data(7, 1)})
		in.want(path, data(7, 1))
		s.send(forged{ttl: 64, options: append(nops[:3:3], 1, 148, 4, 0, 0), payload: data(7, 2)}) // router alert
		in.want(path, data(7, 2))
		full := make([]byte, 40) // the longest header there is
		for i := range full {
			full[i] = 1
		}
		s.send(forged{ttl: 64, options: full, payload: data(7, 3)})
		in.want(path, data(7, 3))
		s.send(forged{ttl: 1, payload: data(7, 4)})
		in.want(path, data(7, 4))

		// Fragments, the last one first, make one packet.
		s.send(forged{id: 10, ttl: 64, offset: 4, payload: long[32:]})
		s.send(forged{id: 10, ttl: 64, more: true, payload: long[:32]})
		in.want(path, long)

		// Overlapping ones make none, or the true one: never a mixture.
		s.send(forged{id: 11, ttl: 64, more: true, payload: long[:32]})
		s.send(forged{id: 11, ttl: 64, more: true, offset: 2, payload: lie})
		s.send(forged{id: 11, ttl: 64, offset: 4, payload: long[32:]})
		// A fragment that never becomes whole, and one that is only a tail.
		s.send(forged{id: 12, ttl: 64, more: true, payload: long[:32]})
		s.send(forged{id: 13, ttl: 64, offset: 100, payload: lie})

		s.send(forged{ttl: 64, payload: data(7, 5)})
		in.want(path, data(7, 5))
		if got := r.Stats(); got.Received != 6 || got.Drops != (RawDrops{}) {
			t.Errorf("counted %+v, want 6 received", got)
		}
	})
}

// A mux over a raw carrier lives through packets cut inside the GRE header.
func TestAttackG7ShortPackets(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		in := read(t, r)
		s := openIP(t)
		p := data(7, 1)
		passed := 0
		for n := range len(p) {
			s.send(forged{ttl: 64, payload: p[:n]})
			if n >= 2 { // the filter wants the version; the rest is for Parse
				passed++
				in.want(Path{Local: loopback(2), Remote: loopback(1)}, p[:n])
			}
			if _, _, err := Parse(p[:n]); err == nil {
				t.Errorf("%d octets of %d were a packet", n, len(p))
			}
		}
		if got := r.Stats().Received; got != uint64(passed) {
			t.Errorf("received %d, want %d", got, passed)
		}
	})
}
