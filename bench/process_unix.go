//go:build unix && !linux

package main

import (
	"os/exec"
	"syscall"
)

// group is a child and its descendants. Nothing ends them here when this
// process is killed without a chance to do so.
type group struct{ cmd *exec.Cmd }

func newGroup(cmd *exec.Cmd) *group {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &group{cmd}
}

func (g *group) adopt() error { return nil }
func (g *group) kill() error  { return syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL) }
func (g *group) close()       {}
