package authfile

import (
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct{ name, before, after, want string }{
		{"same", "{}", "{}", ""},
		{
			"added",
			"{\n\t\"auths\": {\n\t\t\"registry.example\": {\n\t\t\t\"auth\": \"Y2FuYXJ5OmNhbmFyeQ==\"\n\t\t}\n\t}\n}\n",
			"{\n\t\"auths\": {\n\t\t\"registry.example\": {\n\t\t\t\"auth\": \"Y2FuYXJ5OmNhbmFyeQ==\"\n\t\t}\n\t},\n\t\"credsStore\": \"regshape\"\n}\n",
			"--- f\n+++ f\n@@ -3,5 +3,6 @@\n \t\t\"registry.example\": {\n \t\t\t\"auth\": \"(hidden)\"\n \t\t}\n-\t}\n+\t},\n+\t\"credsStore\": \"regshape\"\n }\n",
		},
		{
			"one line, and a secret that changes",
			`{"auths":{"a.example":{"auth":"Y2FuYXJ5"}},"credsStore":"desktop"}`,
			`{"auths":{"a.example":{"auth":"Y2FuYXJ6"}},"credsStore":"desktop"}`,
			"--- f\n+++ f\n@@ -1,7 +1,7 @@\n {\n   \"auths\": {\n     \"a.example\": {\n-      \"auth\": \"(hidden)\"\n+      \"auth\": \"(hidden)\"\n     }\n   },\n   \"credsStore\": \"desktop\"\n",
		},
		{
			"new file",
			"",
			"{\n\t\"credHelpers\": {\n\t\t\"secret.example\": \"regshape\"\n\t}\n}",
			"--- f\n+++ f\n@@ -0,0 +1,5 @@\n+{\n+\t\"credHelpers\": {\n+\t\t\"secret.example\": \"regshape\"\n+\t}\n+}\n\\ No newline at end of file\n",
		},
		{
			"CRLF and a name with an escape",
			"{\r\n  \"HttpHeaders\": {\"X-Canary\": \"canary\"},\r\n  \"a\u009b2J\": 1\r\n}\r\n",
			"{\r\n  \"HttpHeaders\": {\"X-Canary\": \"canary\"},\r\n  \"a\u009b2J\": 2\r\n}\r\n",
			"--- f\n+++ f\n@@ -1,4 +1,4 @@\n {\n   \"HttpHeaders\": {\"X-Canary\": \"(hidden)\"},\n-  \"a\\u009b2J\": 1\n+  \"a\\u009b2J\": 2\n }\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Diff([]byte(c.before), []byte(c.after), "f")
			if got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
			if strings.Contains(got, "canary") || strings.Contains(got, "Y2Fu") {
				t.Error("a secret is shown")
			}
		})
	}
}

func TestDiffOfManyLines(t *testing.T) {
	// More changed lines than the table holds, and two changes far apart.
	var a, b strings.Builder
	a.WriteString("{\n\"first\": 1,\n")
	b.WriteString("{\n\"first\": 2,\n")
	for range 5000 {
		a.WriteString("\"x\": 1,\n")
		b.WriteString("\"x\": 1,\n")
	}
	a.WriteString("\"last\": 1\n}\n")
	b.WriteString("\"last\": 2\n}\n")
	got := Diff([]byte(a.String()), []byte(b.String()), "f")
	if n := strings.Count(got, "\n-"); n != 5002 {
		t.Errorf("%d removed lines, want 5002 (replaced as one block)", n)
	}
	before := "{\n\"a\": 1,\n" + strings.Repeat("\"x\": 1,\n", 20) + "\"z\": 1\n}\n"
	after := strings.ReplaceAll(strings.ReplaceAll(before, "\"a\": 1", "\"a\": 2"), "\"z\": 1", "\"z\": 2")
	if got := Diff([]byte(before), []byte(after), "f"); strings.Count(got, "@@ -") != 2 || len(strings.Split(got, "\n")) != 2+2+5+7+1 {
		t.Errorf("two changes far apart:\n%s", got)
	}
}
