package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/chattemplate"
	"github.com/cria-lm/cria/gguf"
)

func newModelsCheck(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Say of model files whether they can be loaded, without loading them",
		Long: `Check reads the headers of GGUF files and says of each, on a line, whether cria would
load it, and if not, what in it is wrong: numbers, tensors or a vocabulary that llama.cpp
would not survive. Of a model in several files any part may be named. It needs neither
libraries nor a network; cria run and cria batch check what they load by themselves.

Each line has the chat template's SHA-256 and what was found in it: "does not parse", or
what it looks at (system messages, tools, thinking). The exit code is 1 if a file is
refused.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("check needs a file; name one or more .gguf files")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			verdicts := make([]fileVerdict, len(args))
			refused := 0
			for i, path := range args {
				verdicts[i] = checkFile(path)
				if !verdicts[i].OK {
					refused++
				}
			}
			if err := g.printVerdicts(verdicts, asJSON); err != nil {
				return err
			}
			if refused > 0 {
				return fmt.Errorf("%d of %d refused", refused, len(args))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object per file, on a line each")
	return cmd
}

// fileVerdict is what is found out about a file. Fields that are not known are empty.
type fileVerdict struct {
	File         string    `json:"file"`
	OK           bool      `json:"ok"`
	Reason       string    `json:"reason,omitempty"`
	Place        string    `json:"place,omitempty"` // of what is wrong, as a path into the file
	Architecture string    `json:"architecture,omitempty"`
	Size         int64     `json:"size,omitempty"` // of this file in bytes
	Templates    []scanned `json:"templates,omitempty"`
}

// scanned is a chat template.
type scanned struct {
	Name   string   `json:"name,omitempty"` // empty: the default one
	SHA256 string   `json:"sha256"`
	Error  string   `json:"error,omitempty"` // why it does not parse
	Uses   []string `json:"uses,omitempty"`
}

func checkFile(path string) fileVerdict {
	v := fileVerdict{File: path}
	if f, err := gguf.Open(path); err == nil {
		v.Architecture, v.Size = f.Architecture(), f.Size()
		v.Templates = scanTemplates(f.ChatTemplates())
	}
	_, err := gguf.Check(path)
	refusal := new(gguf.Error)
	switch {
	case err == nil:
		v.OK = true
	case errors.Is(err, fs.ErrNotExist) && !exists(path):
		v.Reason = "there is no such file"
	case errors.As(err, &refusal):
		v.Place = refusal.Place
		v.Reason = strings.TrimPrefix(err.Error(), path+": ")
	default:
		v.Reason = strings.TrimPrefix(err.Error(), path+" ")
	}
	return v
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// scanTemplates looks at a model's chat templates, the default one first.
func scanTemplates(templates map[string]string) (found []scanned) {
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		source := templates[name]
		sum := sha256.Sum256([]byte(source))
		s := scanned{Name: name, SHA256: hex.EncodeToString(sum[:])}
		if _, err := chattemplate.Parse(source); err != nil {
			s.Error = err.Error()
		}
		for _, use := range []struct{ what, word string }{
			{"system", "system"}, {"tools", "tools"}, {"tool calls", "tool_calls"}, {"thinking", "think"}, {"date", "strftime_now"},
		} {
			if strings.Contains(source, use.word) {
				s.Uses = append(s.Uses, use.what)
			}
		}
		found = append(found, s)
	}
	return found
}

func (s scanned) String() string {
	text := "template"
	if s.Name != "" {
		text += " " + s.Name
	}
	text += fmt.Sprintf(" %.12s", s.SHA256)
	if s.Error != "" {
		return text + " does not parse: " + s.Error
	}
	if len(s.Uses) > 0 {
		text += ": " + strings.Join(s.Uses, ", ")
	}
	return text
}

func (g *globals) printVerdicts(verdicts []fileVerdict, asJSON bool) error {
	if asJSON {
		for _, v := range verdicts {
			line, err := encodeJSON(v)
			if err != nil {
				return err
			}
			if err := printLine(g.out, line); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	for _, v := range verdicts {
		fmt.Fprintln(t, oneLine(v.line()))
	}
	return t.Flush()
}

func (v fileVerdict) line() string {
	columns := []string{"ok", v.File, v.Architecture, humanize.IBytes(uint64(v.Size))}
	if v.Size == 0 {
		columns[3] = ""
	}
	if !v.OK {
		columns[0] = "refused"
		return strings.Join(append(columns, v.Reason), "\t")
	}
	if len(v.Templates) == 0 {
		return strings.Join(append(columns, "no chat template"), "\t")
	}
	var templates []string
	for _, t := range v.Templates {
		templates = append(templates, t.String())
	}
	return strings.Join(append(columns, strings.Join(templates, "; ")), "\t")
}

// oneLine keeps a file's words from ending the line, or from steering a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
