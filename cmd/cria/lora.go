package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cria-lm/cria"
)

// loraFlags are the flags of LoRA adapters.
type loraFlags struct {
	load []string // NAME=FILE
	use  []string // NAME or NAME:SCALE
}

func (f *loraFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.load, "lora", nil, "NAME=FILE: load a LoRA adapter (GGUF) beside the model; may be repeated")
	flags.StringArrayVar(&f.use, "use-lora", nil, "NAME or NAME:SCALE: adapter that the model is to have; may be repeated (default: all that --lora loads)")
}

// files are the adapters to load, by name.
func (f *loraFlags) files() (map[string]string, error) {
	files := map[string]string{}
	for _, text := range f.load {
		name, path, ok := strings.Cut(text, "=")
		switch {
		case !ok || name == "" || path == "":
			return nil, fmt.Errorf("--lora %q is not NAME=FILE", text)
		case files[name] != "":
			return nil, fmt.Errorf("--lora %q: there is another adapter of that name", text)
		}
		files[name] = path
	}
	return files, nil
}

// used are the adapters that the model is to have, in the order of the command line.
func (f *loraFlags) used() ([]cria.LoRA, error) {
	files, err := f.files()
	if err != nil {
		return nil, err
	}
	use := f.use
	if len(use) == 0 {
		for _, text := range f.load {
			name, _, _ := strings.Cut(text, "=")
			use = append(use, name)
		}
	}
	var used []cria.LoRA
	for _, text := range use {
		l := cria.LoRA{Name: text}
		if name, scale, ok := cutLast(text, ":"); ok && files[text] == "" {
			if l.Scale, err = strconv.ParseFloat(scale, 64); err != nil || !(l.Scale >= -100 && l.Scale <= 100) || l.Scale == 0 {
				return nil, fmt.Errorf("--use-lora %q: %q is not a scale from -100 to 100 other than 0", text, scale)
			}
			l.Name = name
		}
		if files[l.Name] == "" {
			return nil, fmt.Errorf("--use-lora %q: there is no --lora %s=FILE", text, l.Name)
		}
		for _, other := range used {
			if other.Name == l.Name {
				return nil, fmt.Errorf("--use-lora %q: %s is used twice", text, l.Name)
			}
		}
		used = append(used, l)
	}
	return used, nil
}

// cutLast is [strings.Cut] at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
