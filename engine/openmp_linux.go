package engine

import "golang.org/x/sys/unix"

// onFirstThread reports whether the caller runs on the thread that the process
// began with.
func onFirstThread() bool { return unix.Gettid() == unix.Getpid() }
