//go:build unix && !linux

package hub

import (
	"os/exec"
	"syscall"
)

// A group is a child and its descendants. There is no death signal here: a
// client whose parent is killed finishes on its own, into a folder that the
// next fetch removes.
type group struct{ cmd *exec.Cmd }

func newGroup(cmd *exec.Cmd) *group {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &group{cmd}
}

// run starts the child and waits for its end.
func (g *group) run() error { return g.cmd.Run() }

// kill ends the whole group.
func (g *group) kill() error { return syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL) }
