package ip

import (
	"bytes"
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

// A coalescer finds consecutive segments of a TCP connection in a batch, so
// that the TUN gets them as one frame: a header, and the payloads where they
// lie. It does what the kernel's generic receive offload does, by the same rules
// (Documentation/networking/segmentation-offloads.rst): only what the kernel
// would cut into exactly the same packets again is put together.
type coalescer struct {
	packets [packet.BatchLen]*packet.Buffer
	next    [packet.BatchLen]int16 // the packet after this one in its run, or -1
	runs    [packet.BatchLen]run
	npkts   int
	nruns   int
	pieces  [packet.BatchLen][]byte
}

// A run is packets that become one frame.
type run struct {
	first, last int
	view        view
	header      int    // octets of IP and TCP header
	size        int    // payload of every packet but the last
	length      int    // of the frame
	seq         uint32 // that the next packet must have
	open        bool   // may grow
}

// add takes a packet. Within a connection, the order of packets is kept.
func (c *coalescer) add(b *packet.Buffer, v view) {
	i := c.npkts
	c.packets[i], c.next[i] = b, -1
	c.npkts++
	header, ok := mayCoalesce(b.Bytes(), v)
	if ok && c.extend(i, header, v) {
		return
	}
	r := &c.runs[c.nruns]
	c.nruns++
	*r = run{first: i, last: i, view: v, length: v.length}
	if ok {
		tcp := b.Bytes()[v.transport:]
		r.header, r.size = header, v.length-header
		r.seq = binary.BigEndian.Uint32(tcp[4:]) + uint32(r.size)
		r.open = tcp[13]&tcpPSH == 0
	}
}

// extend puts packet i at the end of the youngest run of its connection.
func (c *coalescer) extend(i, header int, v view) bool {
	b := c.packets[i].Bytes()
	for n := c.nruns - 1; n >= 0; n-- {
		r := &c.runs[n]
		first := c.packets[r.first].Bytes()
		if r.view.protocol != protoTCP || !sameConnection(first, r.view, b, v) {
			continue
		}
		tcp, payload := b[v.transport:], v.length-header
		if !r.open || header != r.header || payload > r.size || r.length+payload > 65535 ||
			binary.BigEndian.Uint32(tcp[4:]) != r.seq || !sameHeaders(first, b, r.view) ||
			r.first == r.last && !checksumHolds(first, r.view) || !checksumHolds(b, v) {
			r.open = false // what follows must not overtake this one
			return false
		}
		c.next[r.last] = int16(i)
		r.last, r.length, r.seq = i, r.length+payload, r.seq+uint32(payload)
		if push := tcp[13] & tcpPSH; push != 0 || payload < r.size {
			first[v.transport+13] |= push
			r.open = false
		}
		return true
	}
	return false
}

// mayCoalesce reports whether a packet is a plain TCP segment with data, and
// where its data begins. An IPv4 packet must not be cut, so that its
// identification means nothing (RFC 6864, section 4.1).
func mayCoalesce(b []byte, v view) (header int, ok bool) {
	if v.protocol != protoTCP || v.fragment || !v.dontFragment {
		return 0, false
	}
	if v.version == 4 && v.transport != ipv4HeaderLen || v.version == 6 && v.transport != ipv6HeaderLen {
		return 0, false
	}
	tcp := b[v.transport:v.length]
	if len(tcp) < tcpHeaderLen || tcp[13]&^tcpPSH != tcpACK {
		return 0, false
	}
	n := int(tcp[12]>>4) * 4
	return v.transport + n, n >= tcpHeaderLen && n < len(tcp)
}

// sameConnection compares addresses and ports.
func sameConnection(a []byte, av view, b []byte, bv view) bool {
	if av.version != bv.version || av.transport != bv.transport || av.transport+4 > av.length {
		return false
	}
	from := 12
	if av.version == 6 {
		from = 8
	}
	return bytes.Equal(a[from:av.transport+4], b[from:bv.transport+4])
}

// sameHeaders compares what all packets of a run must share besides addresses
// and ports: traffic class, hop limit, acknowledgement, window and options.
func sameHeaders(a, b []byte, v view) bool {
	if v.version == 4 {
		if a[1] != b[1] || a[6] != b[6] || a[7] != b[7] || a[8] != b[8] {
			return false
		}
	} else if !bytes.Equal(a[:4], b[:4]) || a[7] != b[7] {
		return false
	}
	a, b = a[v.transport:], b[v.transport:]
	n := int(a[12]>>4) * 4
	return a[12] == b[12] && bytes.Equal(a[8:12], b[8:12]) && bytes.Equal(a[14:16], b[14:16]) &&
		bytes.Equal(a[18:n], b[18:n])
}

// checksumHolds verifies a segment. The kernel will not: it takes what we put
// together as its own.
func checksumHolds(b []byte, v view) bool {
	if v.version == 4 && fold(add(0, b[:v.transport])) != 0xffff {
		return false
	}
	tcp := b[v.transport:v.length]
	return fold(add(pseudo(b, v, protoTCP, len(tcp)), tcp)) == 0xffff
}

// flush writes every run as one frame and forgets the packets. It returns how
// many packets the interface took, and the last error.
func (w *tunWriter) flush(conn syscall.RawConn) (written int, err error) {
	for n := range w.nruns {
		r := &w.runs[n]
		frame, count := w.frame(r)
		if werr := w.write(conn, frame); werr != nil {
			err = werr
		} else {
			written += count
		}
	}
	clear(w.packets[:w.npkts])
	clear(w.pieces[:])
	w.npkts, w.nruns = 0, 0
	return written, err
}

// frame returns the pieces of a run's frame: virtio header and first packet,
// then the payloads of the others.
func (c *coalescer) frame(r *run) (pieces [][]byte, packets int) {
	first := c.packets[r.first]
	var h virtioHeader
	if r.first != r.last {
		h = virtioHeader{
			flags:   unix.VIRTIO_NET_HDR_F_NEEDS_CSUM,
			gso:     gsoType(r.view.version),
			header:  uint16(r.header),
			size:    uint16(r.size),
			start:   uint16(r.view.transport),
			sumFrom: 16,
		}
		putRunHeaders(first.Bytes(), r)
	}
	h.put(first.Prepend(virtioHeaderLen))
	c.pieces[0] = first.Bytes()
	n := 1
	for i := c.next[r.first]; i >= 0; i = c.next[i] {
		c.pieces[n] = c.packets[i].Bytes()[r.header:]
		n++
	}
	return c.pieces[:n], n
}

// putRunHeaders makes the headers of a run's first packet those of the whole:
// its length, and the pseudo-header's part of the checksum, as the kernel wants
// it of whoever leaves the rest to it.
func putRunHeaders(b []byte, r *run) {
	if r.view.version == 4 {
		binary.BigEndian.PutUint16(b[2:], uint16(r.length))
		putHeaderChecksum(b[:r.view.transport])
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(r.length-ipv6HeaderLen))
	}
	putSum(b[r.view.transport+16:], fold(pseudo(b, r.view, protoTCP, r.length-r.view.transport)))
}
