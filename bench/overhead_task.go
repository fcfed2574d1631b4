package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cria-lm/cria"
)

// query and finding are the signature of the overhead's task; dspyrs/src/main.rs has the
// same.
type (
	query struct {
		Question string `json:"question"`
		Context  string `json:"context"`
	}
	finding struct {
		Answer string `json:"answer"`
		Score  int    `json:"score"`
	}
)

const taskInstruction = "Answer the question from the context, and give a score of how sure you are."

// task is what both sides of a figure of the overhead work on.
type task struct {
	sig     *cria.Signature
	demos   []cria.Example
	inputs  cria.Example
	outputs cria.Example // that the reply has
}

func newTask(demos int) (*task, error) {
	t := &task{}
	t.inputs, t.outputs = taskExample(demos)
	for i := range demos {
		demo, outputs := taskExample(i)
		maps.Copy(demo, outputs)
		t.demos = append(t.demos, demo)
	}
	sig, err := cria.SignatureOf[query, finding](taskInstruction)
	if err != nil {
		return nil, err
	}
	t.sig, err = sig.WithDemos(t.demos...)
	return t, err
}

// taskExample makes the inputs and outputs of one example of many.
func taskExample(i int) (inputs, outputs cria.Example) {
	return cria.Example{
			"question": fmt.Sprintf("Which river of valley %d is the longest?", i),
			"context": fmt.Sprintf("Valley %d has three rivers. The Amber is %d km long and joins the Birch, which is %d km long. "+
				"The Cedar, of %d km, flows into the lake in the north, where most of the people live.", i, 20+i, 120+i, 60+i),
		}, cria.Example{
			"answer": fmt.Sprintf("The Birch, with its %d km.", 120+i),
			"score":  int64(i%10 + 1),
		}
}

// query is the task's inputs as a struct.
func (t *task) query() query { return query{t.inputs.Text("question"), t.inputs.Text("context")} }

// reply is what the model adds to the turn that is opened with "answer:".
func (t *task) reply() string {
	return " " + t.outputs.Text("answer") + "\nscore: " + t.outputs.Text("score")
}

// formatAndParse returns the operation of an adapter. The first time it fails unless the
// reply is read as what it says.
func (t *task) formatAndParse(adapter cria.Adapter) func() error {
	reply := cria.Message{Role: cria.RoleAssistant, Content: "answer:" + t.reply()}
	checked := false
	return func() error {
		req, err := adapter.Format(t.sig, t.inputs)
		if err != nil {
			return err
		}
		if len(req.Chat.Turns) != 1 {
			return errors.New("the request has no inputs")
		}
		values, err := adapter.Parse(t.sig, reply)
		if err != nil || checked {
			return err
		}
		checked = true
		if values["answer"] != t.outputs["answer"] || values["score"] != t.outputs["score"] {
			return fmt.Errorf("the reply was read as %v", values)
		}
		return nil
	}
}

// predict returns a module on a model that answers after a while.
func (t *task) predict(after time.Duration) *cria.Predict[query, finding] {
	return cria.NewPredict[query, finding](taskInstruction, &cria.PredictOptions{LM: canned{t.reply(), after}, Demos: t.demos})
}

// call returns a whole call. It fails unless the answer is the right one.
func (t *task) call(ctx context.Context) func() error {
	predict, in := t.predict(0), t.query()
	want := finding{t.outputs.Text("answer"), int(t.outputs["score"].(int64))}
	return func() error {
		got, err := predict.Call(ctx, in)
		if err == nil && got != want {
			err = fmt.Errorf("the answer is %v", got)
		}
		return err
	}
}
