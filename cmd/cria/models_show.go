package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

func newModelsShow(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Print all that is known of a model of the catalogue or the cache",
		Long: `Show prints the card of a model of the catalogue: what it is good for, its chat
template, size and context, the memory it takes, its licence and whether that has to be
accepted before it is fetched, its sources with their digests, and where it is in the
cache. Of a model of the cache that is not of the catalogue it prints what its file says.
Nothing is fetched.

The memory is that of a context of 4096 tokens, or of as many as the model was trained
with, on the CPU: weights, cache and buffers. It
is an estimate; of a model in the cache the file's header is asked. A chat template's kind
is the name that --chat-template takes; "none" is a base model's. Of a cached model
the template's SHA-256 stands there too (with --json, the whole of it), and what the
template looks at.`,
		Example: `  cria models show qwen3-0.6b
  cria models show --json llama-3.2-1b-instruct`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("show needs the name of one model; cria models --all lists them")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			h, err := g.hub()
			if err != nil {
				return err
			}
			s, err := showModel(h, args[0])
			if err != nil {
				return err
			}
			if !asJSON {
				return s.print(g.out)
			}
			line, err := encodeJSON(s)
			if err != nil {
				return err
			}
			return printLine(g.out, line)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return completeCards(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the card as a JSON object, on a line")
	return cmd
}

// completeCards are the catalogue's names for a shell, each with its description.
func completeCards() (names []string) {
	for _, card := range hub.Catalog() {
		names = append(names, card.Name+"\t"+card.Description)
	}
	return names
}

// shownModel is a card and what of its model is in the cache.
type shownModel struct {
	*hub.Card
	Cached  *shownFile `json:"cached,omitempty"`
	name    string
	context int // that the memory is for
}

// shownFile is a model in the cache.
type shownFile struct {
	Refs      []string  `json:"refs"`
	Source    string    `json:"source"`
	Paths     []string  `json:"paths"`
	SHA256    string    `json:"sha256"`
	Checked   hub.Trust `json:"checked"` // how the digest was
	Fetched   time.Time `json:"fetched"`
	Copies    []copied  `json:"copies,omitempty"`
	Memory    uint64    `json:"memory,omitempty"`         // as the card's, from the header
	Context   int       `json:"context_length,omitempty"` // that it was trained with
	Templates []scanned `json:"templates,omitempty"`      // the model's own
	Error     string    `json:"error,omitempty"`          // why the header cannot be read
}

// copied is a copy that is loaded in the model's place.
type copied struct {
	Kind   string `json:"kind"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// showModel finds a model of the catalogue, or one of the cache by a name it was fetched by.
func showModel(h *hub.Hub, name string) (s shownModel, err error) {
	known, err := llamacpp.KnownModels(h)
	if err != nil {
		return s, err
	}
	i := slices.IndexFunc(known, func(k llamacpp.Known) bool {
		return strings.EqualFold(k.Name, name) || k.Cached != nil && slices.Contains(k.Cached.Refs, name)
	})
	if i < 0 {
		if _, err := os.Stat(name); name != "" && err == nil {
			return s, usageError{fmt.Errorf("%s is a file; show prints cards by their names, cria models check says what is in files", name)}
		}
		_, err := h.Card(name)
		return s, err
	}
	s = shownModel{Card: known[i].Card, name: known[i].Name, context: known[i].ContextLength}
	if known[i].Cached != nil {
		s.Cached = showFile(&known[i])
	}
	return s, nil
}

func showFile(k *llamacpp.Known) *shownFile {
	m := k.Cached
	s := &shownFile{Refs: m.Refs, Source: m.Source, Paths: m.Paths, SHA256: m.Digest, Checked: m.Trust, Fetched: m.Fetched, Memory: k.Memory, Context: k.TrainedContext()}
	for _, c := range m.Copies {
		s.Copies = append(s.Copies, copied{c.Kind, c.Path, c.Digest})
	}
	err := k.Err
	if err == nil {
		var f *gguf.File
		if f, err = gguf.Open(m.Paths[0]); err == nil {
			s.Templates = scanTemplates(f.ChatTemplates())
		}
	}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (s *shownModel) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) {
		fmt.Fprintln(t, what+"\t"+oneLine(fmt.Sprintf(format, args...)))
	}
	row("name", "%s", s.name)
	if s.Card != nil {
		s.printCard(row)
	} else if s.Cached.Error == "" {
		row("context", "%s tokens", humanize.Comma(int64(s.Cached.Context)))
		row("memory", "%s", s.memory())
	}
	if s.Cached == nil {
		row("in the cache", "no; cria pull %s fetches it", s.name)
	} else {
		s.Cached.print(row)
	}
	return t.Flush()
}

func (s *shownModel) printCard(row func(what, format string, args ...any)) {
	row("description", "%s", s.Description)
	row("good for", "%s", strings.Join(s.Strengths, ", "))
	row("capabilities", "%s", strings.Join(s.Capabilities, ", "))
	row("chat template", "%s", s.ChatTemplate)
	row("parameters", "%s", humanize.Comma(s.Parameters))
	row("quantization", "%s", s.Quantization)
	row("context", "%s tokens", humanize.Comma(int64(s.ContextLength)))
	row("memory", "%s", s.memory())
	row("licence", "%s: %s", s.License.ID, s.License.URL)
	if s.License.MustAccept {
		row("", "to be accepted before it is fetched: read it, then set CRIA_ACCEPT_LICENSE=%s", s.Name)
		row("", "or give --accept-license %s", s.Name)
	}
	for _, source := range s.Sources {
		row("source", "%s", source.Ref)
		row("", "%s", sourceText(source))
	}
}

// memory says what the model takes, by its header if it is there.
func (s *shownModel) memory() string {
	bytes, by := uint64(0), ""
	if s.Cached != nil && s.Cached.Error == "" {
		bytes = s.Cached.Memory
	}
	if bytes == 0 {
		bytes, by = uint64(s.Card.Memory), "about "
	}
	return fmt.Sprintf("%s%s at a context of %s tokens on the CPU", by, humanize.IBytes(bytes), humanize.Comma(int64(s.context)))
}

func sourceText(s hub.Source) string {
	text := "size not known"
	if s.Size > 0 {
		text = humanize.IBytes(uint64(s.Size))
	}
	if s.Download > 0 {
		text += ", " + humanize.IBytes(uint64(s.Download)) + " to download"
	}
	if s.SHA256 == "" {
		return text + "; its digest is not known before it is fetched"
	}
	return text + ", sha256 " + s.SHA256
}

// print says where the file is and what template it has.
func (f *shownFile) print(row func(what, format string, args ...any)) {
	row("in the cache", "%s", strings.Join(f.Paths, ", "))
	row("", "sha256 %s (%s), fetched %s from %s", f.SHA256, f.Checked, f.Fetched.Format(time.DateOnly), f.Source)
	for _, c := range f.Copies {
		row("on the CPU", "a copy as %s is loaded, which computes prompts faster (--as-shipped: not): %s", c.Kind, c.Path)
		row("", "sha256 %s", c.SHA256)
	}
	if f.Error != "" {
		row("", "cannot be read: %s", f.Error)
		return
	}
	for _, t := range f.Templates {
		row("", "chat %v", t)
	}
	if len(f.Templates) == 0 {
		row("", "no chat template in the file")
	}
}
