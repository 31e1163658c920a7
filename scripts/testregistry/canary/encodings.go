package canary

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// Encodings are ways in which a server or a program may write what it was sent.
var Encodings = []struct {
	Name   string
	Encode func(string) string
}{
	{"raw", func(s string) string { return s }},
	{"query", url.QueryEscape},
	{"query, lower case", func(s string) string { return lowerEscapes(url.QueryEscape(s)) }},
	{"path", url.PathEscape},
	{"path, lower case", func(s string) string { return lowerEscapes(url.PathEscape(s)) }},
	{"percent, every byte", func(s string) string { return eachByte(s, "%%%02X") }},
	{"percent, every byte, lower case", func(s string) string { return eachByte(s, "%%%02x") }},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
	{"base64, unpadded", func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }},
	{"base64url", func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }},
	{"base64url, unpadded", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }},
	{"hex in groups", func(s string) string { return fmt.Sprintf("% x", s) }},
	{"base64 in lines", func(s string) string {
		out := ""
		for long := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 50) + s)); long != ""; {
			n := min(10, len(long))
			out, long = out+long[:n]+" ", long[n:]
		}
		return out
	}},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"hex, upper case", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }},
	{`\u`, func(s string) string { return EachRune(s, `\u%04x`) }},
	{`\u, upper case`, func(s string) string { return EachRune(s, `\u%04X`) }},
	{`\x`, func(s string) string { return eachByte(s, `\x%02x`) }},
	{"JSON", func(s string) string { b, _ := json.Marshal(s); return string(b) }},
	{"Go", strconv.Quote},
	{"HTML", html.EscapeString},
	{"HTML, numbers", func(s string) string { return EachRune(s, "&#%d;") }},
	{"HTML, hexadecimal numbers", func(s string) string { return EachRune(s, "&#x%x;") }},
}

func eachByte(s, format string) string {
	out := ""
	for _, b := range []byte(s) {
		out += fmt.Sprintf(format, b)
	}
	return out
}

// EachRune formats the code point of each rune.
func EachRune(s, format string) string {
	out := ""
	for _, r := range s {
		out += fmt.Sprintf(format, r)
	}
	return out
}

func lowerEscapes(s string) string {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' {
			s = s[:i] + strings.ToLower(s[i:i+3]) + s[i+3:]
		}
	}
	return s
}
