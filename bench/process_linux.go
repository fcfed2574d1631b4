package main

import (
	"os/exec"
	"syscall"
)

// group is a child and its descendants. The kernel kills the child when the
// thread that started it ends, at the latest with this process.
type group struct{ cmd *exec.Cmd }

func newGroup(cmd *exec.Cmd) *group {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return &group{cmd}
}

func (g *group) adopt() error { return nil }
func (g *group) kill() error  { return syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL) }
func (g *group) close()       {}
