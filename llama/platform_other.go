//go:build !linux

package llama

func checkPlatform() error { return nil }
