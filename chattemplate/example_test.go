package chattemplate_test

import (
	"context"
	"fmt"

	"github.com/cria-lm/cria/chattemplate"
)

func Example() {
	tmpl, err := chattemplate.Parse(`{% for m in messages %}
<|{{ m.role }}|>{{ m.content | trim }}
{% endfor %}
{% if add_generation_prompt %}
<|assistant|>
{%- endif %}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	prompt, err := tmpl.Render(context.Background(), chattemplate.Input{
		Messages: []any{
			map[string]any{"role": "system", "content": "Be brief."},
			map[string]any{"role": "user", "content": "Hello? "},
		},
		AddGenerationPrompt: true,
	})
	fmt.Println(prompt, err)
	// Output:
	// <|system|>Be brief.
	// <|user|>Hello?
	// <|assistant|> <nil>
}

func ExampleTemplate_Render_refused() {
	tmpl, err := chattemplate.Parse("{% if messages[0].role != 'user' %}\n{{ raise_exception('The user speaks first.') }}\n{% endif %}")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = tmpl.Render(context.Background(), chattemplate.Input{Messages: []any{map[string]any{"role": "assistant"}}})
	fmt.Println(err)
	// Output: the chat template refuses this conversation (line 2): The user speaks first.
}
