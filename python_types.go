package cria

import "slices"

// pythonModules are what may stand before the name of a type, with a dot.
var pythonModules = []string{
	"abc", "builtins", "collections", "datetime", "decimal", "dspy", "enum", "experimental",
	"pathlib", "pydantic", "types", "typing", "typing_extensions", "uuid",
}

// typeName consumes the name of a type and the modules before it.
func (p *signatureParser) typeName() string {
	name := p.word()
	for slices.Contains(pythonModules, name) && p.take(".") {
		name = p.word()
	}
	return name
}

// typeNames are what a type may be. signatureTypes says the same to who wrote another.
var typeNames = []string{
	"str", "int", "float", "bool", "datetime", "date", "timedelta", "Any", "JSON", "list", "tuple", "set", "dict",
	"Literal", "Optional", "Union", "History", "Image",
}

const signatureTypes = "str, int, float, bool, datetime, date, timedelta, Any, JSON, list[T], tuple[T, ...], set[T], " +
	"dict[str, T], Literal['a', 'b'], Optional[T], and for inputs History and Image; a type of your own is a Go struct, for SignatureOf"

// What stands for types of Python and of DSPy that are not part of the syntax.
const (
	useStr     = "use str"
	useList    = "use list[T]"
	useDict    = "use dict[str, T]"
	useLiteral = "use Literal['a', 'b']"
	useStruct  = "use a Go struct, for SignatureOf"
	useTools   = "tools are no values of fields; use a Literal of their names and, for the arguments, dict[str, Any]"
)

var insteadOf = map[string]string{
	"bytes": useStr, "bytearray": useStr, "string": useStr, "text": useStr, "Text": useStr, "AnyStr": useStr, "time": useStr,
	"UUID": useStr, "Path": useStr, "HttpUrl": useStr, "EmailStr": useStr,
	"boolean": "use bool", "integer": "use int", "number": "use float", "double": "use float",
	"Decimal": "use float, or str where every digit counts", "complex": "use a float for each part",
	"array": useList, "Iterable": useList, "Iterator": useList, "Collection": useList, "MutableSequence": useList, "deque": useList,
	"MutableMapping": useDict, "DefaultDict": useDict, "defaultdict": useDict, "OrderedDict": useDict, "Counter": "use dict[str, int]",
	"Enum": useLiteral, "enum": useLiteral, "StrEnum": useLiteral, "IntEnum": useLiteral,
	"Annotated":  "limits are set with Signature.WithField, or by tags of a Go struct",
	"BaseModel":  useStruct,
	"TypedDict":  useStruct,
	"NamedTuple": useStruct,

	"Tool": useTools, "ToolCalls": useTools, "ToolCallResults": useTools,
	"Code":       "use str, in a format whose values have several lines: JSON, markers or tags",
	"Reasoning":  "use str, Signature.WithReasoning or ChainOfThought",
	"Audio":      "no model can hear yet; use str, with what is said",
	"File":       "use str, with the text of the file",
	"Document":   "use str, with the text of the document",
	"Citations":  "use list[str], of what is cited",
	"Example":    "use dict[str, Any]",
	"Prediction": "use dict[str, Any]",
	"Choice":     "use Literal['a', 'b']: Result.Choice has the probabilities",
	"Noul":       "use bool, or Literal['yes', 'no']: Result.Choice has the probabilities",
	"Score":      "use float, or a Literal of grades: Result.Choice has the probabilities",
}

func unknownType(name string) string {
	if use, ok := insteadOf[name]; ok {
		return "the type " + name + " is not part of the syntax: " + use
	}
	msg := "unknown type"
	if near := nearest(name, typeNames); near != "" {
		msg += "; did you mean " + near + "?"
	}
	return msg + "; the types are " + signatureTypes
}
