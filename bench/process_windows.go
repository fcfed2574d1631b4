package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a child and its descendants, in a job object that ends them with its
// last handle: at the latest with this process.
type group struct {
	cmd *exec.Cmd
	job windows.Handle
}

func newGroup(cmd *exec.Cmd) *group { return &group{cmd: cmd} }

// adopt takes the child, which has just been started, into the group.
func (g *group) adopt() (err error) {
	if g.job, err = windows.CreateJobObject(nil, nil); err != nil {
		return fmt.Errorf("making a job object: %w", err)
	}
	limits := new(windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION)
	var pin runtime.Pinner // x/sys takes an address as a number: on the stack it could move before the call
	defer pin.Unpin()
	pin.Pin(limits)
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(g.job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(limits)), uint32(unsafe.Sizeof(*limits)))
	if err != nil {
		return fmt.Errorf("setting up a job object: %w", err)
	}
	child, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(g.cmd.Process.Pid))
	if err != nil {
		return fmt.Errorf("opening the child: %w", err)
	}
	defer windows.CloseHandle(child)
	return windows.AssignProcessToJobObject(g.job, child)
}

func (g *group) kill() error {
	if g.job == 0 {
		return g.cmd.Process.Kill()
	}
	return windows.TerminateJobObject(g.job, 1)
}

func (g *group) close() {
	if g.job != 0 {
		windows.CloseHandle(g.job)
	}
}
