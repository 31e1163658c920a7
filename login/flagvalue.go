package login

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/login/app"
	"regshape/login/terminal"
)

// flagValue takes the value of a flag from the command line as pflag does, which docker and
// podman use: -uNAME, -u NAME and -u=NAME are the same. kong would keep the "=", and refuse
// a value of its own word that begins with a dash.
type flagValue struct {
	kong.Mapper
	flags map[string]bool // of the whole grammar, with their dashes
}

// takeFlagValues has all flags of the grammar read by flagValue.
func takeFlagValues(k *kong.Kong) error {
	flags := map[string]bool{"--": true}
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok {
			flags["--"+f.Name] = true
			if f.Short != 0 {
				flags["-"+string(f.Short)] = true
			}
			if !f.IsBool() {
				f.Mapper = flagValue{f.Mapper, flags}
			}
		}
		return next(nil)
	})
}

// Decode reads the value.
func (v flagValue) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token, flag := ctx.Scan.Pop(), ctx.Value.ShortSummary()
	text, _ := token.Value.(string)
	hint := "check the variable it comes from, or leave out " + flag
	if token.Type == kong.ShortFlagTailToken {
		if name, _, _ := strings.Cut(string(ctx.Value.Flag.Short)+text, "="); v.flags["--"+name] {
			return &app.UsageError{Message: "-" + name + " is not a flag", Hint: "long flags begin with two dashes: --" + name}
		}
		text = strings.TrimPrefix(text, "=")
	}
	follows := token.Type == kong.UntypedToken && v.isFlag(text, ctx.Value.Name == "password")
	if follows {
		hint = "check the variable it comes from; a value that begins with a dash is given as " + flag + "=VALUE"
	}
	if follows || token.IsEOL() || isEmpty(ctx.Value, text) {
		return &app.UsageError{Message: flag + " needs a value", Hint: hint}
	}
	ctx.Scan.PushTyped(text, kong.FlagValueToken)
	return v.Mapper.Decode(ctx, target)
}

// isFlag reports whether a word that could be the value of a flag is another flag, since a
// variable before it was empty. Passwords may begin with a dash, also with that of a flag.
func (v flagValue) isFlag(word string, secret bool) bool {
	name, _, _ := strings.Cut(word, "=")
	long := strings.HasPrefix(word, "--")
	if secret {
		return v.flags[word] || long && v.flags[name]
	}
	return long || len(word) > 1 && v.flags[word[:2]]
}

// isEmpty reports whether a value is none, as of a variable that is not set. To kong an empty
// path is the current directory.
func isEmpty(v *kong.Value, text string) bool {
	switch {
	case v.Name == "password":
		text = terminal.WithoutLineEnd(text)
	case v.Name == "username":
		text = strings.TrimSpace(text)
	case v.Tag.Type != "path":
		return false
	}
	return text == ""
}

// exactString sets a string to the bytes that were given. kong would replace those that are
// not UTF-8.
func exactString(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("string")
	if err == nil {
		target.SetString(token.String())
	}
	return err
}
