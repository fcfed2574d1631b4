package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What an [Error] can be, for use with errors.Is.
var (
	ErrInvalid             = errors.New("not a whole GGUF file")
	ErrUnusable            = errors.New("not a model that can be loaded")                    // whole, but llama.cpp would refuse it or not survive it
	ErrUnknownArchitecture = errors.New("a model of an architecture that is not known here") // newer than this release, or no language model
)

// Error says why a file is refused, as opposed to one that could not be read.
type Error struct {
	Kind   error  // one of the errors above
	Place  string // a path into the file: "metadata.tokenizer.ggml.tokens[17]"; empty: the file as a whole
	Reason string
}

func (e *Error) Error() string {
	if e.Place == "" {
		return e.Kind.Error() + ": " + e.Reason
	}
	return e.Kind.Error() + ": " + e.Place + ": " + e.Reason
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func invalidf(format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Reason: fmt.Sprintf(format, args...)}
}

// Places are paths from the parts of a file: its header, metadata and tensors.
func placeOfKey(key string) string     { return "metadata." + plain(key) }
func placeOfTensor(name string) string { return "tensors." + plain(name) }

// plain is a name as it is, or quoted if it has characters that would blur a path.
func plain(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r == '"' || r == ' ' || !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// at puts a place before that of an error, which begins with a bracket or a dot and
// goes on where that place ends.
func at(err error, place string) error {
	e, ok := err.(*Error)
	if !ok {
		return fmt.Errorf("%s: %w", place, err)
	}
	return &Error{e.Kind, place + e.Place, e.Reason}
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
	if isText(head) && bytes.HasPrefix(lower, []byte("{")) {
		return invalidf("it is JSON text, perhaps a model's config.json or a server's error message")
	}
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
