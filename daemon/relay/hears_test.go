package relay

import (
	"strings"
	"testing"
)

func FuzzSwitchHears(f *testing.F) {
	for _, s := range []string{
		"guard 3 0\n", "guard 3 0\nbusy 1\ne-stop 1\ndrop e-stop\n", "guard 3 0\ndone 1 1\n",
		"guard 3 0\nalive\nalive\n", "fault x\n", "\n", "guard 3 0\nfault x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		g, say, hear := newFake()
		go g.obey(mute)
		go func() { g.say(said); g.end() }()
		events := make(chan Event, 1)
		s, err := newSwitch(say, g, yes).begin(t.Context(), hear, events)
		if err != nil {
			return
		}
		if err := s.Set(t.Context(), true, 0, 0); err == nil && !strings.Contains(said, "done 1 1\n") {
			t.Error("a guard that did not confirm was believed")
		}
		s.Close()
	})
}
