package cria

import (
	"context"
	"encoding/json"
	"fmt"
)

// Majority asks a module several times and returns what most of its answers are
// (self-consistency; Wang et al., 2022). The attempts run at once and sample as those of
// [BestOfN] do; their common prompt is computed once. It is safe for concurrent use.
type Majority[In, Out any] struct {
	Module Module[In, Out]
	n      int
	key    func(Out) string
}

// NewMajority makes a module of n attempts. Answers with the same key count as the same;
// a nil key compares them as JSON, without the reasoning of a [Reasoned]. It panics if n is less than 1.
func NewMajority[In, Out any](m Module[In, Out], n int, key func(Out) string) *Majority[In, Out] {
	if n < 1 {
		panic(fmt.Sprintf("cria: %d attempts; there must be at least 1", n))
	}
	if key == nil {
		key = asJSON[Out]
	}
	return &Majority[In, Out]{m, n, key}
}

// asJSON leaves reasoning out: no two attempts have the same.
func asJSON[T any](v T) string {
	var value any = v
	if reasoned, ok := value.(interface{ answer() any }); ok {
		value = reasoned.answer()
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(data)
}

// Call implements [Module]. Attempts that fail have no vote; if all fail, the error is an
// *[AttemptsError]. If the key panics, the error is a *[PanicError].
func (m *Majority[In, Out]) Call(ctx context.Context, in In) (winner Out, err error) {
	answers, err := attempts(ctx, m.Module, m.n, in)
	if err != nil {
		return winner, err
	}
	defer recovered("the key of the majority", &err)
	return MostFrequent(answers, m.key), nil
}

// attempts calls a module n times at once and returns what succeeded, in order; if nothing
// did, the error is an *[AttemptsError].
func attempts[In, Out any](ctx context.Context, m Module[In, Out], n int, in In) (answers []Out, err error) {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	attempt := Func[int, Out](func(ctx context.Context, i int) (Out, error) { return m.Call(rollout(ctx, i), in) })
	var errs []error
	for _, o := range Map(ctx, attempt, numbers, &MapOptions{Concurrency: n}) {
		if o.Err != nil {
			errs = append(errs, o.Err)
			continue
		}
		answers = append(answers, o.Value)
	}
	if len(answers) == 0 {
		return nil, &AttemptsError{errs}
	}
	return answers, nil
}

// MostFrequent returns the first of the values whose key is most frequent, the zero value
// of none.
func MostFrequent[T any](values []T, key func(T) string) (winner T) {
	votes := map[string]int{}
	for _, v := range values {
		votes[key(v)]++
	}
	most := 0
	for _, v := range values {
		if n := votes[key(v)]; n > most {
			winner, most = v, n
		}
	}
	return winner
}
