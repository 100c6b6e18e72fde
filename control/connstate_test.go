package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// connCells is the table once more, written from RFC 2637, section 3.1, and by
// column: for each event, the next state in each state, and what is done. A "-"
// is an event that means nothing there.
const connCells = `
event          | idle                                         | wait-ctl-reply                                     | established                                                | wait-stop-reply
dialled        | wait-ctl-reply: send SCCRQ, start timer      | -                                                  | -                                                          | -
accepted       | idle: start timer                            | -                                                  | -                                                          | -
SCCRQ          | established: stop timer, send SCCRP 1, up    | closed: close                                      | established: send SCCRP 3                                  | -
SCCRQ version  | closed: send SCCRP 5, flush                  | closed: close                                      | established: send SCCRP 3                                  | -
SCCRQ refused  | closed: send SCCRP refusal, flush            | closed: close                                      | established: send SCCRP 3                                  | -
SCCRQ held     | idle:                                        | closed: close                                      | established: send SCCRP 3                                  | -
SCCRP          | closed: close                                | established: stop timer, up                        | -                                                          | -
SCCRP version  | closed: close                                | wait-stop-reply: send Stop-Request 2, start stop timer | -                                                      | -
SCCRP refused  | closed: close                                | closed: close                                      | -                                                          | -
Stop-Request   | closed: close                                | closed: send Stop-Reply, flush                     | closed: end calls, send Stop-Reply, flush                  | wait-stop-reply: send Stop-Reply
Stop-Reply     | closed: close                                | -                                                  | -                                                          | closed: close
Echo-Request   | closed: close                                | wait-ctl-reply: send Echo-Reply                    | established: send Echo-Reply                               | wait-stop-reply: send Echo-Reply
Echo-Reply     | closed: close                                | -                                                  | established:                                               | -
call message   | closed: close                                | -                                                  | established: handle call                                   | -
stop           | closed: close                                | closed: close                                      | wait-stop-reply: end calls, send Stop-Request 3, start stop timer | wait-stop-reply:
silence        | -                                            | -                                                  | established: send Echo-Request                             | -
timeout        | closed: close                                | closed: close                                      | closed: end calls, close                                   | closed: close
malformed      | closed: close                                | closed: close                                      | closed: end calls, close                                   | closed: close
TCP closed     | closed: close                                | closed: close                                      | closed: end calls, close                                   | closed: close
`

func TestConnTable(t *testing.T) {
	cells := parseCells(t, connCells)
	for state := connIdle; state <= connClosed; state++ {
		for ev := range connEventEnd {
			a := connAutomaton{state: state, table: connTable}
			do, ok := a.step(ev)
			got := describe(a.state, do, ok)
			want := cells[state.String()+"/"+ev.String()]
			if state == connClosed {
				want = "-" // whatever happens
			}
			if got != want {
				t.Errorf("%v in %v: %s, want %s", ev, state, got, want)
			}
			if !ok && a.state != state {
				t.Errorf("%v in %v moved to %v", ev, state, a.state)
			}
		}
	}
	if want := int(connEventEnd) * int(connClosed); len(cells) != want {
		t.Errorf("%d cells written, want %d", len(cells), want)
	}
}

// Every way out of a state in which calls may exist ends them first, so that a
// call's Err has the connection's reason.
func TestCallsEndWithTheConnection(t *testing.T) {
	for ev, cell := range connTable[connEstablished] {
		if cell.next != connEstablished && cell.do[0] != actEndCalls {
			t.Errorf("%v leaves established with %v", ev, cell.do)
		}
	}
}

// parseCells reads a table whose first line names the columns.
func parseCells(t *testing.T, table string) map[string]string {
	t.Helper()
	cells := make(map[string]string)
	var columns []string
	for line := range strings.Lines(strings.TrimSpace(table)) {
		row := strings.Split(line, "|")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		if columns == nil {
			columns = row
			continue
		}
		if len(row) != len(columns) {
			t.Fatalf("%d columns in %q", len(row), line)
		}
		for i, cell := range row[1:] {
			cells[columns[i+1]+"/"+row[0]] = cell
		}
	}
	return cells
}

// describe writes a step like a cell.
func describe[S, A fmt.Stringer](next S, do []A, ok bool) string {
	if !ok {
		return "-"
	}
	words := slices.Collect(func(yield func(string) bool) {
		for _, a := range do {
			if !yield(a.String()) {
				return
			}
		}
	})
	return strings.TrimSpace(next.String() + ": " + strings.Join(words, ", "))
}
