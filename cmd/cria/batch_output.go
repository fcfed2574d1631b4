package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/cria-lm/cria"
)

// batchOutput is where answers go, one line each.
type batchOutput struct {
	w     io.Writer
	file  *os.File // nil for standard output
	isNew bool     // the file was made by this run
	wrote bool

	// What was there before.
	lines   int
	failed  int
	failure string         // the first
	ids     map[int]string // by line from 1, as JSON
}

func openBatchOutput(path string, stdout io.Writer, sig *cria.Signature, resume bool) (*batchOutput, error) {
	if path == "-" {
		return &batchOutput{w: stdout}, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		return &batchOutput{w: f, file: f, isNew: true}, err
	case err != nil:
		return nil, err
	case info.Mode().IsRegular() && resume:
		return resumeOutput(path, sig)
	case info.Mode().IsRegular():
		return nil, fmt.Errorf("%s exists: give --resume to go on, or remove it", path)
	case resume:
		return nil, fmt.Errorf("%s is not a file that --resume can go on with", path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // a pipe or a device
	return &batchOutput{w: f, file: f}, err
}

// resumeOutput goes on behind the last whole line of a file.
func resumeOutput(path string, sig *cria.Signature) (*batchOutput, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	out := &batchOutput{w: f, file: f, ids: map[int]string{}}
	end, err := out.count(f, sig)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return out, nil
}

// count counts the whole lines and returns where they end. What follows is half
// a line at most: of a file that a batch did not write nothing must be cut off.
func (out *batchOutput) count(r io.Reader, sig *cria.Signature) (end int64, err error) {
	buf := bufio.NewReader(r)
	for {
		line, err := buf.ReadBytes('\n')
		switch {
		case err != nil && err != io.EOF:
			return 0, err
		case err == io.EOF && (len(line) == 0 || line[0] == '{'):
			return end, nil
		}
		var answer map[string]json.RawMessage
		if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &answer) != nil || !answers(answer, sig) {
			return 0, fmt.Errorf("line %d is not an answer to %q: this is no output to go on with", out.lines+1, sig)
		}
		out.lines++
		if text, failed := answer["error"]; failed {
			if out.failed++; out.failed == 1 {
				_ = json.Unmarshal(text, &out.failure) // if it is no text it has none
			}
		}
		if id, ok := answer["id"]; ok && !declares(sig, "id") {
			out.ids[out.lines] = string(id)
		}
		end += int64(len(line))
	}
}

// answers reports whether a line's members are a failure's or a signature's.
func answers(line map[string]json.RawMessage, sig *cria.Signature) bool {
	want := outputNames(sig)
	if _, failed := line["error"]; failed {
		want = []string{"error"}
	}
	for _, extra := range []string{"id", "probs"} {
		if _, has := line[extra]; has && !slices.Contains(want, extra) {
			want = append(want, extra)
		}
	}
	for _, name := range want {
		if _, ok := line[name]; !ok {
			return false
		}
	}
	return len(line) == len(want)
}

// checkID reports that a line of the output answers another record.
func (out *batchOutput) checkID(n int, r record) error {
	id := ""
	if r.hasID {
		var err error
		if id, err = encodeJSON(r.id); err != nil {
			return err
		}
	}
	if had := out.ids[n]; id != had {
		return fmt.Errorf("line %d of the output has the id %s, line %d of the input %s: they do not belong together",
			n, cmp.Or(had, "none"), r.line, cmp.Or(id, "none"))
	}
	return nil
}

// write hands a line to the system whole, so that a batch that is killed leaves
// no half of one.
func (out *batchOutput) write(line string) error {
	out.wrote = true
	return printLine(out.w, line)
}

// close removes a file that this run made for nothing, because it failed.
func (out *batchOutput) close(failed error) error {
	if out.file == nil {
		return nil
	}
	err := out.file.Close()
	if out.isNew && !out.wrote && failed != nil {
		return errors.Join(err, os.Remove(out.file.Name()))
	}
	return err
}
