//go:build linux

package doctor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"portillon/daemon/control"
)

func TestSilentScreenAndUnhandledRestartRequestAreReported(t *testing.T) {
	for name, x := range map[string]struct {
		screens []control.Screen
		age     time.Duration // age of the file that requests the restart; 0: no file
		want    string
		words   string
	}{
		"no screen":                    {nil, 0, "[]", ""},
		"a screen that reports itself": {[]control.Screen{{Address: "127.0.0.1"}}, 0, "[]", ""},
		"a silent one of two": {[]control.Screen{{Address: "127.0.0.1", SilentSeconds: 95},
			{Address: "192.168.1.40"}}, 0, "[screen]", "127.0.0.1 has been silent for 1m35s"},
		"a restart that has just been asked": {nil, 10 * time.Second, "[]", ""},
		"a restart that nobody carries out": {nil, 2 * time.Minute, "[screen]",
			"/run/portillon/vinyl.screen-stuck is still there"},
	} {
		c, s := healthyPi(t)
		c.Machine = "vinyl"
		s.Status = func(context.Context) (control.Status, error) {
			return control.Status{Reader: true, Screens: x.screens}, nil
		}
		if x.age > 0 {
			s.put(t, "run/portillon/vinyl.screen-stuck", "")
			s.Root.(fstest.MapFS)["run/portillon/vinyl.screen-stuck"].ModTime = s.Now.Add(-x.age)
		}
		found := Examine(t.Context(), c, s)
		if got := fmt.Sprint(faultyChecks(found)); got != x.want || !strings.Contains(fmt.Sprint(found), x.words) {
			t.Errorf("%s: %s, want %s with %q", name, got, x.want, x.words)
		}
	}
}
