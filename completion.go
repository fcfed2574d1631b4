package cria

// Completion is an [Adapter] for base models, which were not trained on turns: the fields
// are lines as those of [Lines], and the whole chat is one text that the model goes on
// with, see [RoleText].
//
//	Read the question and give the answer.
//
//	question: What is the capital of France?
//	answer: Paris
//
//	question: What is the capital of Italy?
//	answer:
//
// Descriptions of the fields are left out, which mislead base models. The zero value is
// ready to use.
type Completion struct{}

// Format implements [Adapter].
func (c Completion) Format(sig *Signature, inputs Example) (*Request, error) {
	req, err := format(c, sig, inputs)
	if err != nil {
		return nil, err
	}
	req.Stop = []string{blankLine} // a model that cannot be constrained goes on with the next example
	return req, nil
}

// blankLine stands behind the instruction and behind each example.
const blankLine = "\n\n"

// Parse implements [Adapter], as [Lines] does.
func (c Completion) Parse(sig *Signature, reply Message) (Example, error) {
	r, err := parse(c, sig, reply)
	return r.Values, err
}

// ReadReply implements [ReplyReader].
func (c Completion) ReadReply(sig *Signature, reply Message) (Reading, error) {
	return parse(c, sig, reply)
}

func (Completion) read(outputs []Field, reply string) reading { return Lines{}.read(outputs, reply) }

func (Completion) form() OutputFormat { return OutputLines }

func (Completion) describes() bool { return false }

func (Completion) opening(outputs []Field) string { return Lines{}.opening(outputs) }

func (Completion) constraint(outputs []Field) Constraint { return Lines{}.constraint(outputs) }

func (Completion) inputs(fields []Field, ex Example) (string, error) {
	return Lines{}.inputs(fields, ex)
}

func (Completion) demo(outputs []Field, demo Example) string { return Lines{}.demo(outputs, demo) }

func (Completion) message(role Role, content string) Message {
	if role == RoleUser {
		return Message{RoleText, content + "\n"}
	}
	return Message{RoleText, content + blankLine}
}
