package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// ErrInvalid is matched by every error that says a file is not a whole GGUF,
// as opposed to one that could not be read.
var ErrInvalid = errors.New("not a whole GGUF file")

// invalidError is why a file is not a whole GGUF, the place first.
type invalidError string

func (e invalidError) Error() string        { return ErrInvalid.Error() + ": " + string(e) }
func (e invalidError) Is(target error) bool { return target == ErrInvalid }

func invalidf(format string, args ...any) error {
	return invalidError(fmt.Sprintf(format, args...))
}

// at puts the key or tensor that an error belongs to before its reason.
func at(err error, format string, args ...any) error {
	where := fmt.Sprintf(format, args...)
	if e, ok := err.(invalidError); ok {
		return invalidf("%s: %s", where, string(e))
	}
	return fmt.Errorf("%s: %w", where, err)
}

// lookalikes are the files that people most often have in a model's place.
var lookalikes = []struct{ prefix, advice string }{
	{"version https://git-lfs.github.com", "it is a Git LFS pointer, not the model itself; run `git lfs pull`, or download the file from its page"},
	{"<!doctype html", "it is an HTML page; the address leads to a page about the file, not to the file"},
	{"<html", "it is an HTML page; the address leads to a page about the file, not to the file"},
	{"<?xml", "it is an XML document, often a server's error message; look into it and download again"},
	{"PK\x03\x04", "it is a zip archive (a PyTorch checkpoint or a Python wheel); name the .gguf file inside, or convert the model to GGUF"},
	{"\x1f\x8b", "it is gzip-compressed; unpack it first"},
	{"\x80\x02", "it is a Python pickle (a PyTorch checkpoint); convert the model to GGUF"},
	{"lmgg", "it has llama.cpp's format from before GGUF (GGML); convert it again or find a newer file"},
	{"fmgg", "it has llama.cpp's format from before GGUF (GGMF); convert it again or find a newer file"},
	{"tjgg", "it has llama.cpp's format from before GGUF (GGJT); convert it again or find a newer file"},
	{"algg", "it is an adapter in llama.cpp's format from before GGUF (GGLA); convert it again"},
	{"\x7fELF", "it is a program or library"},
	{"{", "it is JSON text, perhaps a model's config.json or a server's error message"},
}

// describe says what a file that does not start with the magic looks like,
// judged by its first bytes.
func describe(head []byte) error {
	lower := bytes.ToLower(bytes.TrimLeft(head, "\ufeff \t\r\n"))
	for _, l := range lookalikes {
		if bytes.HasPrefix(head, []byte(l.prefix)) || bytes.HasPrefix(lower, []byte(l.prefix)) {
			return invalidf("%s", l.advice)
		}
	}
	if isSafetensors(head) {
		return invalidf("it is a safetensors file; convert the model to GGUF or find its GGUF files")
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return invalidf("it starts with zero bytes; the download is not complete, fetch it again")
	}
	shown := head[:min(len(head), 16)]
	if isText(head) {
		return invalidf("it is a text that starts with %q", shown)
	}
	return invalidf("it starts with % x, not with \"GGUF\"", shown)
}

// isSafetensors recognizes the 64-bit length of a JSON object and its brace.
func isSafetensors(head []byte) bool {
	return len(head) > 9 && head[8] == '{' && binary.LittleEndian.Uint64(head) < 1<<30
}

// isText allows for a character that was cut at the end of head.
func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(head)
		}
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
		head = head[n:]
	}
	return true
}
