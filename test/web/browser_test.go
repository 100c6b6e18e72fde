// Package web drives the status page in Debian's headless Chromium, by the DevTools
// protocol over a pipe, and has promtool judge what is meant for Prometheus. It holds
// nothing that the daemon needs.
package web

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that the browser is asked for.
const patience = 45 * time.Second

// A browser is a running Chromium.
type browser struct {
	t   *testing.T
	out *os.File // to it: messages end with NUL

	mu      sync.Mutex // guards what follows, and writing to out
	last    int
	waiting map[int]chan message
	pages   map[string]*page // by session
}

// A message of the protocol, either way.
type message struct {
	ID      int             `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// program finds a program of Debian's, or ends the test: by a failure where it is
// required, as in CI.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if v := os.Getenv("REQUIRE_PEERS"); v != "" && v != "0" {
			t.Fatalf("%v: it is required (REQUIRE_PEERS), and test/deps installs it", err)
		}
		t.Skipf("%v: test/deps installs it", err)
	}
	return path
}

// startBrowser runs Chromium until the test ends. It runs without its own sandbox, since
// that refuses root, and resolves no name: what it asks of others fails, and is seen.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := program(t, "chromium-headless-shell")
	theirs, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command(path, "--no-sandbox", "--remote-debugging-pipe", "--user-data-dir="+filepath.Join(home, "profile"),
		"--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--disable-background-networking",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, ours} // 3 and 4: what it reads, and what it writes
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // /usr/bin has a script in front of it
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	ours.Close()
	b := &browser{t: t, out: out, waiting: map[int]chan message{}, pages: map[string]*page{}}
	read := make(chan struct{})
	go func() { defer close(read); b.read(in) }()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its own group
		cmd.Wait()
		out.Close()
		<-read
		in.Close()
		if t.Failed() {
			t.Logf("the browser said:\n%s", said.String())
		}
	})
	return b
}

// read hands on what comes until the browser is gone.
func (b *browser) read(in *os.File) {
	r := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = nil
			return
		}
		var m message
		if json.Unmarshal(line[:len(line)-1], &m) == nil {
			b.take(m)
		}
	}
}

func (b *browser) take(m message) {
	b.mu.Lock()
	answered, p := b.waiting[m.ID], b.pages[m.Session]
	delete(b.waiting, m.ID)
	b.mu.Unlock()
	switch {
	case m.ID != 0 && answered != nil:
		answered <- m
	case m.Method != "" && p != nil:
		p.event(m)
	}
}

// call asks for method and decodes the answer into v, if that is not nil.
func (b *browser) call(session, method string, params, v any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	answered := make(chan message, 1)
	b.mu.Lock()
	if b.waiting == nil {
		b.mu.Unlock()
		return errors.New("the browser is gone")
	}
	b.last++
	id := b.last
	b.waiting[id] = answered
	line, err := json.Marshal(message{ID: id, Method: method, Session: session, Params: body})
	if err == nil {
		_, err = b.out.Write(append(line, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m, ok := <-answered:
		switch {
		case !ok:
			return fmt.Errorf("%s: the browser is gone", method)
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case v != nil:
			return json.Unmarshal(m.Result, v)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer in %v", method, patience)
	}
}

// A page is one tab.
type page struct {
	b       *browser
	t       *testing.T
	session string

	mu     sync.Mutex // guards what follows
	errors []string   // of scripts, of the policy of content, of loading
	asked  []string   // URLs
}

// open makes a tab in which nothing is yet. What t is told of it ends with t.
func (b *browser) open(t *testing.T, width, height int) *page {
	t.Helper()
	var target struct {
		ID string `json:"targetId"`
	}
	var at struct {
		Session string `json:"sessionId"`
	}
	if err := b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		t.Fatal(err)
	}
	if err := b.call("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &at); err != nil {
		t.Fatal(err)
	}
	p := &page{b: b, t: t, session: at.Session}
	b.mu.Lock()
	b.pages[at.Session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Runtime", "Log", "Network", "Page", "Audits"} {
		p.do(domain+".enable", map[string]any{}, nil)
	}
	p.resize(width, height)
	t.Cleanup(func() { b.call("", "Target.closeTarget", map[string]any{"targetId": target.ID}, nil) })
	return p
}

func (p *page) do(method string, params, v any) {
	p.t.Helper()
	if err := p.b.call(p.session, method, params, v); err != nil {
		p.t.Fatal(err)
	}
}

// event keeps what the page must not have.
func (p *page) event(m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var e struct {
		Type  string `json:"type"`
		Entry struct {
			Level, Text, URL string
		} `json:"entry"`
		Request struct {
			URL string `json:"url"`
		} `json:"request"`
	}
	json.Unmarshal(m.Params, &e)
	switch m.Method {
	case "Network.requestWillBeSent":
		p.asked = append(p.asked, e.Request.URL)
	case "Runtime.exceptionThrown", "Audits.issueAdded":
		if !bytes.Contains(m.Params, []byte("NavigationEntryMarkedSkippable")) { // a click by a test is nobody's click
			p.errors = append(p.errors, m.Method+" "+string(m.Params))
		}
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "warning" {
			p.errors = append(p.errors, string(m.Params))
		}
	case "Log.entryAdded":
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// clean fails the test for each thing that the browser complained of, and for each
// question to somebody else than the page's server.
func (p *page) clean(server string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.errors {
		p.t.Errorf("the browser complains: %s", e)
	}
	for _, u := range p.asked {
		if !strings.HasPrefix(u, server+"/") {
			p.t.Errorf("the page asked for %s", u)
		}
	}
	if len(p.asked) == 0 {
		p.t.Error("the page asked for nothing")
	}
}

// complained reports whether the browser complained of something with word in it.
func (p *page) complained(word string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.errors, func(e string) bool { return strings.Contains(e, word) })
}

// resize makes the window so large.
func (p *page) resize(width, height int) {
	p.t.Helper()
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// media sets what the reader prefers, as in "prefers-color-scheme".
func (p *page) media(name, value string) {
	p.t.Helper()
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": name, "value": value}}}, nil)
}

func (p *page) visit(url string) {
	p.t.Helper()
	p.do("Page.navigate", map[string]any{"url": url}, nil)
}

// eval returns the value of an expression in the page, decoded into v.
func (p *page) eval(expression string, v any) {
	p.t.Helper()
	if err := p.tryEval(expression, v); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) tryEval(expression string, v any) error {
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	switch {
	case err != nil:
		return err
	case r.Exception != nil:
		return fmt.Errorf("%s %s in %s", r.Exception.Text, r.Exception.Exception.Description, expression)
	case v == nil || len(r.Result.Value) == 0:
		return nil
	}
	return json.Unmarshal(r.Result.Value, v)
}

// text is what an element shows.
func (p *page) text(selector string) (s string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &s)
	return s
}

// wait waits until an expression is true.
func (p *page) wait(what, expression string) {
	p.t.Helper()
	var ok bool
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := p.tryEval("Boolean("+expression+")", &ok); err == nil && ok {
			return
		}
	}
	p.t.Fatalf("not in %v: %s", patience, what)
}

// keys are the codes of those that the tests press, beside the letters.
var keys = map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}

// press presses a key and lets it go.
func (p *page) press(key string) {
	p.t.Helper()
	text := ""
	if key == "Enter" {
		text = "\r"
	}
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": keys[key], "text": text}, nil)
	}
}

// write writes text where the keyboard is.
func (p *page) write(text string) {
	p.t.Helper()
	p.do("Input.insertText", map[string]any{"text": text}, nil)
}

// picture keeps screenshots in the folder that PICTURES names, for who works on the page:
// the part of the page from one height to another.
func (p *page) picture(name string, from, to int) {
	p.t.Helper()
	dir := os.Getenv("PICTURES")
	if dir == "" {
		return
	}
	var size struct{ Width, Height int }
	p.eval("({Width: innerWidth, Height: document.documentElement.scrollHeight})", &size)
	var r struct {
		Data string `json:"data"`
	}
	clip := map[string]int{"x": 0, "y": from, "width": size.Width, "height": min(to, size.Height) - from, "scale": 1}
	p.do("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true, "clip": clip}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Error(err)
	}
}
