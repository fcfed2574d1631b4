package chattemplate

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Outline is what a template writes around the contents of a conversation's
// messages. With the contents filled in it is what [Template.Render] writes, as long
// as [Outline.Holds] for each of them and [Outline.Current] for the time: so it is made
// once for all conversations with the same roles. It never changes.
type Outline struct {
	// Text has the [Placeholder] of a content wherever the template writes it.
	Text string

	// Inspected is what makes the text depend on the contents in a way that Holds cannot
	// tell, such as "the filter tojson". Empty: nothing.
	Inspected string

	rules map[int]rule      // by message
	dates map[string]string // that the template asked for, by format
}

// rule is what a content has to be for an outline to hold. Its zero value is
// anything.
type rule struct {
	filled  bool     // not empty
	trimmed bool     // without white space at its ends
	without []string // what it may not contain
}

// Placeholder stands for content i in what [Template.Outline] is given. Its
// characters are for private use (Unicode's U+E000 to U+F8FF), so that no template
// writes them.
func Placeholder(i int) string { return placeholderOpen + strconv.Itoa(i) + placeholderClose }

const placeholderOpen, placeholderClose = "\uE0C1", "\uE0C2"

var placeholders = regexp.MustCompile(placeholderOpen + "([0-9]+)" + placeholderClose)

// Outline renders a conversation whose contents are placeholders, alone or with other
// text, and watches what the template does with them: to write them, to put them into
// other texts or to trim them is harmless, and so are questions that most contents
// answer alike, such as whether they are empty. It follows the one way that the
// template takes for this input, so what it would do with tools or other roles does
// not count. Errors are those of [Template.Render]; the outline is returned with them
// and says what they depend on.
func (t *Template) Outline(ctx context.Context, in Input) (*Outline, error) {
	w := &watch{rules: map[int]rule{}, dates: map[string]string{}, budget: maxLooks}
	text, err := t.render(ctx, in, w)
	return &Outline{text, w.inspected, w.rules, w.dates}, err
}

// Holds reports whether the outline is right with a content in place of
// [Placeholder] i. An outline may be right without this: then only rendering tells.
func (o *Outline) Holds(i int, content string) bool {
	return o.Inspected == "" && o.rules[i].holds(content)
}

// Current reports whether the dates that the template asked for are those of now, in
// the zone that it is given with. It is true of an outline without dates.
func (o *Outline) Current(now time.Time) bool {
	for format, date := range o.dates {
		if again, err := strftime(now, format); err != nil || again != date {
			return false
		}
	}
	return true
}

func (r rule) holds(content string) bool {
	if r.filled && content == "" || r.trimmed && content != strings.TrimFunc(content, isSpace) {
		return false
	}
	for _, part := range r.without {
		if strings.Contains(content, part) {
			return false
		}
	}
	return true
}
