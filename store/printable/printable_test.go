package printable

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"regshape/scripts/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestPrintable(t *testing.T) {
	for _, tt := range []struct {
		in   string
		max  int
		want string
	}{
		{"plain", 9, "plain"},
		{" a \t\r\n b ", 9, "a b"},
		{"\x1b[31mred\x07\x7f", 20, "?[31mred??"},
		{"a\u202eb\u2066c\u200b\ufeff", 20, "a?b?c??"},
		{"\u009b31m", 20, "?31m"},
		{"a\u2028b", 20, "a b"},
		{"bad\xffutf", 20, "bad\ufffdutf"},
		{"längere", 7, "längere"},
		{"längere!", 7, "länger…"},
		{"ab cd", 4, "ab…"},
		{"abc", 1, "…"},
		{"abc", 0, ""},
		{"abc", -1, ""},
		{"https://u:pw@h.example/v2/", 40, "https://***@h.example/v2/"},
	} {
		if got := Line(tt.in, tt.max); got != tt.want {
			t.Errorf("Line(%q, %d) = %q, want %q", tt.in, tt.max, got, tt.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[0m\u202e b\n", 5)
	f.Add("\xff\xfe…", 2)
	f.Add(`Get "https://u:p w@h/": no`, 100)
	f.Fuzz(func(t *testing.T, s string, max int) {
		got := Line(s, max)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxOf(max, 0) {
			t.Errorf("%q is not valid or too long for %d", got, max)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q holds what a terminal must not see", got)
		}
		if again := Line(got, max); again != got && !strings.Contains(s, "@") {
			t.Errorf("%q becomes %q", got, again)
		}
		text := Text(s)
		if !safeText(text) {
			t.Errorf("%q holds what a terminal must not see", text)
		}
		if again := Text(text); again != text && !strings.Contains(s, "@") {
			t.Errorf("%q becomes %q", text, again)
		}
	})
}

func maxOf(a, b int) int { return max(a, b) }

func safeText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"ghcr.io/team":                          "ghcr.io/team",
		"https://AWS:aB3/S3cr3t+x=@host/path":   "https://***@host/path",
		"https://u:p@ss?x#y:z@host:5000":        "https://***@host:5000",
		"u:pw@host":                             "***@host",
		"user:p://w@host":                       "***@host",
		"docker://https://u:pw@host":            "docker://***@host",
		"https:/u:pw@host":                      "***@host",
		"HTTPS://u:pw\u202e\x1b@host":           "HTTPS://***@host",
		"host:5000/app@sha256:0123":             "host:5000/app@sha256:0123",
		"docker://u:pw@host/app@sha256:0123":    "docker://***@host/app@sha256:0123",
		"https://u:pw@sha256:443":               "https://***@sha256:443",
		"u:pw@sha256:host":                      "***@sha256:host",
		"":                                      "",
		"odd \x1b key":                          "odd ? key",
		"https://index.docker.io/v1//me@x.test": "https://***@x.test",
	} {
		if got := Address(in); got != want {
			t.Errorf("Address(%q) = %q, want %q", in, got, want)
		}
	}
}

// A password in an address is in no message, whatever it is made of: neither where the
// address is known to be one, nor as part of a text, where it is as a URL has to be.
func FuzzAddress(f *testing.F) {
	for _, secret := range []string{"pw", "aB3/S3cr3t+x=", "a@b", "a?b#c:d", "\x1b]0;x\a", "://", `"`, "@sha256:00", " ", "\n"} {
		f.Add("https", secret)
		f.Add("", secret)
	}
	f.Fuzz(func(t *testing.T, scheme, odd string) {
		const canary = "cAnArY"
		if scheme = strings.Trim(scheme, "@:/ \"'`"); scheme != "" {
			scheme += "://"
		}
		address := scheme + "user:" + canary + odd + canary + "@host.example/path"
		if got := Address(address); strings.Contains(got, canary) || !strings.HasSuffix(got, "***@host.example/path") {
			t.Errorf("Address(%q) = %q", address, got)
		}
		if again := Address(Address(address)); again != Address(address) {
			t.Errorf("%q becomes %q", Address(address), again)
		}
		if scheme == "" || strings.Trim(scheme, schemeChars) != "://" || strings.ContainsAny(odd, " \t\r\n") {
			return
		}
		for _, text := range []string{"dial " + address + ": refused", `parse "` + address + `": no`, "(" + address + ")", address} {
			if got := Line(text, Long) + Text(text); strings.Contains(got, canary) {
				t.Errorf("%q is shown as %q", text, got)
			}
			shown, err := JSON(map[string]string{text: text})
			if err != nil || strings.Contains(string(shown), canary) {
				t.Errorf("%q is shown as %s, %v", text, shown, err)
			}
		}
	})
}

func TestTextRedacts(t *testing.T) {
	for in, want := range map[string]string{
		`Get "https://u:p w@h/v2/": refused`:                 `Get "https://***@h/v2/": refused`,
		"a http://u:p\"q@h, b https://x.example and me@mail": "a http://***@h, b https://x.example and me@mail",
		"see https://x.example/a\nme@mail":                   "see https://x.example/a\nme@mail",
		`parse "u://it\"s me@h": no`:                         `parse "u://***@h": no`,
		"://a@b":                                             "://a@b",
		"/x/https:/u:pw@h/y and /bin:/home/me@x":             "/x/https:/***@h/y and /bin:/home/me@x",
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	got := Format("%s:\n  %v %q %d\n", "a\nb\x1b", errors.New("e\r\nhttp://u:pw@h"), "x\ny", 3)
	if want := "a b?:\n  e  http://***@h \"x y\" 3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"/a/b-1.age": "/a/b-1.age", "a b": `"a b"`, "": `""`, "\x1b]0;x\a": `"\x1b]0;x\a"`, "a\nb": `"a\nb"`, `a"b`: `"a\"b"`, "\u202e": `"\u202e"`, "\xff": `"\xff"`,
	} {
		if got := Name(in); got != want {
			t.Errorf("Name(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	n, err := Writer{&out}.Write([]byte("a\tb  c\r\x1b[K\u009b\xff\n"))
	if got, want := out.String(), "a\tb  c ?[K?\ufffd\n"; got != want || n != 14 || err != nil {
		t.Errorf("got %q (%d, %v), want %q", got, n, err, want)
	}
	if Raw(Writer{&out}) != &out || Raw(&out) != &out {
		t.Error("the writer below is another")
	}
}

// What does not print is escaped, and every string parses to what it was.
func FuzzJSON(f *testing.F) {
	f.Add("\u009b\u202e\x7f\x1b \U000e0041 \u2028 <&> \" \\ é", "x")
	f.Add("https://a/b", `"me@x"`)
	f.Add("https://u:pw@h", "\\")
	f.Fuzz(func(t *testing.T, a, b string) {
		text, err := JSON([]map[string]string{{a: b, "exact": "e://" + a + "@"}}, "e://"+a+"@")
		if err != nil || !safeText(string(text)) || strings.Count(string(text), "\n") != 1 {
			t.Fatalf("%q, %v", text, err)
		}
		var got []map[string]string
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		valid := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		if !utf8.ValidString(a) || !utf8.ValidString(b) || a == "exact" {
			return
		}
		if got[0]["exact"] != "e://"+a+"@" || got[0][redact(valid(a))] != redact(valid(b)) {
			t.Fatalf("%q, %q: %s", a, b, text)
		}
	})
}

// A shell takes a command apart into the words that it was made of.
func TestShell(t *testing.T) {
	words := []string{
		"plain", "", "a b", "it's", `"`, "$HOME", "`id`", "$(id)", "\\", "a\nb", "\n", "-rf", "~", "*", "=ls", "a;b", "#", "!", "é", "a  b",
		"\x1b]0;x\a1", "\x7f9", "\xff", "\u202ea", "don't\t", "x\\\n0",
	}
	command := Shell(append([]string{"printf", `%s\0`}, words...)...)
	if line(command, Long) != command {
		t.Errorf("%q is changed where it is shown", command)
	}
	for _, shell := range []string{"bash", "zsh", "ksh", "sh"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("no %s", shell)
			continue
		}
		want := words
		if shell == "sh" { // dash has no $'…' yet
			want = []string{"a b", "it's", `"`, "$HOME", "`id`", "$(id)", "\\", "-rf", "~", "*", "é"}
			command = Shell(append([]string{"printf", `%s\0`}, want...)...)
		}
		out, err := testenv.Command(testenv.Environ(t.TempDir()), path, "-c", command).Output()
		if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); err != nil || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Errorf("%s: %v: %q becomes %q", shell, err, command, got)
		}
	}
	if got := File("-rf") + " " + File("a-") + " " + File("/-"); got != "./-rf a- /-" {
		t.Error(got)
	}
}

// On Windows a command is one of PowerShell: about_Quoting_Rules, about_Parsing.
func TestShell_windows(t *testing.T) {
	const override = "a\u202eb"
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"regshape", "auth", "login", "ghcr.io:5000/a"}, "regshape auth login ghcr.io:5000/a"},
		{[]string{"regshape", "--store", `C:\Jürgen\x`}, `regshape --store C:\Jürgen\x`},
		{[]string{"regshape", "--store", `C:\Program Files\it's`, "", "a,b", "@x", "a;b"}, `regshape --store "C:\Program Files\it's" "" "a,b" "@x" "a;b"`},
		{[]string{"x", "$HOME", "it’s $5", "%PATH%", "a`b", `"`}, "x '$HOME' 'it’’s $5' '%PATH%' 'a`b' '\"'"},
		{[]string{"x", override, "a  b"}, `x "a$([char]::ConvertFromUtf32(0x202e))b" "a$([char]::ConvertFromUtf32(0x20))$([char]::ConvertFromUtf32(0x20))b"`},
		{[]string{`C:\Program Files\key.exe`, "-x"}, `& "C:\Program Files\key.exe" -x`},
		{[]string{"mv", "-n", `C:\a`, `C:\b c`, `C:\d`}, `Move-Item -LiteralPath C:\a,"C:\b c" C:\d`},
		{[]string{"rm", `C:\[a]`}, `Remove-Item -LiteralPath "C:\[a]"`},
		{[]string{"rm", "-r", "--", `C:\a`, `C:\b`}, `Remove-Item -Recurse -LiteralPath C:\a,C:\b`},
		{[]string{"unset", "A", "B"}, "Remove-Item Env:A,Env:B"},
		{nil, ""},
	} {
		if got := shellOf("windows", test.words); got != test.want || line(got, Long) != got {
			t.Errorf("%q: got %s, want %s", test.words, got, test.want)
		}
	}
}

// Nearly every text is plain, and that costs no memory.
func TestPlainTextIsFree(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = Line("an everyday message about https://ghcr.io", 100) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
