package hub

import (
	"os/exec"
	"syscall"
)

// A group is a child and its descendants. The kernel kills the child when the
// thread that started it ends, which is at the latest when this process dies.
type group struct{ cmd *exec.Cmd }

func newGroup(cmd *exec.Cmd) *group {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return &group{cmd}
}

// run starts the child and waits for its end.
func (g *group) run() error { return g.cmd.Run() }

// kill ends the whole group.
func (g *group) kill() error { return syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL) }
