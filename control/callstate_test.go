package control

import "testing"

// callCells is each table once more, written from RFC 2637, section 3.2.
var callCells = [callRoleEnd]string{
	pnsOutgoing: `
event                  | idle                                    | wait-reply                                                  | wait-connect | established                                                 | wait-disconnect
open                   | wait-reply: send request, start timer   | -                                                           | -            | -                                                           | -
request                | -                                       | -                                                           | -            | -                                                           | -
request refused        | -                                       | -                                                           | -            | -                                                           | -
reply                  | -                                       | established: stop timer, learn peer, up                     | -            | -                                                           | wait-disconnect: learn peer
reply refused          | -                                       | idle: release                                               | -            | -                                                           | idle: release
ICCN                   | -                                       | -                                                           | -            | -                                                           | -
Call-Clear-Request     | -                                       | -                                                           | -            | -                                                           | -
Call-Disconnect-Notify | -                                       | -                                                           | -            | idle: release                                               | idle: release
Set-Link-Info          | -                                       | -                                                           | -            | -                                                           | -
WAN-Error-Notify       | -                                       | -                                                           | -            | established: note                                           | wait-disconnect:
close                  | -                                       | wait-disconnect: send Call-Clear-Request, start stop timer  | -            | wait-disconnect: send Call-Clear-Request, start stop timer  | wait-disconnect:
timeout                | -                                       | idle: release, fail connection                              | -            | -                                                           | idle: release
gone                   | -                                       | idle: release                                               | -            | idle: release                                               | idle: release
`,
	pacOutgoing: `
event                  | idle                                    | wait-reply | wait-connect | established                                          | wait-disconnect
open                   | -                                       | -          | -            | -                                                    | -
request                | established: learn peer, send reply, up | -          | -            | -                                                    | -
request refused        | idle: send refusal, release             | -          | -            | -                                                    | -
reply                  | -                                       | -          | -            | -                                                    | -
reply refused          | -                                       | -          | -            | -                                                    | -
ICCN                   | -                                       | -          | -            | -                                                    | -
Call-Clear-Request     | -                                       | -          | -            | idle: send Call-Disconnect-Notify 4, release         | -
Call-Disconnect-Notify | -                                       | -          | -            | -                                                    | -
Set-Link-Info          | -                                       | -          | -            | established: note                                    | -
WAN-Error-Notify       | -                                       | -          | -            | -                                                    | -
close                  | -                                       | -          | -            | idle: send Call-Disconnect-Notify 3, release         | -
timeout                | -                                       | -          | -            | -                                                    | -
gone                   | -                                       | -          | -            | idle: release                                        | -
`,
	pnsIncoming: `
event                  | idle                                              | wait-reply | wait-connect                                               | established                                                 | wait-disconnect
open                   | -                                                 | -          | -                                                          | -                                                           | -
request                | wait-connect: learn peer, send reply, start timer | -          | -                                                          | -                                                           | -
request refused        | idle: send refusal, release                       | -          | -                                                          | -                                                           | -
reply                  | -                                                 | -          | -                                                          | -                                                           | -
reply refused          | -                                                 | -          | -                                                          | -                                                           | -
ICCN                   | -                                                 | -          | established: stop timer, up                                | -                                                           | -
Call-Clear-Request     | -                                                 | -          | -                                                          | -                                                           | -
Call-Disconnect-Notify | -                                                 | -          | idle: release                                              | idle: release                                               | idle: release
Set-Link-Info          | -                                                 | -          | -                                                          | -                                                           | -
WAN-Error-Notify       | -                                                 | -          | -                                                          | established: note                                           | wait-disconnect:
close                  | -                                                 | -          | wait-disconnect: send Call-Clear-Request, start stop timer | wait-disconnect: send Call-Clear-Request, start stop timer  | wait-disconnect:
timeout                | -                                                 | -          | idle: release, fail connection                             | -                                                           | idle: release
gone                   | -                                                 | -          | idle: release                                              | idle: release                                               | idle: release
`,
	pacIncoming: `
event                  | idle                                   | wait-reply                                              | wait-connect | established                                    | wait-disconnect
open                   | wait-reply: send request, start timer  | -                                                       | -            | -                                              | -
request                | -                                      | -                                                       | -            | -                                              | -
request refused        | -                                      | -                                                       | -            | -                                              | -
reply                  | -                                      | established: stop timer, learn peer, send ICCN, up      | -            | -                                              | -
reply refused          | -                                      | idle: release                                           | -            | -                                              | -
ICCN                   | -                                      | -                                                       | -            | -                                              | -
Call-Clear-Request     | -                                      | idle: send Call-Disconnect-Notify 4, release            | -            | idle: send Call-Disconnect-Notify 4, release   | -
Call-Disconnect-Notify | -                                      | -                                                       | -            | -                                              | -
Set-Link-Info          | -                                      | -                                                       | -            | established: note                              | -
WAN-Error-Notify       | -                                      | -                                                       | -            | -                                              | -
close                  | -                                      | idle: send Call-Disconnect-Notify 3, release            | -            | idle: send Call-Disconnect-Notify 3, release   | -
timeout                | -                                      | idle: release, fail connection                          | -            | -                                              | -
gone                   | -                                      | idle: release                                           | -            | idle: release                                  | -
`,
}

func TestCallTables(t *testing.T) {
	for role := range callRoleEnd {
		t.Run(role.String(), func(t *testing.T) {
			cells := parseCells(t, callCells[role])
			for state := range callStateEnd {
				for ev := range callEventEnd {
					a := callAutomaton{state: state, table: callTables[role]}
					do, ok := a.step(ev)
					if got, want := describe(a.state, do, ok), cells[state.String()+"/"+ev.String()]; got != want {
						t.Errorf("%v in %v: %s, want %s", ev, state, got, want)
					}
				}
			}
			if want := int(callStateEnd) * int(callEventEnd); len(cells) != want {
				t.Errorf("%d cells written, want %d", len(cells), want)
			}
		})
	}
}

// Whatever happens to a call, it is released exactly when it returns to idle:
// no ID leaks, and none is freed twice.
func TestCallsAreReleasedOnce(t *testing.T) {
	for role := range callRoleEnd {
		for state, row := range callTables[role] {
			for ev, cell := range row {
				released := 0
				for _, act := range cell.do {
					if act == cactRelease {
						released++
					}
				}
				if want := map[bool]int{true: 1}[cell.next == callIdle]; released != want {
					t.Errorf("%v: %v in %v releases %d times, want %d", role, ev, state, released, want)
				}
			}
		}
	}
}
