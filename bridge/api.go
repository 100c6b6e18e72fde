package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
)

// The control socket speaks HTTP with JSON over a unix socket of mode 0660:
// there is no network console. The paths are those of apiHandler; `sitebridge
// status` and its like are its only known users.

// farewellTime is how long a site that its operator stops may tell its peer what goes.
const farewellTime = time.Second

// apiError is the body of an answer other than 200.
type apiError struct {
	Error string `json:"error"`
	// Faults are those of a configuration.
	Faults config.Faults `json:"faults,omitempty"`
}

// listenSocket makes the control socket. A socket that a crashed daemon left is
// replaced; one that somebody still answers on is an error.
func listenSocket(path string) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %s: another sitebridge answers there: stop it, or set daemon.status to another path", path)
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the control socket of an earlier run: %w", err)
		}
	}
	// The mode is right from the first moment: no one else gets in between.
	old := unix.Umask(0o117)
	l, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w: does the directory exist, and may we write there? daemon.status names another", err)
	}
	return &checkedListener{l.(*net.UnixListener)}, nil
}

// A checkedListener hands on only connections of root, of our own user, and of
// users whose group owns the socket file.
type checkedListener struct{ *net.UnixListener }

func (l *checkedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if mayControl(c, l.Addr().String()) {
			return c, nil
		}
		c.Close()
	}
}

func mayControl(c *net.UnixConn, path string) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); cerr != nil || err != nil {
		return false
	}
	if cred.Uid == 0 || int(cred.Uid) == os.Getuid() {
		return true
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return false
	}
	return cred.Gid == st.Gid || slices.Contains(peerGroups(raw), st.Gid)
}

// peerGroups returns the supplementary groups of the process at the other end
// (socket(7), SO_PEERGROUPS); none when there are more than anyone has.
func peerGroups(raw syscall.RawConn) (groups []uint32) {
	raw.Control(func(fd uintptr) {
		buf := make([]uint32, 1024)
		size := uint32(len(buf) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			groups = buf[:size/4]
		}
	})
	return groups
}

// serveAPI answers on the control socket until ctx ends.
func serveAPI(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func (d *Daemon) apiHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) { answer(w, d.Status()) })
	mux.HandleFunc("POST /v1/sites/{site}/up", func(w http.ResponseWriter, r *http.Request) { d.commandSite(w, r, true) })
	mux.HandleFunc("POST /v1/sites/{site}/down", func(w http.ResponseWriter, r *http.Request) { d.commandSite(w, r, false) })
	mux.HandleFunc("POST /v1/sites/{site}/diagnose", d.diagnose)
	mux.HandleFunc("POST /v1/reload", d.reloadAPI)
	mux.HandleFunc("GET /v1/events", d.streamEvents)
	mux.HandleFunc("GET /v1/sites/{site}/capture", d.streamCapture)
	mux.HandleFunc("GET /v1/sites/{site}/trace", d.streamTrace)
	mux.HandleFunc("GET /v1/strangers/trace", d.streamTrace)
	mux.HandleFunc("POST /v1/sites/{site}/callers/{caller}/down", d.endCaller)
	mux.HandleFunc("GET /v1/ipx", func(w http.ResponseWriter, r *http.Request) { answer(w, d.ipxTables()) })
	mux.HandleFunc("POST /v1/ipx/ping", d.pingIPX)
	mux.HandleFunc("POST /v1/sites/{site}/ipx/ask", d.askIPX)
	mux.HandleFunc("POST /v1/sites/{site}/ipx/load", d.loadIPX)
	profileAPI(mux)
	return mux
}

func (d *Daemon) commandSite(w http.ResponseWriter, r *http.Request, up bool) {
	s := d.site(r.PathValue("site"))
	if s == nil {
		refuse(w, http.StatusNotFound, noSite(r.PathValue("site"), d.siteNames()))
		return
	}
	if at, err := s.routedLink(); err == nil && !up {
		at.Farewell(farewellTime) // the peer's side gives up at once what it would hold
	}
	if err := s.supervisor.command(r.Context(), up); err != nil {
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	if s.remotes != nil && !up {
		s.remotes.endAll(errByOperator)
	}
	if !up {
		d.ipx.forget(s.cfg)
	}
	answer(w, s.status())
}

func (d *Daemon) siteNames() []string {
	var names []string
	for _, s := range d.config().Sites {
		names = append(names, s.Name)
	}
	return names
}

// namedSites is how many sites a message names.
const namedSites = 20

// noSite says which sites there are where none is called name.
func noSite(name string, known []string) error {
	more := ""
	if n := len(known) - namedSites; n > 0 {
		known, more = known[:namedSites], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("no site %q in the configuration, which has %s%s", name, strings.Join(known, ", "), more)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // a client that went away is not our business
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(apiError{Error: err.Error()})
}

// refuseFaults answers with all that is wrong with a configuration.
func refuseFaults(w http.ResponseWriter, faults *config.Faults) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	json.NewEncoder(w).Encode(apiError{Error: faults.Error(), Faults: *faults})
}
