package hub

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A group is a child and its descendants, held by a job object that ends with
// its last handle: when this process dies, so do they.
type group struct {
	cmd *exec.Cmd
	job windows.Handle
}

func newGroup(cmd *exec.Cmd) *group { return &group{cmd: cmd} }

// run starts the child and waits for its end.
func (g *group) run() error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("making a job object: %w", err)
	}
	defer windows.CloseHandle(job)
	g.job = job
	limits := new(windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION)
	var pin runtime.Pinner // x/sys takes an address as a number: on the stack it could move before the call
	defer pin.Unpin()
	pin.Pin(limits)
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(limits)), uint32(unsafe.Sizeof(*limits))); err != nil {
		return fmt.Errorf("setting up a job object: %w", err)
	}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	return errors.Join(g.adopt(), g.cmd.Wait())
}

func (g *group) adopt() error {
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(g.cmd.Process.Pid))
	if err != nil {
		return fmt.Errorf("opening the client: %w", err)
	}
	defer windows.CloseHandle(h)
	return windows.AssignProcessToJobObject(g.job, h)
}

// kill ends the whole group.
func (g *group) kill() error {
	return errors.Join(windows.TerminateJobObject(g.job, 1), g.cmd.Process.Kill())
}
