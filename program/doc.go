// Package program runs programs by name. A program is declared in a file of a folder, or
// in Go with [Add]; what model it runs on is a [Requirement], and a pool has that model
// ready.
//
// A file NAME.json declares the program NAME, without any Go:
//
//	{
//		"signature": "review -> sentiment: Literal['positive','negative']",
//		"model": "smollm2-135m-instruct",
//		"options": {"format": "lines"}
//	}
//
// Instead of a name, a declaration can say what the model has to be good for, and gets the
// smallest that has all of that and fits; without "model" it gets the smallest that fits:
//
//	{
//		"signature": "question -> answer",
//		"model": {"capabilities": ["thinking", "multilingual"]}
//	}
//
// What there is to choose from, and which names are known, [Options].Catalog says: [Catalog]
// makes it of hub's catalogue, the cache and a machine.
//
// Beside a program that was added in Go, NAME.json is what [cria.Program.SaveFile] wrote:
// the demonstrations and instructions that an optimizer found.
//
// An [Engine] looks at its folder every second. A file that has changed is a new version,
// which the next call runs; one that cannot be read, or does not fit, changes nothing but
// [Status].Err. Earlier versions are kept, and [Engine.Rollback] goes back to one, until the
// file's content changes.
package program
