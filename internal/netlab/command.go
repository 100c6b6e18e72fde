package netlab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Cmd is a command that runs on a host of the lab. It is used like an
// exec.Cmd, whose other methods it has. The process is killed with the lab and
// with us.
type Cmd struct {
	*exec.Cmd
	ns       *Namespace
	readOnly bool
	writable []string // where it is not
}

// Command returns the command to run the named program inside the namespace.
func (ns *Namespace) Command(name string, args ...string) *Cmd {
	return &Cmd{Cmd: exec.Command(name, args...), ns: ns}
}

// CommandContext is Command with a context that kills the process when it ends.
func (ns *Namespace) CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{Cmd: exec.CommandContext(ctx, name, args...), ns: ns}
}

// Start starts the process from a thread in the namespace, whose network it
// inherits.
func (c *Cmd) Start() error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = unix.SIGKILL
	c.ns.mu.Lock()
	defer c.ns.mu.Unlock()
	if c.ns.closed || c.ns.file == nil {
		return errClosed
	}
	start := c.startByKeeper
	if c.readOnly {
		start = c.startReadOnly
	}
	if err := start(); err != nil {
		return err
	}
	c.ns.processes = append(c.ns.processes, c.Process)
	return nil
}

func (c *Cmd) startByKeeper() error {
	started := make(chan error)
	c.ns.calls <- func() { started <- c.Cmd.Start() }
	return <-started
}

// Run starts the command and waits for its end.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns what it wrote to standard output.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("netlab: Stdout is set already")
	}
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput is Output and standard error in one.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stderr != nil || c.Stdout != nil {
		return nil, errors.New("netlab: Stdout or Stderr is set already")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}
