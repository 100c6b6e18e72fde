package station

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/diag"
	"sitebridge/ipx/port"
)

// A DiagReport is what a node says of itself.
type DiagReport struct {
	diag.Response
	From ipx.Addr
	By   Teller
}

// Diagnose asks a node what it is, or with ipx.Broadcast all nodes, by all of the
// ways, and returns the answers by frame type and node. Nodes wait up to half a
// second before they answer, so that not all do at once.
func (h *Host) Diagnose(ctx context.Context, ways []Way, node ipx.Node, p Patience) ([]DiagReport, error) {
	in := make(chan arrival, inboxLen)
	sockets := make([]ipx.Socket, len(ways))
	for i, w := range ways {
		own, end := w.station.open(in)
		defer end()
		sockets[i] = own
	}
	found := map[diagKey]DiagReport{}
	began, news := time.Now(), time.Time{}
	gap := time.NewTicker(askGap)
	defer gap.Stop()
	err := askDiag(ways, sockets, node, found)
	for asked := 1; err == nil; {
		over := time.NewTimer(time.Until(p.end(began, news)))
		select {
		case a := <-in:
			if takeDiag(found, a) {
				news = time.Now()
			}
		case <-gap.C:
			if asked < asks {
				asked++
				err = askDiag(ways, sockets, node, found)
			}
		case <-over.C:
			return diagList(found), nil
		case <-ctx.Done():
			err = ctx.Err()
		}
		over.Stop()
		if !node.IsGroup() && len(found) > 0 {
			break
		}
	}
	return diagList(found), err
}

type diagKey struct {
	enc  ipx.Encapsulation
	node ipx.Node
}

// takeDiag notes an answer, and reports whether it is a new one.
func takeDiag(found map[diagKey]DiagReport, a arrival) bool {
	r, err := diag.ParseResponse(a.payload)
	k := diagKey{a.at.enc, a.head.Src.Node}
	_, known := found[k]
	if err != nil || a.head.Src.Socket != ipx.SocketDiagnostics || known || len(found) >= MaxReports {
		return false
	}
	found[k] = DiagReport{r, a.head.Src, a.teller()}
	return true
}

// askDiag asks all who have not answered yet, as far as there is room to name
// those who have.
func askDiag(ways []Way, sockets []ipx.Socket, node ipx.Node, found map[diagKey]DiagReport) error {
	for i, w := range ways {
		var q diag.Request
		for k := range found {
			if k.enc == w.Encapsulation && len(q.Exclude) < diag.MaxExclude {
				q.Exclude = append(q.Exclude, k.node)
			}
		}
		slices.SortFunc(q.Exclude, func(a, b ipx.Node) int { return slices.Compare(a[:], b[:]) })
		head := ipx.Header{
			Type: ipx.TypePEP, Src: w.station.from(sockets[i]),
			Dst: ipx.Addr{Network: w.Network, Node: node, Socket: ipx.SocketDiagnostics},
		}
		if err := w.station.send(head, q.Append(nil), w.next(node)); err != nil && !errors.Is(err, port.ErrDown) {
			return err
		}
	}
	return nil
}

func diagList(found map[diagKey]DiagReport) []DiagReport {
	all := make([]DiagReport, 0, len(found))
	for _, r := range found {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b DiagReport) int {
		return cmp.Or(cmp.Compare(a.By.Encapsulation, b.By.Encapsulation), slices.Compare(a.From.Node[:], b.From.Node[:]))
	})
	return all
}
