package llama

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// ChatMessage is one turn of a chat.
type ChatMessage struct {
	Role    string // "system", "user", "assistant"
	Content string
}

// ChatTemplate returns the model's chat template (Jinja source) of that name, ""
// for the main one; false if the model has none.
func (m *Model) ChatTemplate(name string) (string, bool) {
	var p uintptr
	if name == "" {
		p = call2(c.modelChatTemplate, m.handle(), 0)
	} else {
		n := cString(name)
		p = call2(c.modelChatTemplate, m.handle(), uintptr(unsafe.Pointer(&n[0])))
	}
	return goString(p), p != 0
}

// BuiltinChatTemplates returns the names of the templates that llama.cpp can
// apply, none before [Load].
func BuiltinChatTemplates() []string {
	if _, ok := Loaded(); !ok {
		return nil
	}
	n := int32(call2(c.chatBuiltin, 0, 0))
	if n <= 0 {
		return nil
	}
	list := make([]uintptr, n)
	call2(c.chatBuiltin, uintptr(unsafe.Pointer(&list[0])), uintptr(n))
	names := make([]string, n)
	for i, p := range list {
		names[i] = goString(p)
	}
	return names
}

// ChatApplyTemplate renders msgs with tmpl, which is the name of a built-in
// template or Jinja source: llama.cpp does not run the source, it recognizes
// the built-in template that the source looks like. One it does not recognize
// is an error. With addAssistant, the text ends with the opening of the
// assistant's turn. A NUL in a message ends it.
func ChatApplyTemplate(tmpl string, msgs []ChatMessage, addAssistant bool) (string, error) {
	if _, ok := Loaded(); !ok {
		return "", ErrNotLoaded
	}
	if len(msgs) == 0 {
		return "", fmt.Errorf("llama: chat template applied to no messages")
	}
	t := cString(tmpl)
	type message struct{ role, content uintptr }
	list := make([]message, len(msgs))
	keep := make([][]byte, 0, 2*len(msgs))
	size := 256
	for i, m := range msgs {
		role, content := cString(m.Role), cString(m.Content)
		keep = append(keep, role, content)
		list[i] = message{uintptr(unsafe.Pointer(&role[0])), uintptr(unsafe.Pointer(&content[0]))}
		size += len(m.Role) + len(m.Content) + 64
	}
	defer runtime.KeepAlive(keep)
	if size > math.MaxInt32/2 {
		return "", fmt.Errorf("llama: chat of %d bytes is too long for a template", size)
	}
	for {
		buf := make([]byte, size)
		n := int32(call7(c.chatApply, uintptr(unsafe.Pointer(&t[0])),
			uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), boolWord(addAssistant),
			uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0))
		if n < 0 {
			return "", fmt.Errorf("llama: the chat template is not one of llama.cpp's built-in ones")
		}
		if int(n) <= len(buf) {
			return string(buf[:n]), nil
		}
		size = int(n)
	}
}
