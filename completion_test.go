package cria

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The text for base models of the design notes, byte by byte.
func TestCompletionText(t *testing.T) {
	sig := mustDemos(t, mustParse(t, "q, c -> a, b"), Example{"q": "1", "c": "2", "a": "3", "b": "4"}, Example{"q": "x\ny", "a": "z\nz"})
	req, err := Completion{}.Format(sig, Example{"q": "5", "c": "6"})
	if err != nil {
		t.Fatal(err)
	}
	text, ok := req.Chat.Text()
	const want = "Read the q and c and give the a and b.\n\nq: 1\nc: 2\na: 3\nb: 4\n\nq: x\ny\na: z z\n\nq: 5\nc: 6\na:"
	if diff := cmp.Diff(want, text+req.Prefill); diff != "" || !ok {
		t.Errorf("text %t (-want +got):\n%s", ok, diff)
	}
	if !slices.Equal(req.Stop, []string{"\n\n"}) {
		t.Errorf("stops at %q", req.Stop)
	}
	again, err := Completion{}.Format(sig, Example{"q": "7", "c": "8"})
	if err != nil || again.Chat.Prefix != req.Chat.Prefix {
		t.Errorf("another call has another prefix (%v)", err)
	}
	none, err := Completion{}.Format(mustParse(t, "-> story"), Example{})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := none.Chat.Text(); text+none.Prefill != "Give the story.\n\nstory:" {
		t.Errorf("without inputs: %q", text+none.Prefill)
	}
}

func TestChatText(t *testing.T) {
	for _, c := range []Chat{{}, {Turns: []Message{{RoleUser, "x"}}}, {Prefix: NewPrefix(Message{RoleText, "x"}), Turns: []Message{{RoleUser, "y"}}}} {
		if text, ok := c.Text(); ok || text != "" {
			t.Errorf("%v is the text %q", c.Messages(), text)
		}
	}
}
