package bridge

import (
	"encoding/json"
	"net/http"

	"sitebridge/bridge/trace"
	"sitebridge/internal/tap"
)

// traceQueue is how many packets of negotiation may wait for a slow reader.
const traceQueue = 256

// A TraceLine is one packet of negotiation in words, or how many were lost to a reader
// that was too slow.
type TraceLine struct {
	trace.Line
	Lost uint64 `json:"lost,omitempty"`
}

// streamTrace answers with what a site and its peer have negotiated last and negotiate
// from now on, a line of JSON for each packet. With follow=0 it ends with the former.
// Calls of which nobody knows whose they are have a trace of their own.
func (d *Daemon) streamTrace(w http.ResponseWriter, r *http.Request) {
	board := &d.boards.strangers
	if name := r.PathValue("site"); name != "" {
		if d.site(name) == nil {
			refuse(w, http.StatusNotFound, noSite(name, d.siteNames()))
			return
		}
		board = d.boards.of(name)
	}
	before, looker := board.LookBack(traceQueue)
	defer looker.Close()
	w.Header().Set("Content-Type", "application/jsonl")
	out := json.NewEncoder(w)
	for i := range before {
		if out.Encode(TraceLine{Line: trace.Of(&before[i])}) != nil {
			return
		}
	}
	if r.FormValue("follow") != "0" {
		tellTrace(w, r, out, looker)
	}
}

// tellTrace tells what passes, until the reader is gone.
func tellTrace(w http.ResponseWriter, r *http.Request, out *json.Encoder, looker *tap.Looker) {
	flush := http.NewResponseController(w)
	var told uint64
	for {
		if len(looker.C) == 0 && flush.Flush() != nil {
			return
		}
		select {
		case p := <-looker.C:
			line := TraceLine{Line: trace.Of(&p)}
			if _, lost := looker.Counts(); lost != told {
				line.Lost, told = lost-told, lost
			}
			if out.Encode(line) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
