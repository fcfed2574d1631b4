package chattemplate

// expr is an expression.
type expr interface {
	eval(r *run, s *scope) (value, error)
}

type (
	constExpr struct{ value value }
	nameExpr  struct{ name string }
	listExpr  struct{ items []expr }
	tupleExpr struct{ items []expr }
	dictExpr  struct {
		keys, values []expr
		line         int
	}
	attrExpr struct {
		of   expr
		name string
		line int
	}
	itemExpr struct {
		of, key expr
		line    int
	}
	sliceExpr struct { // a part may be nil
		of, start, stop, step expr
		line                  int
	}
	unaryExpr struct {
		op   string // + -
		of   expr
		line int
	}
	binaryExpr struct {
		op          string // + - * / // % **
		left, right expr
		line        int
	}
	concatExpr struct {
		parts []expr
		line  int
	}
	compareExpr struct {
		first expr
		ops   []string // == != < <= > >= in notin
		rest  []expr
		line  int
	}
	notExpr struct{ of expr }
	andExpr struct{ left, right expr }
	orExpr  struct{ left, right expr }
	ifExpr  struct { // no is nil without else
		test, yes, no expr
		line          int
	}
	callExpr struct {
		of   expr
		args arguments
		line int
	}
	filterExpr struct {
		of     expr
		filter filterCall
	}
	testExpr struct {
		of   expr
		name string
		args arguments
		line int
	}
)

// arguments are those of a call as they are written.
type arguments struct {
	positional []expr
	names      []string // of named
	named      []expr
	star       expr // *list, or nil
	starStar   expr // **dict, or nil
}

type filterCall struct {
	name string
	args arguments
	line int
}

// stmt is a statement, or text.
type stmt interface {
	exec(r *run, s *scope, out *output) (signal, error)
}

// signal is how a statement ends.
type signal int

const (
	goOn signal = iota
	breakLoop
	continueLoop
)

// target is what can be assigned to: a name, an attribute of a namespace, or
// several of them.
type target struct {
	name   string
	attr   string // of the namespace name
	parts  []target
	tuple  bool
	atLine int
}

type (
	textStmt  struct{ text string }
	printStmt struct {
		of   expr
		line int
	}
	setStmt struct {
		to   target
		of   expr
		line int
	}
	setBlockStmt struct {
		to      target
		filters []filterCall
		body    []stmt
		line    int
	}
	ifStmt struct {
		branches []branch
		other    []stmt
	}
	forStmt struct {
		to        target
		over      expr
		test      expr // or nil
		recursive bool
		body      []stmt
		other     []stmt // else
		line      int
	}
	withStmt struct {
		targets []target
		values  []expr
		body    []stmt
		line    int
	}
	macroStmt struct {
		name string
		def  *macroDef
	}
	callStmt struct {
		call *callExpr
		def  *macroDef
		line int
	}
	filterStmt struct {
		filters []filterCall
		body    []stmt
		line    int
	}
	scopeStmt struct{ body []stmt } // {% generation %}
	jumpStmt  struct{ signal signal }
)

type branch struct {
	test expr
	body []stmt
	line int
}

// macroDef is a macro, or the body of a call block.
type macroDef struct {
	name     string // "" for a call block
	params   []string
	defaults []expr // of the last params
	body     []stmt
	line     int

	// Whether the body mentions these names: only then may a call give more
	// than the parameters.
	varargs, kwargs, caller bool
}
