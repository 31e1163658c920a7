package doctor

import (
	"fmt"
	"runtime"
	"time"

	"regshape/login/app"
)

// clockCheck compares the system's clock with times that are certainly past. A clock
// that is behind makes certificates and tokens look like ones of the future.
type clockCheck struct{ seen *storeLook }

func (clockCheck) name() string { return "clock" }

func (c clockCheck) run(e *app.Env) []finding {
	const slack = time.Minute // two machines that share a home may differ by that much
	past, what := time.Time{}, ""
	if built, err := time.Parse(time.RFC3339, e.Build.Date); err == nil {
		past, what = built, "this program was built"
	}
	for _, cred := range c.seen.found {
		if cred.Updated.After(past) {
			past, what = cred.Updated, "the newest login was stored"
		}
	}
	now := e.Now()
	if now.Add(slack).Before(past) {
		return []finding{bad(fmt.Sprintf("the clock says %s, but %s at %s: certificates and tokens will fail",
			now.UTC().Format(time.RFC3339), what, past.UTC().Format(time.RFC3339)), "", setClock())}
	}
	return []finding{good("the clock is not behind", "")}
}

// setClock is the system's command to take the time from the network.
func setClock() string {
	switch runtime.GOOS {
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	case "windows":
		return "w32tm /resync"
	}
	return "sudo timedatectl set-ntp true"
}
