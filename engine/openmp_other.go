//go:build !linux

package engine

// onFirstThread is not known here.
func onFirstThread() bool { return false }
