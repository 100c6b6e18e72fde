package bridge

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"sitebridge/internal/pcapng"
	"sitebridge/internal/tap"
)

const (
	// captureQueue is how many packets may wait for a slow reader: of a busy link, a
	// tenth of a second.
	captureQueue = 4096
	// countInterval is how often a capture says how many packets it has lost.
	countInterval = time.Second
)

// A captureLayer is what a capture has in it, by the word of the command.
type captureLayer struct {
	layer tap.Layer
	link  pcapng.LinkType
	about string
	// packet makes what stands in the capture.
	packet func(b []byte, p *tap.Packet) []byte
}

var captureLayers = map[string]captureLayer{
	"ppp": {tap.Link, pcapng.PPP, "PPP frames as they are inside of encryption", appendFrame},
	"gre": {tap.GRE, pcapng.RawIP, "GRE packets; the IP headers in front are made up from the addresses alone, and those of UDP are left out", appendGRE},
}

// streamCapture answers with a site's packets as pcapng, until the client has enough.
func (d *Daemon) streamCapture(w http.ResponseWriter, r *http.Request) {
	s := d.site(r.PathValue("site"))
	if s == nil {
		refuse(w, http.StatusNotFound, noSite(r.PathValue("site"), d.siteNames()))
		return
	}
	what, ok := captureLayers[r.FormValue("layer")]
	if !ok {
		refuse(w, http.StatusBadRequest, errors.New(`the layer is "ppp" or "gre"`))
		return
	}
	looker := d.boards.of(s.cfg.Name).Look(what.layer, captureQueue)
	defer looker.Close()
	w.Header().Set("Content-Type", "application/x-pcapng")
	out := bufio.NewWriterSize(w, 64<<10)
	c, err := pcapng.NewWriter(out, pcapng.Section{
		Comment: fmt.Sprintf("site %s: %s; passwords and answers to challenges are blanked", s.cfg.Name, what.about),
		OS:      "Linux", Application: "sitebridge " + d.version,
		Interface: pcapng.Interface{LinkType: what.link, Name: s.cfg.Name, Description: what.about},
	})
	if err != nil {
		return
	}
	writeCapture(r, c, what, looker, func() error {
		return errors.Join(out.Flush(), http.NewResponseController(w).Flush())
	})
}

// writeCapture writes what the looker sees, and now and then what it has missed.
func writeCapture(r *http.Request, c *pcapng.Writer, what captureLayer, looker *tap.Looker, flush func() error) {
	tick := time.NewTicker(countInterval)
	defer tick.Stop()
	var told uint64
	var b []byte
	for err := error(nil); err == nil; {
		if len(looker.C) == 0 {
			if err = flush(); err != nil {
				return
			}
		}
		select {
		case p := <-looker.C:
			b = what.packet(b[:0], &p)
			err = c.Cut(p.Time, directionOf(&p), b, len(b)-len(p.Bytes)+p.Length)
		case <-tick.C:
			if seen, lost := looker.Counts(); seen != told {
				told = seen
				err = c.Statistics(time.Now(), seen, lost)
			}
		case <-r.Context().Done():
			return
		}
	}
}

func directionOf(p *tap.Packet) pcapng.Direction {
	if p.Out {
		return pcapng.Outbound
	}
	return pcapng.Inbound
}

// appendFrame makes a PPP frame with its header in full (RFC 1661, section 2).
func appendFrame(b []byte, p *tap.Packet) []byte {
	b = binary.BigEndian.AppendUint16(append(b, 0xff, 0x03), p.Protocol)
	return append(b, p.Bytes...)
}

// appendGRE puts an IPv4 header (RFC 791, section 3.1) in front of a packet: the sockets
// of the data channel do not tell the one that it had.
func appendGRE(b []byte, p *tap.Packet) []byte {
	from, to := p.Remote, p.Local
	if p.Out {
		from, to = to, from
	}
	const headerLen, timeToLive, protocolGRE = 20, 64, 47
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(headerLen+len(p.Bytes)))
	b = append(b, 0, 0, 0, 0, timeToLive, protocolGRE, 0, 0)
	b = appendIPv4(appendIPv4(b, from), to)
	binary.BigEndian.PutUint16(b[10:], headerChecksum(b))
	return append(b, p.Bytes...)
}

// appendIPv4 appends an address, zeros where it is not known.
func appendIPv4(b []byte, a netip.Addr) []byte {
	var four [4]byte
	if a.Is4() {
		four = a.As4()
	}
	return append(b, four[:]...)
}

// headerChecksum is RFC 791's, over a header in which it is zero.
func headerChecksum(header []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
