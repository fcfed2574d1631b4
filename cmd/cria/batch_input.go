package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/cria-lm/cria"
)

// batchInput is where records come from.
type batchInput struct {
	r     io.Reader
	file  *os.File // nil for standard input
	total int      // records; -1 if not known before they are read
}

func openBatchInput(path string, stdin io.Reader) (*batchInput, error) {
	if path == "-" {
		return &batchInput{r: stdin, total: -1}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in := &batchInput{r: f, file: f, total: -1}
	if !info.Mode().IsRegular() {
		return in, nil
	}
	in.total = 0
	for _, err := range textLines(f) {
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		in.total++
	}
	if _, err = f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return in, nil
}

func (in *batchInput) close() {
	if in.file != nil {
		_ = in.file.Close() // nothing was written to it
	}
}

// record is one line of the input.
type record struct {
	line   int
	inputs cria.Example
	id     any
	hasID  bool
	err    error // why the line has no inputs
}

// read sends the records to a channel, but for those that the output has.
func (in *batchInput) read(ctx context.Context, sig *cria.Signature, out *batchOutput, to chan<- record) error {
	n := 0
	for line, err := range textLines(in.r) {
		if err != nil {
			return fmt.Errorf("reading the input: %w", err)
		}
		r := line.record(sig)
		if n++; n <= out.lines {
			if err := out.checkID(n, r); err != nil {
				return usageError{err}
			}
			continue
		}
		select {
		case to <- r:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if n < out.lines {
		return tooManyLines(out.lines, n)
	}
	return nil
}

// all returns the inputs of a file that fit the signature, and leaves it as it was.
func (in *batchInput) all(sig *cria.Signature) (inputs []cria.Example, err error) {
	for line, err := range textLines(in.r) {
		if err != nil {
			return nil, fmt.Errorf("reading the input: %w", err)
		}
		if r := line.record(sig); r.err == nil && sig.CheckInputs(r.inputs) == nil {
			inputs = append(inputs, r.inputs)
		}
	}
	_, err = in.file.Seek(0, io.SeekStart)
	return inputs, err
}

// textLine is a line with something in it.
type textLine struct {
	number int
	text   []byte
	long   bool // longer than maxInput, and cut off
}

func textLines(r io.Reader) iter.Seq2[textLine, error] {
	return func(yield func(textLine, error) bool) {
		buf := bufio.NewReader(r)
		for n := 1; ; n++ {
			line, end := readLine(buf)
			if n == 1 {
				line.text = bytes.TrimPrefix(line.text, []byte("\ufeff")) // some editors' first bytes
			}
			line.number, line.text = n, bytes.TrimSpace(line.text)
			if len(line.text) > 0 && !yield(line, nil) {
				return
			}
			if end == io.EOF {
				return
			}
			if end != nil {
				yield(textLine{}, end)
				return
			}
		}
	}
}

// readLine reads up to the line's end, but keeps no more of it than is allowed.
func readLine(r *bufio.Reader) (line textLine, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if room := maxInput - len(line.text); len(part) > room {
			part, line.long = part[:room], true
		}
		line.text = append(line.text, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (l textLine) record(sig *cria.Signature) record {
	r := record{line: l.number}
	r.inputs, r.err = l.object()
	if r.err == nil && !declares(sig, "id") {
		r.id, r.hasID = r.inputs["id"]
		delete(r.inputs, "id")
	}
	return r
}

// object reads a line that is a JSON object of fields.
func (l textLine) object() (cria.Example, error) {
	switch {
	case l.long:
		return nil, fmt.Errorf("longer than %d MiB", maxInput>>20)
	case !utf8.Valid(l.text):
		return nil, errors.New("not valid UTF-8")
	case l.text[0] != '{':
		return nil, fmt.Errorf("want a JSON object of fields, got %.40q", l.text)
	}
	var ex cria.Example
	if err := decodeJSON(l.text, &ex); err != nil {
		return nil, fmt.Errorf("want a JSON object of fields: %w", err)
	}
	return ex, nil
}

// declares reports whether a field of the signature has this name.
func declares(sig *cria.Signature, name string) bool {
	return slices.ContainsFunc(slices.Concat(sig.Inputs(), sig.Outputs()), func(f cria.Field) bool { return f.Name == name })
}
