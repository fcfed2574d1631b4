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
	"github.com/cria-lm/cria/hub"
)

func newModelsCheck(g *globals) *cobra.Command {
	var asJSON, try bool
	cmd := &cobra.Command{
		Use:   "check FILE|MODEL...",
		Short: "Say of model files whether they can be loaded, without loading them",
		Long: `Check reads the headers of GGUF files and says of each, on a line, whether cria would
load it, and if not, what in it is wrong: numbers, tensors or a vocabulary that llama.cpp
would not survive. Of a model in several files any part may be named. A name of the
catalogue, or a reference that a model was fetched by, stands for the model's files in the
cache, copies included. It needs neither libraries nor a network; cria run and cria batch
check what they load by themselves.

Each line has the chat template's SHA-256 and what was found in it: "does not parse", or
what it looks at (system messages, tools, thinking). A file whose own template does not
parse is "ok only with --chat-template": cria run and cria batch refuse it unless that flag
gives another one. The exit code is 1 if a file is refused.

With --try each file that passes is then loaded and computes one token (or, if it makes
embeddings, one of those), in a process of its own, since llama.cpp ends its process where
it did not expect something. A file on which that process dies, fails, finds no memory or is
not done in 5 minutes is refused, with the reason. That needs llama.cpp's libraries, which
are fetched if they are missing.`,
		Example: `  cria models check model.gguf
  cria models check --try qwen3-0.6b`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("check needs a file; name one or more .gguf files, or models of the cache")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var verdicts []fileVerdict
			for _, arg := range args {
				found, err := g.checkArg(arg)
				if err != nil {
					return err
				}
				verdicts = append(verdicts, found...)
			}
			if try {
				if err := g.tryAll(cmd.Context(), verdicts); err != nil {
					return err
				}
			}
			if err := g.printVerdicts(verdicts, asJSON); err != nil {
				return err
			}
			refused := 0
			for _, v := range verdicts {
				if !v.OK {
					refused++
				}
			}
			if refused > 0 {
				return fmt.Errorf("%d of %d refused", refused, len(verdicts))
			}
			return nil
		},
		ValidArgsFunction: completeModels(g),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object per file, on a line each")
	cmd.Flags().BoolVar(&try, "try", false, "also load each file and compute a token, in a process of its own")
	return cmd
}

// fileVerdict is what is found out about a file. Fields that are not known are empty.
type fileVerdict struct {
	Model         string    `json:"model,omitempty"` // the name or reference that was given for it
	File          string    `json:"file,omitempty"`
	OK            bool      `json:"ok"`
	NeedsTemplate bool      `json:"needs_chat_template,omitempty"` // its own does not parse: it is loaded with --chat-template only
	Tried         string    `json:"tried,omitempty"`               // what it computed
	Reason        string    `json:"reason,omitempty"`
	Place         string    `json:"place,omitempty"` // of what is wrong, as a path into the file
	Architecture  string    `json:"architecture,omitempty"`
	Size          int64     `json:"size,omitempty"` // of this file in bytes
	Templates     []scanned `json:"templates,omitempty"`
}

// scanned is a chat template.
type scanned struct {
	Name   string   `json:"name,omitempty"` // empty: the default one
	SHA256 string   `json:"sha256"`
	Error  string   `json:"error,omitempty"` // why it does not parse
	Uses   []string `json:"uses,omitempty"`
}

// checkArg checks the files that an argument stands for. What can be a path only is one: a
// file is checked where there is no cache, too.
func (g *globals) checkArg(arg string) ([]fileVerdict, error) {
	scheme, _, _ := strings.Cut(arg, ":")
	reference := scheme != arg && slices.Contains([]string{"hf", "pip", "http", "https"}, scheme)
	if !reference && (strings.ContainsAny(arg, `/\`) || strings.HasSuffix(arg, ".gguf")) {
		return []fileVerdict{checkFile(arg)}, nil
	}
	h, err := g.hub()
	if err != nil {
		return nil, err
	}
	name := arg
	card, unknown := h.Card(arg)
	if unknown == nil {
		name = card.Name
	}
	models, err := h.Models()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(models, func(m hub.CachedModel) bool { return slices.Contains(m.Refs, name) })
	switch {
	case i >= 0:
		return checkCached(name, &models[i]), nil
	case unknown == nil || reference:
		return []fileVerdict{{Model: name, Reason: "it is not in the cache: cria pull " + name + " fetches it, and checks it before it is used"}}, nil
	case !exists(arg):
		return []fileVerdict{{File: arg, Reason: "there is no such file, and " + unknown.Error()}}, nil
	}
	return []fileVerdict{checkFile(arg)}, nil
}

// checkCached checks a model of the cache and the copies that were made of it.
func checkCached(name string, m *hub.CachedModel) []fileVerdict {
	verdicts := []fileVerdict{checkFile(m.Paths[0])}
	for _, c := range m.Copies {
		verdicts = append(verdicts, checkFile(c.Path))
	}
	for i := range verdicts {
		verdicts[i].Model = name
	}
	return verdicts
}

func checkFile(path string) fileVerdict {
	v := fileVerdict{File: path}
	if f, err := gguf.Open(path); err == nil {
		v.show(f)
		v.Size = f.Size()
	}
	first, err := gguf.Check(path)
	refusal := new(gguf.Error)
	switch {
	case err == nil:
		v.show(first) // where later parts say nothing
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

// show takes what a header says of the model.
func (v *fileVerdict) show(f *gguf.File) {
	v.Architecture = f.Architecture()
	v.Templates = scanTemplates(f.ChatTemplates())
	v.NeedsTemplate = slices.ContainsFunc(v.Templates, func(s scanned) bool { return s.Name == "" && s.Error != "" })
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
	columns := []string{"ok", strings.TrimSpace(v.Model + " " + v.File), v.Architecture, humanize.IBytes(uint64(v.Size))}
	if v.Size == 0 {
		columns[3] = ""
	}
	if !v.OK {
		columns[0] = "refused"
		return strings.Join(append(columns, v.Reason), "\t")
	}
	if v.NeedsTemplate {
		columns[0] = "ok only with --chat-template"
	}
	var found []string
	for _, t := range v.Templates {
		found = append(found, t.String())
	}
	if len(found) == 0 {
		found = []string{"no chat template"}
	}
	if v.Tried != "" {
		found = append(found, "tried: "+v.Tried)
	}
	return strings.Join(append(columns, strings.Join(found, "; ")), "\t")
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
